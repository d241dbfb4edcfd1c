// What outlives a request: event streams, and links to recordings.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SimClock } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../store/testing.ts'
import { LINK_LIFE_MS, readRange } from './recording.ts'
import { HEARTBEAT_MS, MAX_STREAMS_PER_KEY, Streams } from './sse.ts'
import { openApiWorld, type ApiWorld } from './testing.ts'

let server: TestServer
let clock: SimClock
let world: ApiWorld
let token: string
let port: number
let numberId: string

beforeAll(async () => {
  server = await startTestServer()
  clock = new SimClock()
  world = await openApiWorld((await server.open({ clock })).store, { clock })
  token = (await world.key()).token
  numberId = (await world.line(token)).numberId
  port = (await world.api.listen()).port
})
afterAll(async () => {
  await world.close()
  await server.stop()
})

async function placeCall(): Promise<string> {
  const body = { fromNumberId: numberId, to: '+15555550123' }
  return String((await world.request('POST /calls', { token, body })).body['id'])
}

async function record(callId: string, type: string): Promise<string> {
  const id = world.ids.next('evt')
  const data = { sipCode: 180 }
  await world.store.tables.events.append({ id, callId, type, at: clock.now(), data })
  return id
}

interface Follower {
  response: IncomingMessage
  text: () => string
  ended: Promise<void>
}

/** Opens a stream, and lets simulated time pass in small steps while a condition is waited for. */
function follow(callId: string, key: string, more: Record<string, string> = {}): Promise<Follower> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${key}`, ...more }
    const url = `http://127.0.0.1:${port}/calls/${callId}/events`
    const request = get(url, { headers, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      const ended = new Promise<void>((done) => response.once('close', done))
      resolve({ response, text: () => text, ended })
    })
    request.once('error', reject)
  })
}

async function until(condition: () => boolean): Promise<void> {
  await expect
    .poll(async () => {
      await clock.advance(5)
      return condition()
    })
    .toBe(true)
}

async function untilEnded(follower: Follower): Promise<void> {
  let over = false
  void follower.ended.then(() => (over = true))
  await until(() => over)
}

describe('event streams', () => {
  it('give what was, then what happens, and close after the end', async () => {
    const callId = await placeCall()
    const first = await record(callId, 'initiated')
    const follower = await follow(callId, token)
    expect(follower.response.headers['content-type']).toContain('text/event-stream')
    expect(follower.response.headers['x-request-id']).toMatch(/^req_/)
    await until(() => follower.text().includes(`id: ${first}\nevent: initiated\ndata: {`))
    const second = await record(callId, 'ringing')
    await until(() => follower.text().includes(`id: ${second}\n`))
    await record(callId, 'ended')
    await untilEnded(follower)
    expect(follower.text()).toContain('event: ended')
  })

  it('resume after the last event that was seen', async () => {
    const callId = await placeCall()
    const first = await record(callId, 'initiated')
    const second = await record(callId, 'ended')
    const follower = await follow(callId, token, { 'last-event-id': first })
    await untilEnded(follower)
    expect(follower.text()).not.toContain(first)
    expect(follower.text()).toContain(second)
  })

  it('send a comment when nothing happens', async () => {
    const follower = await follow(await placeCall(), token)
    await until(() => follower.text() !== '')
    await clock.advance(HEARTBEAT_MS)
    await until(() => follower.text().includes(': still here\n\n'))
    expect(follower.text()).toBe(': open\n\n: still here\n\n')
    follower.response.destroy()
  })

  it('close at once when the key is revoked here', async () => {
    const { token: child, row } = await world.key()
    const follower = await follow(await placeCall(), child)
    await until(() => follower.text() !== '')
    await world.request(`POST /api-tokens/${row.id}/revoke`, { token })
    await untilEnded(follower)
    expect(follower.text()).not.toContain('ended')
  })

  it('close at the next comment when the key was revoked elsewhere', async () => {
    const { token: child, row } = await world.key()
    const follower = await follow(await placeCall(), child)
    await until(() => follower.text() !== '')
    await world.store.tables.keys.revokeTree(row, row.id, clock.now())
    await clock.advance(HEARTBEAT_MS)
    await untilEnded(follower)
    expect(follower.text()).not.toContain('still here')
  })

  it('give back what they hold when the client goes', async () => {
    const follower = await follow(await placeCall(), token)
    await until(() => follower.text() !== '')
    follower.response.destroy()
    await expect
      .poll(async () => {
        await clock.advance(5)
        return (await world.request('GET /metrics')).raw.includes('saperly_live_event_streams 0')
      })
      .toBe(true)
  })

  it('are not more than a key may have', () => {
    const streams = new Streams()
    const open = Array.from({ length: MAX_STREAMS_PER_KEY }, () => streams.open('key_a'))
    expect(streams.open('key_a')).toBeNull()
    expect(streams.open('key_b')).not.toBeNull()
    open[0]!.close('test')
    expect(open[0]!.signal.aborted).toBe(true)
    expect(streams.open('key_a')).not.toBeNull()
  })

  it('are a plain page for who does not ask for a stream', async () => {
    const callId = await placeCall()
    const ids = [await record(callId, 'ringing'), await record(callId, 'ringing')]
    const page = await world.request(`GET /calls/${callId}/events?limit=1`, { token })
    expect(JSON.parse(page.raw)).toMatchObject([{ id: ids[0], callId, type: 'ringing' }])
    const next = /<http:\/\/platform\.test(\S+)>; rel="next"/.exec(String(page.headers['link']))![1]
    const rest = await world.request(`GET ${next}`, { token })
    expect(JSON.parse(rest.raw)).toMatchObject([{ id: ids[1] }])
    expect(rest.headers['link']).toBeUndefined()
  })
})

describe('recordings', () => {
  it('are behind a link that lives 15 minutes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'saperly-recording-'))
    const recordingPath = join(folder, 'a.wav')
    await writeFile(recordingPath, 'RIFF0123456789')
    const callId = await placeCall()
    const none = await world.request(`GET /calls/${callId}/recording`, { token })
    expect(none.body).toEqual({ _tag: 'NotFound', path: `/calls/${callId}/recording` })
    const own = { id: callId, processId: 'proc_none' }
    await world.store.tables.calls.change(own, ['ringing'], { recordingPath })

    const { status, headers } = await world.request(`GET /calls/${callId}/recording`, { token })
    expect(status).toBe(302)
    const path = String(headers['location']).replace('http://platform.test', '')
    const whole = await world.request(`GET ${path}`)
    expect(whole).toMatchObject({ status: 200, raw: 'RIFF0123456789' })
    expect(whole.headers['content-type']).toBe('audio/wav')
    const part = await world.request(`GET ${path}`, { headers: { range: 'bytes=4-7' } })
    expect(part).toMatchObject({ status: 206, raw: '0123' })
    expect(part.headers['content-range']).toBe('bytes 4-7/14')

    for (const other of [`${path}x`, path.replace(/.\./, 'x.'), '/recordings/x', '/recordings/a.b'])
      expect((await world.request(`GET ${other}`)).body['_tag']).toBe('NotFound')
    await clock.advance(LINK_LIFE_MS)
    expect((await world.request(`GET ${path}`)).body['_tag']).toBe('NotFound')
    await rm(folder, { recursive: true })
  })

  it.each([
    [undefined, null],
    ['bytes=0-', { start: 0, end: 9 }],
    ['bytes=2-3', { start: 2, end: 3 }],
    ['bytes=8-99', { start: 8, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-99', { start: 0, end: 9 }],
    ['bytes=10-', null],
    ['bytes=5-4', null],
    ['bytes=-', null],
    ['bytes=-0', null],
    ['bytes=0-1,3-4', null],
    ['lines=1-2', null],
  ])('read the range %s', (header, range) => expect(readRange(header, 10)).toEqual(range))
})
