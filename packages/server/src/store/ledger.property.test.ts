// The ledger against a model of a few lines: whatever is asked in whatever order, both agree.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LedgerRefusal } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, keyRow } from './testing-rows.ts'

const MAX_LIVE = 4
const CAPS = { key_root: 400, key_leaf: 250, key_free: null } as const
type KeyId = keyof typeof CAPS
const CHAIN: Record<KeyId, readonly KeyId[]> = {
  key_root: ['key_root'],
  key_leaf: ['key_leaf', 'key_root'],
  key_free: ['key_free'],
}

type Op =
  | { do: 'reserve'; call: number; hold: number; key: KeyId | null; cents: number }
  | { do: 'extend' | 'settle'; call: number; hold: number; cents: number }
  | { do: 'release'; call: number; hold: number }
  | { do: 'topUp'; cents: number }

const call = fc.integer({ min: 0, max: 7 })
/** The call's own, and those of the targets that it is bridged with. */
const hold = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 2 }))
const cents = fc.integer({ min: 1, max: 260 })
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({
    do: fc.constant('reserve' as const),
    call,
    hold,
    key: fc.constantFrom<KeyId | null>('key_root', 'key_leaf', 'key_free', null),
    cents,
  }),
  fc.record({ do: fc.constantFrom('extend' as const, 'settle' as const), call, hold, cents }),
  fc.record({ do: fc.constant('release' as const), call, hold }),
  fc.record({ do: fc.constant('topUp' as const), cents: fc.integer({ min: 1, max: 60 }) }),
)

interface Hold {
  number: number
  held: number
  key: KeyId | null
  chain: readonly KeyId[]
  open: boolean
}

/** What the ledger promises, in memory. */
class Model {
  available = 500
  readonly used: Record<KeyId, number> = { key_root: 0, key_leaf: 0, key_free: 0 }
  /** By call and number of the hold. */
  readonly holds = new Map<string, Hold>()

  /** Calls, not holds: a target counts as no call of its own. */
  get live(): number {
    return [...this.holds.values()].filter(({ open, number }) => open && number === 0).length
  }

  room(chain: readonly KeyId[]): number {
    return Math.min(...chain.map((key) => (CAPS[key] ?? Infinity) - this.used[key]))
  }

  refusal(chain: readonly KeyId[], wanted: number, opens: boolean): LedgerRefusal['reason'] | null {
    if (this.room(chain) < wanted) return 'spend_limit'
    if (opens && this.live >= MAX_LIVE) return 'concurrency'
    return this.available < wanted ? 'insufficient_funds' : null
  }

  move(chain: readonly KeyId[], amount: number): void {
    this.available -= amount
    for (const key of chain) this.used[key] += amount
  }
}

describe.each(serversUnderTest)('the ledger and its model on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let round = 0

  beforeAll(async () => {
    server = await startTestServer({ binDir })
    test = await server.open({ maxLiveCalls: MAX_LIVE })
  })
  afterAll(async () => {
    await test.close()
    await server.stop()
  })

  /** Does one operation on both, and expects the same answer. */
  async function step(world: string, model: Model, next: Op): Promise<void> {
    const { ledger } = test.store.tables
    const tenant = { workspaceId: world, environment: 'test' } as const
    if (next.do === 'topUp') {
      await ledger.topUp(tenant, next.cents, 'more', NOW)
      model.available += next.cents
      return
    }
    const id = `call_${world}_${next.call}`
    const name = `${next.call} ${next.hold}`
    const hold = model.holds.get(name)
    if (next.do === 'reserve') {
      const own = model.holds.get(`${next.call} 0`)
      if (hold || (next.hold > 0 && !own)) return
      const key = own ? own.key : next.key
      const chain = key ? CHAIN[key] : []
      const result = await ledger.reserve({
        tenant,
        callId: id,
        hold: next.hold,
        keyId: key && `${key}_${world}`,
        amountCents: next.cents,
        at: NOW,
      })
      const refusal = model.refusal(chain, next.cents, next.hold === 0)
      expect(result.ok ? null : result.refusal.reason).toBe(refusal)
      if (refusal) return
      model.move(chain, next.cents)
      model.holds.set(name, { number: next.hold, held: next.cents, key, chain, open: true })
      return
    }
    if (next.do === 'extend') {
      if (!hold?.open) return
      const result = await ledger.extend(id, next.cents, NOW, next.hold)
      const refusal = model.refusal(hold.chain, next.cents, false)
      expect(result.ok ? null : result.refusal.reason).toBe(refusal)
      if (refusal) return
      model.move(hold.chain, next.cents)
      hold.held += next.cents
      return
    }
    const cost = next.do === 'settle' ? next.cents : 0
    const result =
      next.do === 'settle'
        ? await ledger.settle(id, cost, NOW, next.hold)
        : await ledger.release(id, NOW, next.hold)
    if (!hold?.open) {
      expect(result).toBe(next.do === 'settle' ? null : false)
      return
    }
    const taken = Math.min(cost, hold.held + Math.min(model.available, model.room(hold.chain)))
    model.move(hold.chain, taken - hold.held)
    hold.open = false
    if (next.do === 'settle') {
      expect(result).toEqual({
        takenCents: taken,
        shortfallCents: cost - taken,
        balanceCents: model.available,
      })
    }
  }

  it('agree after any sequence of moves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(op, { minLength: 5, maxLength: 40 }), async (ops) => {
        const world = `ws_${++round}`
        const tenant = { workspaceId: world, environment: 'test' } as const
        const { tables } = test.store
        await tables.workspaces.create({ id: world, name: world, createdAt: NOW })
        for (const key of ['key_root', 'key_leaf', 'key_free'] as const) {
          await tables.keys.insert(
            keyRow({
              ...tenant,
              id: `${key}_${world}`,
              spendLimitCents: CAPS[key],
              mintedByTokenId: key === 'key_leaf' ? `key_root_${world}` : null,
            }),
          )
        }
        const model = new Model()
        for (const next of ops) await step(world, model, next)

        expect(await tables.ledger.balance(tenant)).toBe(model.available)
        expect(model.available).toBeGreaterThanOrEqual(0)
        for (const key of ['key_root', 'key_leaf', 'key_free'] as const) {
          const row = await tables.keys.get(tenant, `${key}_${world}`, NOW)
          expect(row?.spentThisPeriodCents).toBe(model.used[key])
        }
        const rows = await tables.ledger.list(tenant, { limit: 1000, cursor: null })
        expect(rows.reduce((sum, row) => sum + row.amountCents, 0)).toBe(model.available)
      }),
      { numRuns: 25 },
    )
    expect(await test.store.tables.ledger.verify()).toEqual([])
  })
})
