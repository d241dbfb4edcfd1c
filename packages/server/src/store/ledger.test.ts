// The ledger on a real PostgreSQL: what it moves, what it refuses, and that nobody gets past it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { NOW, TENANT, keyRow } from './testing-rows.ts'
import { CALL_HOLD, type LedgerTable } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'

const OTHER = { workspaceId: 'ws_b', environment: 'test' } as const
const PAGE = { limit: 100, cursor: null }

describe.each(serversUnderTest)('the ledger on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let ledger: LedgerTable

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    test = await server.open({ maxLiveCalls: 1000 })
    ledger = test.store.tables.ledger
    await test.store.tables.workspaces.create({ id: 'ws_a', name: 'A', createdAt: NOW })
    await test.store.tables.workspaces.create({ id: 'ws_b', name: 'B', createdAt: NOW })
  })
  afterEach(async () => {
    const problems = await ledger.verify()
    await test.close()
    if (problems.length > 0) throw new Error(JSON.stringify(problems))
  })

  const reserve = (callId: string, amountCents: number, keyId: string | null = null, at = NOW) =>
    ledger.reserve({ tenant: TENANT, callId, keyId, amountCents, at })
  const spent = async (id: string, at = NOW) =>
    (await test.store.tables.keys.get(TENANT, id, at))!.spentThisPeriodCents

  it('shows every move as a change of what is available', async () => {
    expect(await reserve('call_1', 13)).toEqual({ ok: true, value: { balanceCents: 487 } })
    expect(await ledger.held('call_1')).toBe(13)
    expect(await ledger.settle('call_1', 10, NOW)).toEqual({
      takenCents: 10,
      shortfallCents: 0,
      balanceCents: 490,
    })
    expect(await ledger.held('call_1')).toBeNull()
    expect(await ledger.balance(TENANT)).toBe(490)
    expect(await ledger.balance(OTHER)).toBe(500)

    const rows = await ledger.list(TENANT, PAGE)
    expect(rows.map((row) => [row.type, row.amountCents, row.balanceAfterCents])).toEqual([
      ['settle', 3, 490],
      ['reserve', -13, 487],
      ['topup', 500, 500],
    ])
    expect(rows[0]).toMatchObject({ ...TENANT, callId: 'call_1', keyId: null, createdAt: NOW })
    const older = await ledger.list(TENANT, { limit: 5, cursor: rows[1]!.id })
    expect(older.map((row) => row.type)).toEqual(['topup'])
    expect(await ledger.list({ ...TENANT, environment: 'live' }, PAGE)).toHaveLength(1)
  })

  it('grows a hold once, however often the same move is asked for', async () => {
    await reserve('call_1', 300)
    const grow = () => ledger.extend('call_1', 50, NOW, CALL_HOLD, 'txn_grow')
    const grown = { ok: true, value: { heldCents: 350, balanceCents: 150 } }
    expect(await grow()).toEqual(grown)
    expect(await grow()).toEqual(grown)
    // Also among others.
    const [again, other] = await Promise.all([grow(), reserve('call_2', 20)])
    expect(again).toMatchObject({ ok: true, value: { heldCents: 350 } })
    expect(other).toMatchObject({ ok: true })
    expect(await ledger.balance(TENANT)).toBe(130)
  })

  it('holds more for a call that goes on, and refuses what is not there', async () => {
    await reserve('call_1', 300)
    expect(await ledger.extend('call_1', 100, NOW)).toEqual({
      ok: true,
      value: { heldCents: 400, balanceCents: 100 },
    })
    expect(await ledger.extend('call_1', 101, NOW)).toEqual({
      ok: false,
      refusal: { reason: 'insufficient_funds', balanceCents: 100, requestedCents: 101 },
    })
    expect(await ledger.held('call_1')).toBe(400)
    expect(await ledger.release('call_1', NOW)).toBe(true)
    expect(await ledger.balance(TENANT)).toBe(500)
    await expect(ledger.extend('call_1', 1, NOW)).rejects.toThrow('not open')
  })

  it('resolves a hold once, whoever asks at the same time', async () => {
    await reserve('call_1', 100)
    const settled = await Promise.all([1, 2, 3, 4].map(() => ledger.settle('call_1', 60, NOW)))
    expect(settled.filter((result) => result !== null)).toHaveLength(1)
    expect(await ledger.release('call_1', NOW)).toBe(false)
    expect(await ledger.settle('call_unknown', 5, NOW)).toBeNull()
    expect(await ledger.balance(TENANT)).toBe(440)
  })

  it('takes what goes beyond the hold only as far as the balance allows, and records the rest', async () => {
    await reserve('call_1', 400)
    await reserve('call_2', 60)
    expect(await ledger.settle('call_1', 1000, NOW)).toEqual({
      takenCents: 440,
      shortfallCents: 560,
      balanceCents: 0,
    })
    const [row] = await test.raw(`select shortfall_cents from transfer where kind = 'settle'`)
    expect(row).toEqual({ shortfall_cents: 560 })
    expect(await ledger.settle('call_2', 60, NOW)).toMatchObject({ balanceCents: 0 })
  })

  it('lets exactly ten of two hundred reserves through when there is money for ten', async () => {
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, index) => reserve(`call_${index}`, 50)),
    )
    expect(results.filter((result) => result.ok)).toHaveLength(10)
    const refused = results.find((result) => !result.ok)
    expect(refused).toEqual({
      ok: false,
      refusal: { reason: 'insufficient_funds', balanceCents: 0, requestedCents: 50 },
    })
    expect(await ledger.balance(TENANT)).toBe(0)
  })

  it('lets exactly ten of two hundred reserves through under a cap, also under that of an ancestor', async () => {
    const { keys } = test.store.tables
    await keys.insert(keyRow({ id: 'key_root', spendLimitCents: 100 }))
    await keys.insert(keyRow({ id: 'key_mid', mintedByTokenId: 'key_root' }))
    await keys.insert(keyRow({ id: 'key_leaf', mintedByTokenId: 'key_mid', spendLimitCents: 90 }))
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        reserve(`call_${index}`, 10, index % 2 === 0 ? 'key_leaf' : 'key_mid'),
      ),
    )
    expect(results.filter((result) => result.ok)).toHaveLength(10)
    expect(await spent('key_root')).toBe(100)
    expect((await spent('key_mid')) + 0).toBe(100)
    expect(await reserve('call_more', 1, 'key_mid')).toEqual({
      ok: false,
      refusal: { reason: 'spend_limit', limitCents: 100, priorSpendCents: 100, requestedCents: 1 },
    })
    expect(await ledger.balance(TENANT)).toBe(400)
  })

  it('settles beyond the hold no further than the tightest cap of the chain', async () => {
    const { keys } = test.store.tables
    await keys.insert(keyRow({ id: 'key_root', spendLimitCents: 30 }))
    await keys.insert(keyRow({ id: 'key_leaf', mintedByTokenId: 'key_root' }))
    await reserve('call_1', 10, 'key_leaf')
    expect(await ledger.settle('call_1', 45, NOW)).toEqual({
      takenCents: 30,
      shortfallCents: 15,
      balanceCents: 470,
    })
    expect(await spent('key_leaf')).toBe(30)
  })

  it('counts a hold against the month in which it was made', async () => {
    const { keys } = test.store.tables
    const january = Date.UTC(2026, 0, 31, 23, 59)
    const february = Date.UTC(2026, 1, 1, 0, 1)
    await keys.insert(
      keyRow({ id: 'key_m', spendLimitCents: 20, spendLimitResetPeriod: 'monthly' }),
    )
    await keys.insert(keyRow({ id: 'key_life', spendLimitCents: 20 }))
    await reserve('call_1', 20, 'key_m', january)
    await reserve('call_2', 20, 'key_life', january)
    expect(await reserve('call_3', 1, 'key_m', january)).toMatchObject({ ok: false })
    expect(await reserve('call_4', 15, 'key_m', february)).toMatchObject({ ok: true })
    expect(await reserve('call_5', 1, 'key_life', february)).toMatchObject({ ok: false })
    await ledger.settle('call_1', 12, february)
    expect(await spent('key_m', january)).toBe(12)
    expect(await spent('key_m', february)).toBe(15)
  })

  it('charges prices outside of calls under the same rules', async () => {
    await test.store.tables.keys.insert(keyRow({ spendLimitCents: 50 }))
    const charge = (amountCents: number, keyId: string | null) =>
      ledger.charge({
        tenant: TENANT,
        messageId: 'msg_1',
        keyId,
        amountCents,
        note: 'text',
        at: NOW,
      })
    expect(await charge(40, 'key_a')).toEqual({ ok: true, value: { balanceCents: 460 } })
    expect(await charge(40, 'key_a')).toMatchObject({ refusal: { reason: 'spend_limit' } })
    expect(await charge(461, null)).toMatchObject({ refusal: { reason: 'insufficient_funds' } })
    expect((await ledger.list(TENANT, PAGE))[0]).toMatchObject({
      type: 'charge',
      amountCents: -40,
      messageId: 'msg_1',
    })
  })

  it('holds and settles for a target beside its call, and counts it as no other call', async () => {
    const limited = await server.open({ maxLiveCalls: 1 })
    const { tables } = limited.store
    await tables.workspaces.create({ id: 'ws_a', name: 'A', createdAt: NOW })
    await tables.keys.insert(keyRow({ spendLimitCents: 100 }))
    const open = (hold: number, amountCents: number) =>
      tables.ledger.reserve({
        tenant: TENANT,
        callId: 'call_1',
        hold,
        keyId: 'key_a',
        amountCents,
        at: NOW,
      })
    expect(await open(0, 13)).toMatchObject({ ok: true })
    expect(await open(1, 26)).toMatchObject({ ok: true })
    await expect(open(1, 26)).rejects.toThrow('refused a statement (23505)')
    expect([await tables.ledger.held('call_1'), await tables.ledger.held('call_1', 1)]).toEqual([
      13, 26,
    ])
    expect(await tables.ledger.extend('call_1', 62, NOW, 1)).toMatchObject({
      ok: false,
      refusal: { reason: 'spend_limit', priorSpendCents: 39 },
    })
    expect(await tables.ledger.settle('call_1', 20, NOW, 1)).toMatchObject({ takenCents: 20 })
    expect(await tables.ledger.settle('call_1', 20, NOW, 1)).toBeNull()
    expect(await tables.ledger.held('call_1')).toBe(13)
    expect(await open(2, 5)).toMatchObject({ ok: true })
    expect(await tables.ledger.release('call_1', NOW, 2)).toBe(true)
    expect(await tables.ledger.settle('call_1', 10, NOW)).toMatchObject({ balanceCents: 470 })
    expect(await tables.ledger.verify()).toEqual([])
    await limited.close()
  })

  it('keeps a refusal from breaking the transaction around it', async () => {
    await test.store.transaction(async (tables) => {
      const refused = await tables.ledger.reserve({
        tenant: TENANT,
        callId: 'call_1',
        keyId: null,
        amountCents: 501,
        at: NOW,
      })
      expect(refused.ok).toBe(false)
      await tables.ledger.topUp(TENANT, 1, 'after the refusal', NOW)
    })
    expect(await ledger.balance(TENANT)).toBe(501)
  })

  it('refuses the call beyond the limit on live calls, until one of them has ended', async () => {
    const limited = await server.open({ maxLiveCalls: 3 })
    const { tables } = limited.store
    await tables.workspaces.create({ id: 'ws_a', name: 'A', createdAt: NOW })
    const open = (callId: string) =>
      tables.ledger.reserve({ tenant: TENANT, callId, keyId: null, amountCents: 1, at: NOW })
    const results = await Promise.all(
      ['1', '2', '3', '4', '5', '6'].map((id) => open(`call_${id}`)),
    )
    expect(results.filter((result) => result.ok)).toHaveLength(3)
    expect(results.find((result) => !result.ok)).toEqual({
      ok: false,
      refusal: { reason: 'concurrency', limit: 3, active: 3 },
    })
    await tables.ledger.release(`call_${results.findIndex((result) => result.ok) + 1}`, NOW)
    expect(await open('call_7')).toMatchObject({ ok: true })
    await limited.close()
  })
})
