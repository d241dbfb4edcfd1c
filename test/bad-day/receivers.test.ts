// Others that misbehave: webhook receivers that hang in every way, answers of 10 MB, and a model that never stops.
import { createServer, type RequestListener, type Server } from 'node:http'
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as TcpServer,
} from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../world.ts'
import { Subject } from './subject.ts'

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
let numberId = ''

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

beforeAll(async () => {
  const model = await http(floods('data: '))
  subject = await Subject.start({
    config: {
      models: { flood: { baseUrl: `${model}/v1`, model: 'flood' } },
      limits: { requestsPerSec: 10_000, burst: 10_000 },
    },
  })
  numberId = (await subject.api.line()).numberId
  await subject.api.consent(numberId, HANGS_UP)
})
afterAll(async () => {
  await subject.close()
  for (const server of servers) {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  }
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
  const { api } = subject
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
  const { api } = subject
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
