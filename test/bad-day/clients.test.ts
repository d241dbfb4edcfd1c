// Clients that send 10 MB, send slowly, or hold 10,000 sockets and say nothing: docs/operations.md says what is promised.
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { clientLimit } from '../../packages/server/src/open-files.ts'
import { ApiClient, until } from '../world.ts'
import { Crowd } from './crowd.ts'
import { Subject } from './subject.ts'

const TEN_MB = 10 * 1024 * 1024
const IDLE = 10_000
const MANUAL = 1_600
const SOCKETS_PER_CONNECTION = 16
/** What an idle socket may cost the server: about 10 KB are measured. */
const BYTES_PER_SOCKET = 40_000
const PEER = '+15555550100'

let subject: Subject
let api: ApiClient
let numberId = ''
/** Opened before everything else, so that its time runs out meanwhile. */
let slow: Crowd
const SLOW = 10

beforeAll(async () => {
  subject = await Subject.start({
    config: { limits: { requestsPerSec: 10_000, burst: 10_000 } },
  })
  api = subject.api
  numberId = (await api.line()).numberId
  await api.consent(numberId, PEER)
  slow = new Crowd(subject.url)
  const head = `POST /calls HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${api.token}\r\n`
  const type = 'content-type: application/json\r\ncontent-length: 100\r\n\r\n'
  await slow.grow(SLOW, () => `${head}${type}{"to":`)
})
afterAll(async () => {
  await subject.settled()
  await subject.close()
})

/** A call as any other: whoever can place and end one is well served. */
async function aCall(): Promise<void> {
  const id = await subject.place({ fromNumberId: numberId, to: PEER })
  expect((await api.post(`/calls/${id}/end`)).status).toBe(200)
}

function post(body: RequestInit['body'], headers: Record<string, string> = {}): Promise<Response> {
  const auth = { authorization: `Bearer ${api.token}`, 'content-type': 'application/json' }
  const options = { method: 'POST', body, headers: { ...auth, ...headers }, duplex: 'half' }
  return fetch(`${subject.url}/calls`, options as RequestInit)
}

/** A body that does not say how long it is. */
function unannounced(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close()
      controller.enqueue(new Uint8Array(64 * 1024).fill(32))
      left -= 64 * 1024
    },
  })
}

test('a body of 10 MB is refused in our words, announced or not, and costs nothing that stays', async () => {
  const before = await subject.figure('resident_memory_bytes')
  const answers = await Promise.all(Array.from({ length: 20 }, () => post('x'.repeat(TEN_MB))))
  for (const answer of answers) {
    expect(answer.status).toBe(413)
    expect(await answer.json()).toMatchObject({ _tag: 'MalformedRequest' })
  }
  const chunked = await post(unannounced(TEN_MB))
  expect([chunked.status, ((await chunked.json()) as { _tag: string })._tag]).toEqual([
    413,
    'MalformedRequest',
  ])
  // Who has no key does not get to send one.
  const stranger = await post('x'.repeat(TEN_MB), { authorization: 'Bearer sk_test_nobody' })
  expect(stranger.status).toBe(401)
  expect((await subject.figure('resident_memory_bytes')) - before).toBeLessThan(100 * 1024 * 1024)
  await aCall()
})

test('a frame of 10 MB costs a brain its socket, and nobody else anything', async () => {
  const line = await api.line()
  const headers = { authorization: `Bearer ${line.secret}` }
  const url = `${subject.url.replace('http', 'ws')}/manual/${line.connectionId}`
  const [loud, other] = [new WebSocket(url, { headers }), new WebSocket(url, { headers })]
  const opened = (socket: WebSocket) => new Promise((resolve) => socket.once('open', resolve))
  await Promise.all([opened(loud), opened(other)])
  const closed = new Promise((resolve) => loud.once('close', resolve))
  loud.on('error', () => undefined)
  loud.send('x'.repeat(TEN_MB))
  expect([1009, 1006]).toContain(await closed)
  await until('only one to be left', async () => (await subject.figure('manual_sockets')) === 1)
  expect(other.readyState).toBe(WebSocket.OPEN)
  other.terminate()
})

test('10,000 sockets that say nothing', { timeout: 120_000 }, async () => {
  const limits = await readFile(`/proc/${subject.pid}/limits`, 'utf8').catch(() => '')
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity)
  const limit = clientLimit(soft)
  const before = await subject.figure('resident_memory_bytes')
  const evictedBefore = await subject.figure('client_sockets_evicted_total')

  // Brains that connect and are never heard of again.
  const brains = new Crowd(subject.url)
  for (let had = 0; had < MANUAL; had += SOCKETS_PER_CONNECTION) {
    const { connectionId, secret } = await api.line()
    const upgrade =
      `GET /manual/${connectionId} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n` +
      'upgrade: websocket\r\nsec-websocket-version: 13\r\n' +
      `sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nauthorization: Bearer ${secret}\r\n\r\n`
    await brains.grow(SOCKETS_PER_CONNECTION + 1, () => upgrade)
  }
  const connections = MANUAL / SOCKETS_PER_CONNECTION
  await until('every brain to be answered', async () => {
    const answers = [...brains.said.values()].reduce((sum, count) => sum + count, 0)
    return answers === MANUAL + connections
  })
  expect(Object.fromEntries(brains.said)).toEqual({
    'HTTP/1.1 101 Switching Protocols': MANUAL,
    'HTTP/1.1 429 Too Many Requests': connections,
  })

  // Half of the rest ask once and keep their connection, the others never say a word.
  const idle = new Crowd(subject.url)
  const ask = 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n'
  await idle.grow(IDLE - MANUAL, (index) => (index % 2 === 0 ? ask : null))
  expect(await subject.figure('client_sockets')).toBeLessThanOrEqual(limit)
  const evicted = (await subject.figure('client_sockets_evicted_total')) - evictedBefore
  expect(evicted).toBeGreaterThanOrEqual(Math.max(0, IDLE - MANUAL - limit))

  // Whoever asks meanwhile is answered.
  const answers = await Promise.all(Array.from({ length: 100 }, () => api.get('/calls')))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  await aCall()
  const grown = (await subject.figure('resident_memory_bytes')) - before
  expect(grown / IDLE).toBeLessThan(BYTES_PER_SOCKET)

  // Those who never asked are told so and sent away by the server itself; the others leave.
  await until('those who never asked to be gone', async () => {
    return idle.open <= (IDLE - MANUAL) / 2
  })
  expect(idle.said.get('HTTP/1.1 400 Bad Request') ?? 0).toBeGreaterThan(0)
  idle.leave()
  brains.leave()
  await until('every socket to be given back', async () => {
    const open = await subject.figure('client_sockets')
    return open < 200 && (await subject.figure('manual_sockets')) === 0
  })
})

test('a request that does not come to its end is refused, and its socket taken back', async () => {
  await until('the slow ones to be gone', async () => slow.open === 0)
  expect(Object.fromEntries(slow.said)).toEqual({ 'HTTP/1.1 400 Bad Request': SLOW })
  await aCall()
})

test('what is not HTTP at all is refused at once', async () => {
  const socket = connect(Number(new URL(subject.url).port), '127.0.0.1')
  const answer = new Promise<string>((resolve) =>
    socket.once('data', (data) => resolve(data.toString())),
  )
  socket.write('\u0016\u0003\u0001 hello\r\n\r\n')
  expect(await answer).toContain('MalformedRequest')
  socket.destroy()
})
