// The outbox: what is queued for whom, who may take it and when, and what becomes of it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Tables } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, STRANGERS, TENANT, deliveryRow, furnish, webhookRow } from './testing-rows.ts'

const PAGE = { limit: 100, cursor: null }
const LEASE_MS = 30_000

describe.each(serversUnderTest)('the outbox on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let outbox: Tables['outbox']
  let count = 0
  const nextId = (): string => `dlv_${String(++count).padStart(6, '0')}`

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    test = await server.open()
    outbox = test.store.tables.outbox
    await furnish(test.store)
    await test.store.tables.webhooks.insert(webhookRow())
  })
  afterEach(() => test.close())

  const emit = (eventType = 'call.completed', tenant = TENANT, callId = 'call_a') =>
    outbox.emit({ tenant, eventType, payload: { callId }, at: NOW, nextId })

  it('queues an event for each enabled endpoint of the tenant that asked for it', async () => {
    const { webhooks } = test.store.tables
    await webhooks.insert(webhookRow({ id: 'whk_b' }))
    await webhooks.insert(webhookRow({ id: 'whk_off', enabled: false }))
    await webhooks.insert(webhookRow({ id: 'whk_other', events: ['message.sent'] }))
    await webhooks.insert(webhookRow({ id: 'whk_gone', deletedAt: NOW }))
    expect(await emit()).toBe(2)
    expect(await emit('balance.low')).toBe(0)
    expect(await emit('call.completed', STRANGERS[0]!)).toBe(0)
    const [delivery] = await outbox.list(TENANT, 'whk_b', null, PAGE)
    expect(delivery!.body).toBe(
      `{"deliveryId":"${delivery!.id}","eventType":"call.completed",` +
        `"createdAt":"2026-01-15T12:00:00.000Z","payload":{"callId":"call_a"}}`,
    )
    expect(delivery).toMatchObject({ status: 'pending', attempts: 0, nextAttemptAt: NOW })
  })

  it('belongs to the transaction that reports it', async () => {
    const failing = test.store.transaction(async (tables) => {
      await tables.outbox.emit({
        tenant: TENANT,
        eventType: 'call.completed',
        payload: {},
        at: NOW,
        nextId,
      })
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await outbox.nextDueAt()).toBeNull()
  })

  it('never gives a delivery to two claimers', async () => {
    for (let n = 0; n < 60; n++) await emit('call.completed', TENANT, `call_${n}`)
    const other = (await test.another()).tables.outbox
    const claims = await Promise.all(
      Array.from({ length: 12 }, (_, n) => (n % 2 ? outbox : other).claim(7, NOW, LEASE_MS)),
    )
    const ids = claims.flat().map((row) => row.id)
    expect(new Set(ids).size).toBe(ids.length)
    const rest = await outbox.claim(100, NOW, LEASE_MS)
    expect(new Set([...ids, ...rest.map((row) => row.id)]).size).toBe(60)
    expect(rest.every((row) => row.webhook.id === 'whk_a')).toBe(true)
  })

  it('gives it again when its lease ran out, and shows the attempt that was planned', async () => {
    await emit()
    const [taken] = await outbox.claim(1, NOW, LEASE_MS)
    expect(taken).toMatchObject({ nextAttemptAt: NOW, webhook: webhookRow() })
    expect(await outbox.claim(1, NOW + LEASE_MS - 1, LEASE_MS)).toEqual([])
    expect(await outbox.nextDueAt()).toBe(NOW + LEASE_MS)
    expect(await outbox.claim(1, NOW + LEASE_MS, LEASE_MS)).toMatchObject([{ id: taken!.id }])
  })

  it('holds an event of a call back until the former ones were tried once, at that endpoint', async () => {
    await test.store.tables.webhooks.insert(webhookRow({ id: 'whk_b' }))
    for (let n = 0; n < 3; n++) await emit()
    await emit('call.completed', TENANT, 'call_b')
    const claim = async (at = NOW): Promise<string[]> =>
      (await outbox.claim(100, at, LEASE_MS)).map(({ id }) => id)
    const settle = (id: string, status: 'delivered' | 'failed' | 'dead') =>
      outbox.settle(id, {
        status,
        responseStatus: null,
        at: NOW,
        nextAttemptAt: status === 'failed' ? NOW + 5000 : null,
      })
    const listed = async (webhookId: string): Promise<string[]> =>
      (await outbox.list(TENANT, webhookId, null, PAGE)).map(({ id }) => id).toReversed()
    const [a, b] = [await listed('whk_a'), await listed('whk_b')]
    expect((await claim()).toSorted()).toEqual([a[0]!, a[3]!, b[0]!, b[3]!].toSorted())
    expect(await claim()).toEqual([])
    expect(await outbox.nextDueAt()).toBe(NOW + LEASE_MS)
    // Given up for now is as good as delivered: the next one goes, to this endpoint alone.
    await settle(a[0]!, 'failed')
    expect(await outbox.nextDueAt()).toBe(NOW)
    expect(await claim()).toEqual([a[1]])
    await settle(a[1]!, 'delivered')
    expect(await claim()).toEqual([a[2]])
    expect(await claim(NOW + 5000)).toEqual([a[0]])
    // Who took the first one died: it comes again, and still before the others.
    const again = [a[2]!, a[3]!, b[0]!, b[3]!]
    expect((await claim(NOW + LEASE_MS)).toSorted()).toEqual(again.toSorted())
  })

  it('gives so many of each endpoint, and none of those that have enough', async () => {
    const { webhooks } = test.store.tables
    for (const id of ['whk_b', 'whk_c']) await webhooks.insert(webhookRow({ id }))
    for (let n = 0; n < 5; n++) await emit('call.completed', TENANT, `call_${n}`)
    const claim = async (limit: number, except: string[]): Promise<string[]> =>
      (await outbox.claim(limit, NOW, LEASE_MS, { perEndpoint: 2, except }))
        .map(({ webhookId }) => webhookId)
        .toSorted()
    expect(await claim(100, ['whk_b'])).toEqual(['whk_a', 'whk_a', 'whk_c', 'whk_c'])
    expect(await outbox.nextDueAt(['whk_a', 'whk_b', 'whk_c'])).toBeNull()
    expect(await outbox.nextDueAt(['whk_a', 'whk_c'])).toBe(NOW)
    expect(await claim(3, [])).toHaveLength(3)
  })

  it('records attempts until the last one, and starts over at a replay', async () => {
    await emit()
    const { id } = (await outbox.claim(1, NOW, LEASE_MS))[0]!
    await outbox.settle(id, {
      status: 'failed',
      responseStatus: 503,
      at: NOW,
      nextAttemptAt: NOW + 5000,
    })
    expect(await outbox.nextDueAt()).toBe(NOW + 5000)
    expect(await outbox.replay(TENANT, id, NOW + 1)).toMatchObject({
      status: 'failed',
      attempts: 1,
    })
    const dead = {
      status: 'dead',
      responseStatus: null,
      at: NOW + 6000,
      nextAttemptAt: null,
    } as const
    await outbox.settle(id, dead)
    await outbox.settle(id, dead)
    expect(await outbox.get(TENANT, id)).toMatchObject({
      status: 'dead',
      attempts: 2,
      lastAttemptAt: NOW + 6000,
      nextAttemptAt: null,
    })
    expect(await outbox.replay(TENANT, id, NOW + 7000)).toMatchObject({
      status: 'pending',
      attempts: 0,
      nextAttemptAt: NOW + 7000,
    })
    expect(await outbox.claim(1, NOW + 7000, LEASE_MS)).toHaveLength(1)
  })

  it('replays a range of time, oldest first and so many at once, and says where it ends', async () => {
    const at = (n: number): number => NOW + n * 1000
    const finished = { nextAttemptAt: null, attempts: 8, status: 'dead' } as const
    for (let n = 0; n < 6; n++)
      await outbox.insert(deliveryRow({ id: `dlv_${n}`, createdAt: at(n), ...finished }))
    await outbox.insert(
      deliveryRow({ ...finished, id: 'dlv_ok', createdAt: at(2), status: 'delivered' }),
    )
    await outbox.insert(deliveryRow({ id: 'dlv_waits', createdAt: at(2), nextAttemptAt: at(99) }))
    const range = { since: at(1), until: at(5), statuses: ['dead'] as const }
    const replay = (since = range.since) =>
      outbox.replayRange(TENANT, 'whk_a', { ...range, since }, 3, at(50))
    expect(await replay()).toEqual({ count: 3, nextSince: at(4) })
    expect(await replay(at(4))).toEqual({ count: 1, nextSince: null })
    expect(await replay()).toEqual({ count: 0, nextSince: null })
    const due = await outbox.claim(100, at(50), LEASE_MS)
    expect(due.map(({ id, attempts }) => [id, attempts])).toEqual(
      [1, 2, 3, 4].map((n) => [`dlv_${n}`, 0]),
    )
    expect(await outbox.list(TENANT, 'whk_a', 'dead', PAGE)).toHaveLength(2)
    const both = { ...range, statuses: ['dead', 'delivered'] as const }
    for (const stranger of STRANGERS)
      expect(await outbox.replayRange(stranger, 'whk_a', both, 3, at(50))).toEqual({
        count: 0,
        nextSince: null,
      })
    expect(await outbox.replayRange(TENANT, 'whk_a', both, 1, at(50))).toEqual({
      count: 1,
      nextSince: null,
    })
  })

  it('rates an endpoint by what became of its deliveries', async () => {
    const { webhooks } = test.store.tables
    const rate = async () => (await webhooks.list(TENANT, PAGE))[0]!.successRate
    await outbox.insert(deliveryRow())
    expect(await rate()).toBeNull()
    const finished = { nextAttemptAt: null, attempts: 1 }
    await outbox.insert(deliveryRow({ id: 'dlv_1', status: 'delivered', ...finished }))
    await outbox.insert(deliveryRow({ id: 'dlv_2', status: 'dead', ...finished }))
    expect(await rate()).toBe(0.5)
  })

  it('lets go of what was still to be delivered to a deleted endpoint', async () => {
    await emit()
    await test.store.tables.webhooks.update(webhookRow({ deletedAt: NOW }))
    expect(await test.store.tables.webhooks.get(TENANT, 'whk_a')).toBeNull()
    expect(await outbox.nextDueAt()).toBeNull()
    expect(await outbox.list(TENANT, 'whk_a', null, PAGE)).toMatchObject([{ status: 'dead' }])
  })
})
