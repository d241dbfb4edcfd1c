// Recharges: one at a time, within the day's limit, stopped by declines, and settled once, whoever else is at it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Store, Tenant } from './port.ts'
import type { RechargeRow } from './recharge-port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { furnish, NOW, STRANGERS, TENANT } from './testing-rows.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const LEASE_MS = 60_000
const PROVIDERS = { test: 'simulated', live: 'stripe' }
/** A workspace begins with 500 cents. */
const LIMITS = { belowCents: 501, maxPerDayCents: 2_500, pauseMs: HOUR_MS, maxDeclines: 3 }
const PAID = { state: 'paid', reference: 'pi_1' } as const
const DECLINED = { state: 'declined', reason: 'card_declined' } as const

describe.each(serversUnderTest)('on $name', ({ binDir }) => {
  let server: TestServer
  let opened: TestStore
  let store: Store
  let count = 0

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    opened = await server.open()
    store = opened.store
    await furnish(store)
  })
  afterEach(() => opened.close())

  const wanted = (tenant: Tenant = TENANT) => ({
    id: `rch_${++count}`,
    tenant,
    provider: PROVIDERS[tenant.environment],
    amountCents: 1_000,
    customer: 'cus_1',
    paymentMethod: 'pm_1',
  })
  const open = (at = NOW, limits = LIMITS, from = store): Promise<RechargeRow | null> =>
    from.tables.recharges.open(wanted(), limits, at)
  const settle = (row: RechargeRow | null, outcome: typeof PAID | typeof DECLINED, at = NOW) =>
    store.tables.recharges.settle(row!.id, outcome, at)
  const claim = (at = NOW, from = store): Promise<RechargeRow[]> =>
    from.tables.recharges.claim(PROVIDERS, 10, at, LEASE_MS)

  it('is opened where the balance is low and none is pending, and says what was asked for', async () => {
    expect(await open(NOW, { ...LIMITS, belowCents: 500 })).toBeNull()
    const row = await open()
    expect(row).toMatchObject({
      ...TENANT,
      provider: 'simulated',
      amountCents: 1_000,
      customer: 'cus_1',
      paymentMethod: 'pm_1',
      state: 'pending',
      attempts: 0,
      nextAttemptAt: NOW,
      createdAt: NOW,
      settledAt: null,
    })
    expect(await open()).toBeNull()
    expect(await store.tables.recharges.list(TENANT)).toEqual([row])
    for (const stranger of STRANGERS) {
      expect(await store.tables.recharges.list(stranger)).toEqual([])
    }
  })

  it('goes by what is available: what calls hold is not', async () => {
    const { ledger } = store.tables
    const limits = { ...LIMITS, belowCents: 400 }
    expect(await open(NOW, limits)).toBeNull()
    await ledger.charge({
      tenant: TENANT,
      messageId: 'msg_1',
      keyId: null,
      amountCents: 101,
      note: 'text',
      at: NOW,
    })
    expect(await open(NOW, limits)).not.toBeNull()
  })

  it('names the tenants whose balance is low and who wait for nothing', async () => {
    const { recharges } = store.tables
    const [live, other] = STRANGERS as [Tenant, Tenant]
    const thresholds = [
      { tenant: TENANT, belowCents: 501 },
      { tenant: live, belowCents: 501 },
      { tenant: other, belowCents: 500 },
      { tenant: { ...TENANT, workspaceId: 'ws_none' }, belowCents: 501 },
    ]
    expect(await recharges.low(thresholds)).toHaveLength(2)
    await open()
    expect(await recharges.low(thresholds)).toEqual([{ tenant: live, belowCents: 501 }])
    expect(await recharges.low([])).toEqual([])
  })

  it('stays within the day, pending and paid ones counted', async () => {
    for (const at of [NOW, NOW + HOUR_MS]) await settle(await open(at), PAID, at)
    expect(await open(NOW + 2 * HOUR_MS), 'a third thousand is too much').toBeNull()
    expect(await open(NOW + DAY_MS - 1)).toBeNull()
    expect(await open(NOW + DAY_MS)).not.toBeNull()
  })

  it('waits after a decline, stops after three, and goes on when a day has passed', async () => {
    for (const hours of [0, 1, 2]) {
      const at = NOW + hours * HOUR_MS
      await settle(await open(at), DECLINED, at)
      expect(await open(at + HOUR_MS - 1)).toBeNull()
    }
    expect(await open(NOW + 10 * HOUR_MS)).toBeNull()
    expect(await open(NOW + DAY_MS)).not.toBeNull()
  })

  it('goes on at once when the operator has given money', async () => {
    for (const hours of [0, 1, 2]) {
      const at = NOW + hours * HOUR_MS
      await settle(await open(at), DECLINED, at)
    }
    await store.tables.recharges.pardon(STRANGERS[0]!, NOW + 2 * HOUR_MS)
    expect(await open(NOW + 2 * HOUR_MS)).toBeNull()
    await store.tables.recharges.pardon(TENANT, NOW + 2 * HOUR_MS)
    expect(await open(NOW + 2 * HOUR_MS)).not.toBeNull()
  })

  it('is opened once by many at the same time, and the day holds under a storm', async () => {
    const another = await opened.another()
    const storm = Array.from({ length: 60 }, async (_, each) => {
      const mine = each % 2 === 0 ? store : another
      const row = await open(NOW + each, LIMITS, mine)
      if (!row) return 0
      await mine.transaction(async (tables) => {
        await tables.recharges.settle(row.id, PAID, NOW + each)
        await tables.ledger.charge({
          tenant: TENANT,
          messageId: `msg_${each}`,
          keyId: null,
          amountCents: 1,
          note: 'text',
          at: NOW + each,
        })
      })
      return 1
    })
    const sum = (await Promise.all(storm)).reduce<number>((all, one) => all + one, 0)
    expect(sum).toBeGreaterThan(0)
    expect(sum).toBeLessThanOrEqual(2)
    expect(await store.tables.recharges.list(TENANT)).toHaveLength(sum)
  })

  it('is claimed by one, and by others when the lease is over', async () => {
    await open()
    const another = await opened.another()
    const claims = await Promise.all([claim(), claim(NOW, another), claim()])
    expect(claims.flat()).toMatchObject([{ attempts: 1, nextAttemptAt: NOW + LEASE_MS }])
    expect(await claim(NOW + LEASE_MS - 1)).toEqual([])
    expect(await store.tables.recharges.nextDueAt(PROVIDERS)).toBe(NOW + LEASE_MS)
    expect(await claim(NOW + LEASE_MS)).toMatchObject([{ attempts: 2 }])
  })

  it('is not claimed by who has another provider, in its environment', async () => {
    await open()
    const { recharges } = store.tables
    for (const providers of [
      { test: 'stripe', live: 'simulated' },
      { test: null, live: 'simulated' },
    ]) {
      expect(await recharges.claim(providers, 10, NOW, LEASE_MS)).toEqual([])
      expect(await recharges.nextDueAt(providers)).toBeNull()
    }
  })

  it('is put off by its last attempt only', async () => {
    await open()
    const [first] = await claim()
    const [second] = await claim(NOW + LEASE_MS)
    await store.tables.recharges.postpone(first!, NOW)
    expect(await claim(NOW + LEASE_MS + 1)).toEqual([])
    await store.tables.recharges.postpone(second!, NOW + LEASE_MS + 5)
    expect(await claim(NOW + LEASE_MS + 5)).toHaveLength(1)
  })

  it('is settled once; what is paid after all makes a declined one paid, and nothing undoes it', async () => {
    const row = await open()
    expect(await settle(row, DECLINED, NOW + 1)).toMatchObject({
      state: 'declined',
      reason: 'card_declined',
      nextAttemptAt: null,
      settledAt: NOW + 1,
    })
    expect(await settle(row, DECLINED)).toBeNull()
    expect(await claim(NOW + DAY_MS)).toEqual([])
    expect(await settle(row, PAID, NOW + 2)).toMatchObject({
      state: 'paid',
      reference: 'pi_1',
      reason: null,
      settledAt: NOW + 2,
    })
    expect(await settle(row, PAID)).toBeNull()
    expect(await settle(row, DECLINED)).toBeNull()
  })

  it('keeps what it asked for and that it was paid, whoever comes', async () => {
    await settle(await open(), PAID)
    for (const statement of [
      `update recharge set state = 'pending', reference = null`,
      'update recharge set amount_cents = 1',
      `update recharge set customer = 'cus_2'`,
      'delete from recharge',
      'truncate recharge',
    ]) {
      await expect(opened.raw(statement)).rejects.toMatchObject({ code: '23001' })
    }
  })
})
