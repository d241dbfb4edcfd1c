// The delivery worker against a real endpoint on loopback, with an outbox in memory and simulated time.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { assert, Fault, seededRandom, silentLog, SimClock } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { addressPolicy } from '../outbound/address.ts'
import { Dialler } from '../outbound/dialler.ts'
import { SecretBox, sealedFor } from '../secrets/box.ts'
import type { DeliveryRow, Tables, WebhookRow } from '../store/port.ts'
import { Deliverer, MAX_SENDING, MAX_SENDING_PER_ENDPOINT, SCHEDULE_MS } from './deliver.ts'
import { verify } from './sign.ts'

type Outbox = Tables['outbox']

/** As much of an outbox as the worker needs. */
class MemoryOutbox {
  readonly rows = new Map<string, DeliveryRow>()
  readonly webhooks = new Map<string, WebhookRow>()
  readonly leases = new Map<string, number>()
  faults = 0

  readonly claim: Outbox['claim'] = async (limit, at, leaseMs, endpoints) => {
    if (this.faults-- > 0) throw new Fault('the database is away', { retryable: true })
    const counts = new Map<string, number>()
    const due = [...this.rows.values()].filter((row) => {
      if (row.nextAttemptAt === null || row.nextAttemptAt > at || !this.#free(row.id, at))
        return false
      const count = (counts.get(row.webhookId) ?? 0) + 1
      counts.set(row.webhookId, count)
      return count <= endpoints!.perEndpoint && !endpoints!.except.includes(row.webhookId)
    })
    return due.slice(0, limit).map((row) => {
      this.leases.set(row.id, at + leaseMs)
      return { ...row, webhook: this.webhooks.get(row.webhookId)! }
    })
  }

  readonly settle: Outbox['settle'] = async (id, outcome) => {
    const row = this.rows.get(id)!
    this.leases.delete(id)
    row.attempts++
    row.status = outcome.status
    row.responseStatus = outcome.responseStatus
    row.lastAttemptAt = outcome.at
    row.nextAttemptAt = outcome.nextAttemptAt
  }

  readonly nextDueAt: Outbox['nextDueAt'] = async (except = []) => {
    const due = [...this.rows.values()]
      .filter((row) => row.nextAttemptAt !== null && !except.includes(row.webhookId))
      .map((row) => Math.max(row.nextAttemptAt!, this.leases.get(row.id) ?? 0))
    return due.length > 0 ? Math.min(...due) : null
  }

  #free(id: string, at: number): boolean {
    return (this.leases.get(id) ?? 0) <= at
  }
}

let clock: SimClock
let outbox: MemoryOutbox
let dialler: Dialler
let deliverer: Deliverer
let box: SecretBox
let url: string
let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void
let seen: { headers: Record<string, string>; body: string; at: number }[]
const server = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
  request.on('end', () => {
    seen.push({ headers: request.headers as Record<string, string>, body, at: clock.now() })
    answer(request, response, body)
  })
})

beforeEach(async () => {
  clock = new SimClock()
  const random = seededRandom(7)
  box = new SecretBox(random.bytes(32), random)
  outbox = new MemoryOutbox()
  dialler = new Dialler(addressPolicy([], '127.0.0.1'), clock)
  seen = []
  answer = (_, response) => response.writeHead(204).end()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  const tables = { outbox: outbox as unknown as Outbox }
  deliverer = new Deliverer({ store: { tables }, dialler, box, clock, random, log: silentLog })
})

afterEach(async () => {
  await deliverer.close()
  await dialler.close()
  assert(clock.pending() === 0, 'a timer leaked')
  await new Promise<void>((done) => {
    server.close(() => done())
    server.closeAllConnections()
  })
})

function endpoint(id: string, more: Partial<WebhookRow> = {}): void {
  const tenant = { workspaceId: 'ws_1', environment: 'test' as const }
  outbox.webhooks.set(id, {
    ...tenant,
    id,
    url,
    events: [],
    description: null,
    enabled: true,
    secret: box.seal(`whsec_${id}`, sealedFor.webhook(id)),
    previousSecret: null,
    previousSecretUntil: null,
    createdAt: 0,
    deletedAt: null,
    ...more,
  })
}

function queue(id: string, webhookId = 'whk_1'): void {
  outbox.rows.set(id, {
    workspaceId: 'ws_1',
    environment: outbox.webhooks.get(webhookId)!.environment,
    id,
    webhookId,
    eventType: 'call.completed',
    body: JSON.stringify({ deliveryId: id, payload: 'grüße' }),
    status: 'pending',
    attempts: 0,
    responseStatus: null,
    lastAttemptAt: null,
    nextAttemptAt: clock.now(),
    createdAt: clock.now(),
  })
}

const settled = (id: string, attempts: number) =>
  vi.waitFor(() => expect(outbox.rows.get(id)!.attempts).toBe(attempts), 5000)

describe('a delivery', () => {
  test('is sent at once, signed, and done with a 2xx', async () => {
    endpoint('whk_1')
    queue('dlv_1')
    deliverer.start()
    await settled('dlv_1', 1)
    const [request] = seen
    expect(verify(request!, ['whsec_whk_1'], clock.now())).toEqual({
      ok: true,
      value: { deliveryId: 'dlv_1' },
    })
    expect(request!.headers['x-saperly-delivery-attempt']).toBe('1')
    expect(outbox.rows.get('dlv_1')).toMatchObject({
      status: 'delivered',
      responseStatus: 204,
      nextAttemptAt: null,
    })
  })

  test('goes out on a wake, without waiting for the poll', async () => {
    endpoint('whk_1')
    deliverer.start()
    await vi.waitFor(() => expect(clock.pending()).toBe(1))
    queue('dlv_1')
    deliverer.wake()
    await settled('dlv_1', 1)
    expect(seen).toHaveLength(1)
  })

  test('is signed with both secrets while they rotate', async () => {
    const previousSecret = box.seal('whsec_old', sealedFor.webhook('whk_1'))
    endpoint('whk_1', { previousSecret, previousSecretUntil: clock.now() + 1000 })
    queue('dlv_1')
    deliverer.start()
    await settled('dlv_1', 1)
    for (const known of ['whsec_old', 'whsec_whk_1']) {
      expect(verify(seen[0]!, [known], clock.now()).ok).toBe(true)
    }
  })

  test('is tried eight times on the schedule, never early, and then dead', async () => {
    answer = (_, response) => response.writeHead(500).end('no')
    endpoint('whk_1')
    queue('dlv_1')
    deliverer.start()
    for (let attempt = 1; attempt <= SCHEDULE_MS.length; attempt++) {
      await settled('dlv_1', attempt)
      const row = outbox.rows.get('dlv_1')!
      expect(seen[attempt - 1]!.headers['x-saperly-delivery-attempt']).toBe(String(attempt))
      if (row.nextAttemptAt === null) break
      expect(row.status).toBe('failed')
      const pauseMs = row.nextAttemptAt - row.lastAttemptAt!
      expect(pauseMs).toBeGreaterThanOrEqual(SCHEDULE_MS[attempt]!)
      expect(pauseMs).toBeLessThanOrEqual(SCHEDULE_MS[attempt]! * 1.2)
      // Long pauses are skipped over by moving what is due nearer, not by polling through a simulated day.
      row.nextAttemptAt = clock.now()
      deliverer.wake()
    }
    expect(seen).toHaveLength(SCHEDULE_MS.length)
    expect(outbox.rows.get('dlv_1')).toMatchObject({ status: 'dead', responseStatus: 500 })
  })

  test('is tried again when its pause is over', async () => {
    answer = (_, response) => response.writeHead(seen.length === 1 ? 302 : 200).end()
    endpoint('whk_1')
    queue('dlv_1')
    deliverer.start()
    await settled('dlv_1', 1)
    while (seen.length < 2) await clock.advance(500)
    await settled('dlv_1', 2)
    expect(seen[1]!.at - seen[0]!.at).toBeGreaterThanOrEqual(5000)
    expect(outbox.rows.get('dlv_1')!.status).toBe('delivered')
  })

  test('is not put off by a clock that is set back an hour, nor is a new one', async () => {
    answer = (_, response) => response.writeHead(seen.length === 1 ? 500 : 200).end()
    endpoint('whk_1')
    queue('dlv_1')
    deliverer.start()
    await settled('dlv_1', 1)
    clock.jump(-3_600_000)
    queue('dlv_2')
    deliverer.wake()
    await settled('dlv_2', 1)
    // Its first pause is 5 s and a fifth of it at most; what was planned by the old time is kept by it.
    for (let ms = 0; ms < 7_000 && seen.length < 3; ms += 500) await clock.advance(500)
    await settled('dlv_1', 2)
    expect(outbox.rows.get('dlv_1')!.status).toBe('delivered')
  })

  test('to nobody, or to an address that is refused, is a failed attempt without status', async () => {
    endpoint('whk_1', { url: 'http://10.0.0.1/' })
    endpoint('whk_2', { environment: 'live' })
    queue('dlv_1')
    queue('dlv_2', 'whk_2')
    deliverer.start()
    for (const id of ['dlv_1', 'dlv_2']) {
      await settled(id, 1)
      expect(outbox.rows.get(id)).toMatchObject({ status: 'failed', responseStatus: null })
    }
    expect(seen).toHaveLength(0)
  })

  test('to an endpoint that was deleted or disabled is dead unsent', async () => {
    endpoint('whk_1', { deletedAt: 1 })
    endpoint('whk_2', { enabled: false })
    queue('dlv_1')
    queue('dlv_2', 'whk_2')
    deliverer.start()
    for (const id of ['dlv_1', 'dlv_2']) {
      await settled(id, 1)
      expect(outbox.rows.get(id)!.status).toBe('dead')
    }
    expect(seen).toHaveLength(0)
  })
})

describe('the worker', () => {
  test('goes on after the store failed', async () => {
    outbox.faults = 2
    endpoint('whk_1')
    queue('dlv_1')
    deliverer.start()
    while (seen.length === 0) await clock.advance(500)
    await settled('dlv_1', 1)
    expect(outbox.rows.get('dlv_1')!.status).toBe('delivered')
  })

  test('sends at most so many at once to one endpoint, and another one is not kept waiting', async () => {
    const held: ServerResponse[] = []
    answer = (_, response, body) => {
      if (body.includes('slow')) held.push(response)
      else response.end()
    }
    endpoint('whk_1')
    endpoint('whk_2')
    for (let i = 0; i < 20; i++) queue(`dlv_slow${i}`)
    queue('dlv_fast', 'whk_2')
    deliverer.start()
    await settled('dlv_fast', 1)
    await vi.waitFor(() => expect(held).toHaveLength(MAX_SENDING_PER_ENDPOINT))
    answer = (_, response) => response.end()
    for (const response of held) response.end()
    await vi.waitFor(() =>
      expect([...outbox.rows.values()].every((row) => row.status === 'delivered')).toBe(true),
    )
    expect(seen).toHaveLength(21)
  })

  test('lets hanging endpoints, each with a long queue, keep nobody else waiting', async () => {
    // On a port of their own: sockets are counted by host, and these would have them all.
    const stuck = createServer(() => void (stuckCount += 1))
    let stuckCount = 0
    await new Promise<void>((done) => stuck.listen(0, '127.0.0.1', done))
    const stuckUrl = `http://127.0.0.1:${(stuck.address() as AddressInfo).port}/`
    for (let n = 0; n < 100; n++) {
      const id = `whk_hang${n}`
      endpoint(id, { url: stuckUrl })
      for (let nth = 0; nth < 20; nth++) queue(`dlv_${id}_${nth}`, id)
    }
    endpoint('whk_good')
    deliverer.start()
    // Nobody has shown to be slow yet: everything there is hangs, until the attempts are given up.
    await vi.waitFor(() => expect(stuckCount).toBeGreaterThanOrEqual(64))
    await clock.advance(10_000)
    await vi.waitFor(() => {
      const tried = [...outbox.rows.values()].filter((row) => row.attempts > 0)
      expect(tried.length).toBeGreaterThanOrEqual(MAX_SENDING)
    })
    // From now on each has one at a time, so that a good endpoint's are sent while they all hang.
    for (let n = 0; n < 8; n++) queue(`dlv_good${n}`, 'whk_good')
    deliverer.wake()
    for (let n = 0; n < 8; n++) await settled(`dlv_good${n}`, 1)
    expect(seen).toHaveLength(8)
    await deliverer.close()
    stuck.closeAllConnections()
    await new Promise<void>((done) => void stuck.close(() => done()))
  })

  test('breaks off at the close, and what was under way stays due', async () => {
    answer = () => undefined
    endpoint('whk_1')
    queue('dlv_1')
    deliverer.start()
    await vi.waitFor(() => expect(seen).toHaveLength(1))
    await deliverer.close()
    expect(outbox.rows.get('dlv_1')).toMatchObject({ status: 'pending', attempts: 0 })
  })
})
