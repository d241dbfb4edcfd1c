// A thousand reserves at one moment, from two processes, on what covers four hundred: exactly those are made.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LedgerRefusal, Store, Tenant } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, TENANT, keyRow } from './testing-rows.ts'

const STORM = 1000
const COVERED = 400
const SLICE_CENTS = 13
const WELCOME_CENTS = 500
const BYSTANDER: Tenant = { workspaceId: 'ws_b', environment: 'test' }
const BYSTANDERS = 20

describe.each(serversUnderTest)('a storm on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let stores: Store[]

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  afterEach(async () => {
    const problems = await test.store.tables.ledger.verify()
    await test.close()
    if (problems.length > 0) throw new Error(JSON.stringify(problems))
  })

  async function open(maxLiveCalls: number, fundsCents: number): Promise<void> {
    test = await server.open({ maxLiveCalls })
    stores = [test.store, await test.another()]
    const { workspaces, ledger } = test.store.tables
    await workspaces.create({ id: 'ws_a', name: 'A', createdAt: NOW })
    await workspaces.create({ id: 'ws_b', name: 'B', createdAt: NOW })
    await ledger.topUp(TENANT, fundsCents - WELCOME_CENTS, 'funds', NOW)
  }

  const reserve = (index: number, keyId: string | null, tenant = TENANT) =>
    stores[index % stores.length]!.tables.ledger.reserve({
      tenant,
      callId: `call_${tenant.workspaceId}_${index}`,
      keyId,
      amountCents: SLICE_CENTS,
      at: NOW,
    })

  /** All at once, with a few of another tenant among them; the refusals of the hot one, and how many were made. */
  async function storm(
    keyId: string | null,
  ): Promise<{ made: number; reasons: Set<LedgerRefusal['reason']> }> {
    const bystanders = Array.from({ length: BYSTANDERS }, (_, index) =>
      reserve(index, null, BYSTANDER),
    )
    const results = await Promise.all(
      Array.from({ length: STORM }, (_, index) => reserve(index, keyId)),
    )
    for (const result of await Promise.all(bystanders)) expect(result.ok).toBe(true)
    const refusals = results.flatMap((result) => (result.ok ? [] : [result.refusal]))
    return {
      made: results.length - refusals.length,
      reasons: new Set(refusals.map(({ reason }) => reason)),
    }
  }

  it('is held by the funds', { timeout: 60_000 }, async () => {
    await open(STORM, COVERED * SLICE_CENTS + SLICE_CENTS - 1)
    expect(await storm(null)).toEqual({
      made: COVERED,
      reasons: new Set(['insufficient_funds']),
    })
    expect(await test.store.tables.ledger.balance(TENANT)).toBe(SLICE_CENTS - 1)
  })

  it('is held by a cap, that of an ancestor too', { timeout: 60_000 }, async () => {
    await open(STORM, STORM * SLICE_CENTS)
    const { keys } = test.store.tables
    await keys.insert(keyRow({ id: 'key_root', spendLimitCents: COVERED * SLICE_CENTS }))
    await keys.insert(keyRow({ id: 'key_leaf', mintedByTokenId: 'key_root' }))
    expect(await storm('key_leaf')).toEqual({ made: COVERED, reasons: new Set(['spend_limit']) })
  })

  it('is held by the limit on live calls', { timeout: 60_000 }, async () => {
    await open(COVERED, STORM * SLICE_CENTS)
    expect(await storm(null)).toEqual({ made: COVERED, reasons: new Set(['concurrency']) })
  })
})
