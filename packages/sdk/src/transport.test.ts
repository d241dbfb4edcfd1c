// Requests go out whole, come back typed, and are tried again only where that is safe.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  ApiError,
  CallNotActive,
  ConnectionError,
  ConsentRequired,
  Saperly,
  type SaperlyOptions,
  TimeoutError,
} from './index.ts'
import { fakeFetch, json, type Scripted } from './testing.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function client(script: Scripted[], options: Partial<SaperlyOptions> = {}) {
  const { fetch, asked } = fakeFetch(...script)
  const baseUrl = 'http://host.test/'
  return { asked, saperly: new Saperly({ apiKey: 'sk_test_1', baseUrl, fetch, ...options }) }
}

/** Lets every wait pass, and gives what came of it. */
async function settled<T>(promise: Promise<T>): Promise<T | Error> {
  const outcome = promise.catch((error: Error) => error)
  await vi.runAllTimersAsync()
  return outcome
}

test('a request carries the key, its body, and an Idempotency-Key of its own', async () => {
  const { saperly, asked } = client([json(201, { id: 'call_1' }), json(201, { id: 'call_2' })])
  const body = { fromNumberId: 'num_1', to: '+15555550123' }
  expect(await saperly.calls.place(body)).toEqual({ id: 'call_1' })
  await saperly.calls.place(body)
  const [first, second] = asked
  expect(first).toMatchObject({ method: 'POST', url: 'http://host.test/calls', body })
  expect(first?.headers).toMatchObject({
    authorization: 'Bearer sk_test_1',
    'content-type': 'application/json',
  })
  expect(first?.headers['idempotency-key']).toMatch(/.{16,}/)
  expect(first?.headers['idempotency-key']).not.toBe(second?.headers['idempotency-key'])
})

test('ids are escaped, queries leave out what is not there', async () => {
  const { saperly, asked } = client([json(200, {}), json(200, [])])
  await saperly.calls.get('a/b?c')
  await saperly.calls.list({ to: '+15555550123', limit: 5, status: undefined })
  expect(asked.map(({ url }) => url)).toEqual([
    'http://host.test/calls/a%2Fb%3Fc',
    'http://host.test/calls?to=%2B15555550123&limit=5',
  ])
  expect(asked[0]?.headers['idempotency-key']).toBeUndefined()
  await expect(saperly.calls.get('')).rejects.toThrow('an id is required')
})

test('an error of the API is an instance of the class of its tag, with its fields', async () => {
  const body = { _tag: 'ConsentRequired', numberId: 'num_1', to: '+15555550123' }
  const { saperly } = client([json(403, body)])
  const error = await settled(saperly.calls.place({ fromNumberId: 'num_1', to: '+15555550123' }))
  expect(error).toBeInstanceOf(ConsentRequired)
  expect(error).toBeInstanceOf(ApiError)
  expect(error).toMatchObject({ ...body, status: 403, requestId: 'req_1', name: 'ConsentRequired' })
})

test('the status of a call does not hide that of the answer', async () => {
  const { saperly } = client([
    json(409, { _tag: 'CallNotActive', callId: 'call_1', status: 'completed' }),
  ])
  const error = await settled(saperly.calls.speak('call_1', { text: 'Hello.' }))
  expect(error).toBeInstanceOf(CallNotActive)
  expect(error).toMatchObject({ status: 409, callStatus: 'completed', callId: 'call_1' })
})

test('what is not of the API is said to be so', async () => {
  const page = new Response('<h1>Bad gateway</h1>', { status: 404 })
  const { saperly } = client([page, json(404, { _tag: 'FromTheFuture' })])
  expect(await settled(saperly.calls.get('call_1'))).toMatchObject({ _tag: 'UnexpectedAnswer' })
  expect(await settled(saperly.calls.get('call_1'))).toMatchObject({ _tag: 'FromTheFuture' })
})

test('a broken connection is tried again with the same Idempotency-Key', async () => {
  const { saperly, asked } = client([
    new TypeError('fetch failed'),
    json(409, { _tag: 'IdempotencyConflict', message: 'still running' }, { 'retry-after': '1' }),
    json(201, { id: 'call_1' }),
  ])
  const placed = settled(saperly.calls.place({ fromNumberId: 'num_1', to: '+15555550123' }))
  expect(await placed).toEqual({ id: 'call_1' })
  expect(new Set(asked.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
})

test('Retry-After is waited for', async () => {
  const busy = { _tag: 'RateLimited', bucket: 'key' }
  const { saperly, asked } = client([json(429, busy, { 'retry-after': '7' }), json(200, {})])
  const got = saperly.calls.get('call_1')
  await vi.advanceTimersByTimeAsync(6_999)
  expect(asked).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  await got
  expect(asked).toHaveLength(2)
})

test('more patience than a minute is not had', async () => {
  const away = { _tag: 'Unavailable', reason: 'draining' }
  const { saperly, asked } = client([json(503, away, { 'retry-after': '3600' })])
  expect(await settled(saperly.calls.get('call_1'))).toMatchObject({ _tag: 'Unavailable' })
  expect(asked).toHaveLength(1)
})

test('an error of the server is tried again only where it was asked to read', async () => {
  const fault = (): Response => json(500, { _tag: 'InternalError', traceId: 'req_1' })
  const reading = client([fault(), json(200, {})])
  expect(await settled(reading.saperly.calls.get('call_1'))).toEqual({})
  const writing = client([fault()])
  expect(await settled(writing.saperly.calls.end('call_1'))).toMatchObject({ status: 500 })
  const failed = {
    _tag: 'CallStartFailed',
    callId: 'c',
    reason: 'r',
    hangupCause: 'no_trunk',
    sipCode: null,
  }
  const placing = client([json(502, failed)])
  const body = { fromNumberId: 'num_1', to: '+15555550123' }
  expect(await settled(placing.saperly.calls.place(body))).toMatchObject(failed)
})

test('after the last attempt the error is thrown', async () => {
  const { saperly, asked } = client([new Error('a'), new Error('b')], { maxRetries: 1 })
  const error = await settled(saperly.calls.get('call_1'))
  expect(error).toBeInstanceOf(ConnectionError)
  expect(asked).toHaveLength(2)
})

function never({ signal }: { signal: AbortSignal }): Promise<Response> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  })
}

test('an attempt takes no longer than its limit', async () => {
  const { saperly, asked } = client([never, never], { timeoutMs: 1000, maxRetries: 1 })
  expect(await settled(saperly.usage.get())).toBeInstanceOf(TimeoutError)
  expect(asked).toHaveLength(2)
})

test('an abort ends it at once, with its own reason', async () => {
  const stop = new AbortController()
  const { saperly, asked } = client([never])
  const got = settled(saperly.usage.get({}, { signal: stop.signal }))
  stop.abort(new Error('enough'))
  expect(await got).toMatchObject({ message: 'enough' })
  expect(asked).toHaveLength(1)
})

test('a client that can not work says so at once', () => {
  expect(() => new Saperly({ apiKey: '' })).toThrow('apiKey is required')
  expect(() => new Saperly({ apiKey: 'k', baseUrl: 'host' })).toThrow('baseUrl')
})
