// The feed: one order for each tenant, in which nothing that commits late is ever skipped.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { deferred, seededRandom, silentLog } from '@saperly/kernel'
import { Database } from './database.ts'
import { FEED_KEPT_MS, feed } from './feed.ts'
import type { FeedRow, Store, Tables, Tenant } from './port.ts'
import type { Sql } from './sql.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, STRANGERS, TENANT, furnish } from './testing-rows.ts'

describe.each(serversUnderTest)('the feed on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    test = await server.open()
    await furnish(test.store)
  })
  afterEach(() => test.close())

  const emit = (tables: Tables, nth: number, call = 'call_a', tenant: Tenant = TENANT, at = NOW) =>
    tables.outbox.emit({
      tenant,
      eventType: 'call.completed',
      payload: { callId: call, nth },
      at,
      nextId: () => 'dlv_never',
    })
  const read = (after = 0, limit = 100, tenant = TENANT, store: Store = test.store) =>
    store.tables.feed.read(tenant, after, limit)
  const nths = (rows: readonly FeedRow[]): unknown[] => rows.map(({ payload }) => payload['nth'])

  it('gives what was emitted, to its tenant alone, from any position on', async () => {
    for (let nth = 1; nth <= 5; nth++) await emit(test.store.tables, nth)
    await emit(test.store.tables, 6, 'call_b', STRANGERS[0]!)
    expect(nths(await read(0, 2))).toEqual([1, 2])
    expect(await read(2, 2)).toEqual([
      {
        position: 3,
        eventType: 'call.completed',
        payload: { callId: 'call_a', nth: 3 },
        createdAt: NOW,
      },
      expect.objectContaining({ position: 4 }),
    ])
    expect(nths(await read(4))).toEqual([5])
    expect(await read(5)).toEqual([])
    expect(nths(await read(0, 100, STRANGERS[0]!))).toEqual([6])
    expect(await read(0, 100, STRANGERS[1]!)).toEqual([])
  })

  it('does not skip an event that began before others and committed after them', async () => {
    const [begun, go] = [deferred<void>(), deferred<void>()]
    const late = test.store.transaction(async (tables) => {
      await emit(tables, 1)
      begun.resolve()
      await go.promise
    })
    await begun.promise
    await emit(test.store.tables, 2, 'call_b')
    const [seen] = await read()
    expect(seen).toMatchObject({ position: 1, payload: { nth: 2 } })
    go.resolve()
    await late
    expect(nths(await read(seen!.position))).toEqual([1])
    expect(nths(await read())).toEqual([2, 1])
  })

  it('gives what another reader has found meanwhile', async () => {
    await emit(test.store.tables, 1)
    const database = new Database(test.address, silentLog)
    // The other one comes between the first statement of this one and its second.
    let statements = 0
    const sql: Sql = {
      rows: async (text, values) => {
        if (++statements === 2) await read()
        return database.rows(text, values)
      },
      count: (text, values) => database.count(text, values),
      atomic: (body) => database.atomic(body),
    }
    expect(nths(await feed(sql).read(TENANT, 0, 100))).toEqual([1])
    await database.close()
  })

  it('knows nothing of what was rolled back, and has no gap for it', async () => {
    const failing = test.store.transaction(async (tables) => {
      await emit(tables, 1)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    await emit(test.store.tables, 2)
    expect((await read()).map(({ position }) => position)).toEqual([1])
  })

  it('keeps its order and misses nothing with many writers and readers at once', async () => {
    const random = seededRandom(11)
    const others = [await test.another(), await test.another()]
    const stores = [test.store, ...others]
    const [CALLS, EVENTS] = [12, 8]
    // Each call's events come one after the other; calls run side by side, and some transactions take their time.
    const writers = Array.from({ length: CALLS }, async (_, call) => {
      const store = stores[call % stores.length]!
      for (let nth = 0; nth < EVENTS; nth++) {
        const extra = random.int(0, 5)
        await store.transaction(async (tables) => {
          await emit(tables, nth, `call_${call}`)
          for (let n = 0; n < extra; n++) await tables.ledger.balance(TENANT)
        })
      }
    })
    let writing = true
    const follow = async (store: Store): Promise<FeedRow[]> => {
      const got: FeedRow[] = []
      for (;;) {
        const last = !writing
        const more = await read(got.at(-1)?.position ?? 0, random.int(1, 9), TENANT, store)
        got.push(...more)
        if (last && more.length === 0) return got
      }
    }
    const readers = stores.map((store) => follow(store))
    await Promise.all(writers)
    writing = false
    const [first, ...rest] = await Promise.all(readers)
    expect(first!.map(({ position }) => position)).toEqual(
      Array.from({ length: CALLS * EVENTS }, (_, index) => index + 1),
    )
    for (const other of rest) expect(other).toEqual(first)
    for (let call = 0; call < CALLS; call++) {
      const own = first!.filter(({ payload }) => payload['callId'] === `call_${call}`)
      expect(nths(own)).toEqual(Array.from({ length: EVENTS }, (_, nth) => nth))
    }
  })

  it('lets go of what is too old, little by little', async () => {
    for (let nth = 1; nth <= 6; nth++) await emit(test.store.tables, nth)
    expect(await read()).toHaveLength(6)
    await emit(test.store.tables, 7, 'call_b', TENANT, NOW + FEED_KEPT_MS + 1)
    expect(nths(await read())).toEqual([5, 6, 7])
    await emit(test.store.tables, 8, 'call_b', TENANT, NOW + FEED_KEPT_MS + 1)
    expect((await read()).map(({ position }) => position)).toEqual([7, 8])
  })
})
