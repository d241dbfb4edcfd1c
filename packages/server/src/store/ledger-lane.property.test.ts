// Crowds of random moves through the lane: the journal reads as if they had been made one after the other.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LedgerTable } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, keyRow } from './testing-rows.ts'

const CAP_CENTS = 400

interface Op {
  do: 'reserve' | 'extend' | 'settle' | 'release'
  call: number
  capped: boolean
  cents: number
}

const op: fc.Arbitrary<Op> = fc.record({
  do: fc.constantFrom('reserve', 'reserve', 'extend', 'settle', 'settle', 'release'),
  call: fc.integer({ min: 0, max: 15 }),
  capped: fc.boolean(),
  cents: fc.integer({ min: 1, max: 160 }),
})
const crowds = fc.array(fc.array(op, { minLength: 1, maxLength: 40 }), {
  minLength: 1,
  maxLength: 4,
})

interface JournalRow {
  kind: string
  cap: boolean
  spent: number
  held: number
  short: number
  change: number
  balance: number
}

describe.each(serversUnderTest)('crowds of moves on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let round = 0

  beforeAll(async () => {
    server = await startTestServer({ binDir })
    test = await server.open({ maxLiveCalls: 1000 })
  })
  afterAll(async () => {
    await test.close()
    await server.stop()
  })

  /** What came of it: the reason of a refusal, 'bug' for what is asked of no open hold, or null. */
  async function ask(ledger: LedgerTable, world: string, next: Op): Promise<string | null> {
    const callId = `call_${world}_${next.call}`
    switch (next.do) {
      case 'reserve': {
        const tenant = { workspaceId: world, environment: 'test' as const }
        const keyId = next.capped ? `key_${world}` : null
        const hold = { tenant, callId, keyId, amountCents: next.cents, at: NOW }
        const result = await ledger.reserve(hold)
        return result.ok ? null : result.refusal.reason
      }
      case 'extend': {
        const result = await ledger.extend(callId, next.cents, NOW)
        return result.ok ? null : result.refusal.reason
      }
      case 'settle':
        await ledger.settle(callId, next.cents, NOW)
        return null
      case 'release':
        await ledger.release(callId, NOW)
        return null
    }
  }

  const journal = (world: string): Promise<JournalRow[]> =>
    test.raw<JournalRow & Record<string, unknown>>(
      `select kind, key_id is not null as cap, posted_cents::integer as spent, hold_cents::integer as held,
         shortfall_cents::integer as short, amount_cents::integer as change,
         balance_after_cents::integer as balance
       from transfer where workspace_id = $1 and environment = 'test' order by seq`,
      [world],
    )

  /** Reads the journal from its start; every row must have been right at its place. */
  function replay(rows: readonly JournalRow[]): { balances: number[]; used: number[] } {
    let balance = 0
    let used = 0
    const balances: number[] = []
    const usedAfter: number[] = []
    for (const row of rows) {
      balance += row.change
      if (row.cap) used += (row.kind === 'settle' ? row.spent : 0) + row.held
      expect(row.balance).toBe(balance)
      expect(balance).toBeGreaterThanOrEqual(0)
      expect(used).toBeLessThanOrEqual(CAP_CENTS)
      if (row.short > 0) expect(balance === 0 || (row.cap && used === CAP_CENTS)).toBe(true)
      balances.push(balance)
      usedAfter.push(used)
    }
    return { balances, used: usedAfter }
  }

  it('never show a moment that the rules forbid, nor a refusal without a reason', async () => {
    await fc.assert(
      fc.asyncProperty(crowds, async (all) => {
        const world = `ws_${++round}`
        const { workspaces, keys, ledger } = test.store.tables
        await workspaces.create({ id: world, name: world, createdAt: NOW })
        await keys.insert(
          keyRow({ workspaceId: world, id: `key_${world}`, spendLimitCents: CAP_CENTS }),
        )
        for (const crowd of all) {
          const before = (await journal(world)).length
          const outcomes = await Promise.allSettled(crowd.map((next) => ask(ledger, world, next)))
          const { balances, used } = replay(await journal(world))
          // The moments that a move of this crowd may have seen: before it, and after each of its rows.
          const least = Math.min(...balances.slice(before - 1))
          const most = Math.max(...used.slice(before - 1))
          for (const [index, outcome] of outcomes.entries()) {
            if (outcome.status === 'rejected') {
              // A second reserve of a call, or an extension of what is not open: never for money.
              expect(String(outcome.reason)).toMatch(/\(23505\)|that is not open/)
            } else if (outcome.value === 'insufficient_funds') {
              expect(least).toBeLessThan(crowd[index]!.cents)
            } else if (outcome.value === 'spend_limit') {
              expect(most + crowd[index]!.cents).toBeGreaterThan(CAP_CENTS)
            }
          }
        }
        const tenant = { workspaceId: world, environment: 'test' as const }
        expect(await ledger.balance(tenant)).toBe((await journal(world)).at(-1)!.balance)
      }),
      { numRuns: 20 },
    )
    expect(await test.store.tables.ledger.verify()).toEqual([])
  })
})
