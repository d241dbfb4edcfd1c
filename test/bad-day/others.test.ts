// Others that misbehave: clients that send 10 MB, send slowly, or hold 10,000 sockets and say nothing; receivers that hang
// in every way, and a model that never stops. docs/operations.md says what is promised.
import { readFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as TcpServer,
} from 'node:net'
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
const CHUNK = 'x'.repeat(64 * 1024)
const CHUNKS_OF_TEN_MB = 160
/** Calls whose ends are to be told. */
const CALLS = 12
const HANGS_UP = '+15555550107'
const MUTE = '+15555550109'
/** A delivery that got no answer is not tried again before this much later. */
const FIRST_PAUSE_MS = 5_000

const servers: (Server | TcpServer)[] = []
let subject: Subject
let api: ApiClient
let numberId = ''
/** Opened before everything else, so that its time runs out meanwhile. */
let slow: Crowd
const SLOW = 10

beforeAll(async () => {
  const model = await http(floods('data: '))
  subject = await Subject.start({
    config: {
      models: { flood: { baseUrl: `${model}/v1`, model: 'flood' } },
      limits: { requestsPerSec: 10_000, burst: 10_000 },
    },
  })
  api = subject.api
  numberId = (await api.line()).numberId
  for (const peer of [PEER, HANGS_UP]) await api.consent(numberId, peer)
  slow = new Crowd(subject.url)
  const head = `POST /calls HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${api.token}\r\n`
  const type = 'content-type: application/json\r\ncontent-length: 100\r\n\r\n'
  await slow.grow(SLOW, () => `${head}${type}{"to":`)
})
afterAll(async () => {
  await subject.settled()
  await subject.close()
  for (const server of servers) {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  }
})

async function listen(server: Server | TcpServer): Promise<string> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const http = (answer: RequestListener): Promise<string> => listen(createServer(answer))

/** Ten megabytes as fast as they are read, begun with `head`. */
const floods =
  (head: string): RequestListener =>
  (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.on('error', () => undefined)
    response.write(head)
    let left = CHUNKS_OF_TEN_MB
    const more = (): void => {
      while (left-- > 0) if (!response.write(CHUNK)) return void response.once('drain', more)
      response.end()
    }
    more()
  }

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

interface Delivery {
  status: string
  attempts: number
  responseStatus: number | null
  nextAttemptAt: string | null
  lastAttemptAt: string | null
}

async function deliveriesTo(webhookId: string): Promise<Delivery[]> {
  const { status, body } = await subject.api.get(`/webhooks/${webhookId}/deliveries`)
  expect(status).toBe(200)
  return body
}

test('receivers that hang keep nobody else waiting, and are tried again by the schedule', async () => {
  const sockets = new Set<{ destroy(): void }>()
  const bare = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    socket.once('close', () => sockets.delete(socket))
  })
  const hanging = {
    'accepts and never answers': await http(() => undefined),
    'never reads': await listen(bare),
    'answers one byte, and no more': await http((request, response) => {
      request.resume()
      response.writeHead(200)
      response.write('x')
    }),
    'answers 10 MB': await http(floods('')),
  }
  const ids: Record<string, string> = {}
  for (const [how, url] of Object.entries(hanging)) {
    const made = await api.post('/webhooks', { url, events: ['call.completed'] })
    expect(made.status).toBe(201)
    ids[how] = made.body.id
  }
  const before = await subject.figure('resident_memory_bytes')
  await Promise.all(
    Array.from({ length: CALLS }, () =>
      subject.place({ fromNumberId: numberId, to: HANGS_UP, maxDurationSec: 60 }),
    ),
  )
  // The good one has everything while the others still keep the first of theirs open.
  await subject.settled()
  expect(await subject.figure('outbound_requests')).toBeGreaterThan(0)

  const failed = await until('an attempt at each to be given up', async () => {
    const all = await Promise.all(
      ['accepts and never answers', 'never reads'].map((how) => deliveriesTo(ids[how]!)),
    )
    return all.every((some) => some.some(({ status }) => status === 'failed')) && all.flat()
  })
  for (const { status, responseStatus, nextAttemptAt, lastAttemptAt } of failed) {
    if (status !== 'failed') continue
    expect(responseStatus).toBeNull()
    const pauseMs = Date.parse(nextAttemptAt!) - Date.parse(lastAttemptAt!)
    expect(pauseMs).toBeGreaterThanOrEqual(FIRST_PAUSE_MS)
  }
  // A status is an answer, whatever follows it: nothing more is read than a little.
  for (const how of ['answers one byte, and no more', 'answers 10 MB']) {
    const some = await until(`deliveries where one ${how}`, async () => {
      const found = await deliveriesTo(ids[how]!)
      return found.some(({ status }) => status === 'delivered') && found
    })
    expect(some.some(({ responseStatus }) => responseStatus === 200)).toBe(true)
  }
  expect((await subject.figure('resident_memory_bytes')) - before).toBeLessThan(100 * 1024 * 1024)
  for (const id of Object.values(ids))
    expect((await api.send('DELETE', `/webhooks/${id}`)).status).toBe(200)
  for (const socket of sockets) socket.destroy()
})

test('a model that streams 10 MB without an end of line loses its turn, and the call ends in order', async () => {
  const line = await api.line({
    mode: 'hosted',
    instructions: 'Be brief.',
    llm: { kind: 'managed', model: 'flood' },
  })
  await api.consent(line.numberId, MUTE)
  const before = await subject.figure('resident_memory_bytes')
  const id = await subject.place({ fromNumberId: line.numberId, to: MUTE })
  const call = await api.final(id)
  expect(call).toMatchObject({ status: 'completed', hangupCause: 'no_brain' })
  expect((await subject.figure('resident_memory_bytes')) - before).toBeLessThan(100 * 1024 * 1024)
  await subject.settled()
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
