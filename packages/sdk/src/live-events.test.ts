// The timeline of a call, live: every event once, in order, whatever the connection does.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ConnectionError, Saperly, Unauthorized } from './index.ts'
import { fakeFetch, json, type Scripted, streamed } from './testing.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const event = (id: string, type: string) =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ id, type, callId: 'call_1' })}\n\n`

async function follow(script: Scripted[], signal?: AbortSignal) {
  const { fetch, asked } = fakeFetch(...script)
  const saperly = new Saperly({ apiKey: 'k', baseUrl: 'http://host.test', fetch, maxRetries: 0 })
  const seen: string[] = []
  const all = (async () => {
    for await (const { id } of saperly.calls.events('call_1', { live: true, signal })) seen.push(id)
  })().catch((error: Error) => error)
  await vi.advanceTimersByTimeAsync(300_000)
  return { seen, asked, error: await all }
}

test('it goes on where it broke, and ends after `ended`', async () => {
  const { seen, asked, error } = await follow([
    streamed([': open\n\n', event('1', 'initiated'), event('2', 'answered').slice(0, 9)], 'break'),
    new TypeError('fetch failed'),
    streamed([event('2', 'answered')]),
    streamed([event('3', 'ended'), event('4', 'turn')], 'hang'),
  ])
  expect([seen, error]).toEqual([['1', '2', '3'], undefined])
  expect(asked.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '1', '1', '2'])
  expect(asked[0]?.headers['accept']).toBe('text/event-stream')
})

test('events are found wherever the pieces are cut', async () => {
  const text = `: hi\r\n\r\nid: 1\r\ndata: {"id":"1",\r\ndata: "type":"turn"}\r\n\r\n${event('2', 'ended')}`
  const { seen } = await follow([streamed(text.split(''))])
  expect(seen).toEqual(['1', '2'])
})

test('a refusal is thrown', async () => {
  const { error } = await follow([json(401, { _tag: 'Unauthorized', message: 'revoked' })])
  expect(error).toBeInstanceOf(Unauthorized)
})

test('a stream that falls silent is opened again', async () => {
  const { seen, asked } = await follow([
    ({ signal }) => {
      const response = streamed([event('1', 'initiated')], 'hang')
      signal.addEventListener('abort', () => void response.body?.cancel().catch(() => undefined))
      return new Response(
        response.body?.pipeThrough(new TransformStream(), { signal }) as ReadableStream,
      )
    },
    streamed([event('2', 'ended')]),
  ])
  expect([seen, asked.length]).toEqual([['1', '2'], 2])
})

test('one that never brings anything is given up', async () => {
  const { error, asked } = await follow(Array.from({ length: 30 }, () => streamed([])))
  expect(error).toBeInstanceOf(ConnectionError)
  expect(asked.length).toBeLessThan(15)
})

test('an abort ends it', async () => {
  const stop = new AbortController()
  stop.abort(new Error('enough'))
  expect((await follow([], stop.signal)).error).toMatchObject({ message: 'enough' })
})
