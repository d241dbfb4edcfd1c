// The lane of the ledger: many moves in one commit, each with the answer that it would have had by itself.
import { Fault, type Log, silentLog } from '@saperly/kernel'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Database, connectionConfig } from './database.ts'
import { LedgerLane, WAITING_EACH_MAX } from './ledger-lane.ts'
import { type LedgerMove, moveAlone, moveTogether } from './ledger-moves.ts'
import type { LedgerTable, Tenant } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, TENANT, keyRow } from './testing-rows.ts'

const OTHER: Tenant = { workspaceId: 'ws_b', environment: 'test' }
const WELCOME_CENTS = 500

describe.each(serversUnderTest)('the lane of the ledger on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let ledger: LedgerTable

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    test = await server.open({ maxLiveCalls: 10_000 })
    ledger = test.store.tables.ledger
    await test.store.tables.workspaces.create({ id: 'ws_a', name: 'A', createdAt: NOW })
    await test.store.tables.workspaces.create({ id: 'ws_b', name: 'B', createdAt: NOW })
  })
  afterEach(async () => {
    const problems = await ledger.verify()
    const [lowest] = await test.raw<{ least: number }>(
      'select min(balance_after_cents)::integer as least from transfer',
    )
    await test.close()
    if (problems.length > 0 || lowest!.least < 0) throw new Error(JSON.stringify(problems))
  })

  const reserve = (callId: string, amountCents = 1, tenant = TENANT, keyId: string | null = null) =>
    ledger.reserve({ tenant, callId, keyId, amountCents, at: NOW })
  const times = <T>(count: number, body: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => body(index))
  const reserveMove = (index: number, tenant: Tenant, keyId: string | null): LedgerMove => ({
    kind: 'reserve',
    tenant,
    txnId: `txn_own_${index}`,
    callId: `call_own_${index}`,
    hold: 0,
    keyId,
    cents: 1,
    at: NOW,
  })
  /** How many transactions wrote the rows of one kind. */
  const commits = async (kind: string): Promise<number> => {
    const [row] = await test.raw<{ count: number }>(
      'select count(distinct xmin::text)::integer as count from transfer where kind = $1',
      [kind],
    )
    return row!.count
  }

  it('makes what is asked for at the same time in a few commits, and tells each its own balance', async () => {
    const results = await Promise.all(times(200, (index) => reserve(`call_${index}`)))
    const balances = results.map((result) => result.ok && result.value.balanceCents)
    expect(balances).toEqual(times(200, (index) => WELCOME_CENTS - 1 - index))
    expect(await commits('reserve')).toBeLessThanOrEqual(3)

    const settled = await Promise.all(times(200, (index) => ledger.settle(`call_${index}`, 1, NOW)))
    expect(settled.map((bill) => bill?.takenCents)).toEqual(times(200, () => 1))
    expect(await commits('settle')).toBeLessThanOrEqual(3)
    expect(await ledger.balance(TENANT)).toBe(WELCOME_CENTS - 200)
  })

  it('lets a bad one fail alone', async () => {
    await Promise.all(['call_1', 'call_2', 'call_3', 'call_done'].map((id) => reserve(id, 10)))
    await ledger.release('call_done', NOW)
    const nobody: Tenant = { workspaceId: 'ws_none', environment: 'test' }
    const outcomes = await Promise.allSettled([
      reserve('call_first'),
      reserve('call_4', 7),
      reserve('call_1', 7),
      reserve('call_5', 7, nobody),
      reserve('call_6', 100_000),
      reserve('call_7', 7, TENANT, 'key_none'),
      ledger.extend('call_none', 5, NOW),
      ledger.extend('call_2', 5, NOW),
      ledger.settle('call_done', 5, NOW),
      ledger.settle('call_3', 8, NOW),
      ledger.release('call_none_either', NOW),
      reserve('call_8', 7, OTHER),
    ])
    const said = outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as Error).message,
    )
    expect(said.slice(2, 7)).toEqual([
      'the database refused a statement (23505)',
      'the database refused a statement (P0002)',
      { ok: false, refusal: expect.objectContaining({ reason: 'insufficient_funds' }) },
      'the database refused a statement (23503)',
      'a hold was extended that is not open',
    ])
    expect(said[1]).toMatchObject({ ok: true })
    expect(said[7]).toMatchObject({ ok: true, value: { heldCents: 15 } })
    expect(said[8]).toBeNull()
    expect(said[9]).toMatchObject({ takenCents: 8, shortfallCents: 0 })
    expect(said[10]).toBe(false)
    expect(said[11]).toEqual({ ok: true, value: { balanceCents: WELCOME_CENTS - 7 } })
    expect(await ledger.balance(TENANT)).toBe(WELCOME_CENTS - 1 - 10 - 15 - 8 - 7)
  })

  it('lets money come back before more is held, so that no balance in between is below the last', async () => {
    await reserve('call_1', 400)
    await reserve('call_2', 100)
    const [held, , freed] = await Promise.all([
      reserve('call_3', 450),
      ledger.release('call_1', NOW),
      ledger.settle('call_2', 50, NOW),
    ])
    expect(held).toEqual({ ok: true, value: { balanceCents: 0 } })
    expect(freed).toMatchObject({ balanceCents: 450 })
  })

  it('takes what goes beyond holds only once, whoever else settles at the same time', async () => {
    await Promise.all(times(20, (index) => reserve(`call_${index}`, 20)))
    const bills = await Promise.all(times(20, (index) => ledger.settle(`call_${index}`, 60, NOW)))
    const taken = bills.reduce((sum, bill) => sum + bill!.takenCents, 0)
    const short = bills.reduce((sum, bill) => sum + bill!.shortfallCents, 0)
    expect([taken, short]).toEqual([WELCOME_CENTS, 20 * 60 - WELCOME_CENTS])
    expect(await ledger.balance(TENANT)).toBe(0)
  })

  it('resolves a hold once, and keeps the order of what is asked of one call', async () => {
    const moves = await Promise.all([
      reserve('call_1', 10),
      ledger.extend('call_1', 5, NOW),
      ledger.settle('call_1', 12, NOW),
      ledger.settle('call_1', 12, NOW),
      ledger.release('call_1', NOW),
    ])
    expect(moves.slice(1)).toEqual([
      { ok: true, value: { heldCents: 15, balanceCents: WELCOME_CENTS - 15 } },
      { takenCents: 12, shortfallCents: 0, balanceCents: WELCOME_CENTS - 12 },
      null,
      false,
    ])
  })

  it('does not let a locked tenant keep the others waiting', async () => {
    const client = new pg.Client(connectionConfig(test.address))
    await client.connect()
    await client.query('begin')
    await client.query(`select 1 from account where workspace_id = 'ws_a' for update`)
    let over = false
    const waiting = Promise.all(times(3, (index) => reserve(`call_a_${index}`))).finally(() => {
      over = true
    })
    await Promise.all(times(3, (index) => reserve(`call_b_${index}`, 1, OTHER)))
    expect(over).toBe(false)
    await client.query('rollback')
    await client.end()
    expect((await waiting).map((result) => result.ok)).toEqual([true, true, true])
    // The lane is there again for whoever comes next.
    expect(await reserve('call_later')).toMatchObject({ ok: true })
    expect(await ledger.balance(TENANT)).toBe(WELCOME_CENTS - 4)
  })

  it('tells all of a batch when their connection breaks, and has another for the next', async () => {
    const client = new pg.Client(connectionConfig(test.address))
    await client.connect()
    await client.query('begin')
    await client.query(`select 1 from account where workspace_id = 'ws_a' for update`)
    let over = false
    const broken = Promise.allSettled(times(5, (index) => reserve(`call_${index}`))).finally(() => {
      over = true
    })
    while (!over) {
      await test.raw(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`,
      )
    }
    for (const outcome of await broken) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { retryable: true } })
    }
    await client.query('rollback')
    await client.end()
    const again = await Promise.all(times(5, (index) => reserve(`call_${index}`)))
    expect(again.map((result) => result.ok)).toEqual(times(5, () => true))
    expect(await ledger.balance(TENANT)).toBe(WELCOME_CENTS - 5)
  })

  it('refuses what is more than may wait, and still takes those of others', async () => {
    await ledger.topUp(TENANT, 10_000, 'more', NOW)
    const crowd = Promise.allSettled(
      times(WAITING_EACH_MAX + 10, (index) => reserve(`call_${index}`)),
    )
    const other = await reserve('call_b', 1, OTHER)
    expect(other).toMatchObject({ ok: true })
    const refused = (await crowd).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(refused).toHaveLength(10)
    expect(refused[0]).toBeInstanceOf(Fault)
    expect(refused[0]).toMatchObject({ retryable: true })
    expect(await ledger.balance(TENANT)).toBe(10_000 + WELCOME_CENTS - WAITING_EACH_MAX)
  })

  it('finishes what waits when it closes', async () => {
    const pool = new Database(test.address, silentLog)
    const own = new Database(test.address, silentLog, { connections: 1 })
    const lane = new LedgerLane(own, pool, silentLog)
    const answers = times(50, (index) => lane.move(reserveMove(index, TENANT, null)))
    await lane.close()
    await pool.close()
    expect((await Promise.all(answers)).map(({ balanceCents }) => balanceCents)).toEqual(
      times(50, (index) => WELCOME_CENTS - 1 - index),
    )
  })

  it('waits in no circle with another process, whatever keys and tenants they share', async () => {
    const { keys } = test.store.tables
    const underKeys: { tenant: Tenant; keyId: string | null }[] = []
    for (const tenant of [TENANT, OTHER]) {
      for (const key of ['key_root', 'key_z', 'key_b', 'key_m']) {
        const keyId = `${key}_${tenant.workspaceId}`
        const mintedByTokenId = key === 'key_root' ? null : `key_root_${tenant.workspaceId}`
        await keys.insert(keyRow({ ...tenant, id: keyId, mintedByTokenId }))
        underKeys.push({ tenant, keyId })
      }
    }
    const withoutKeys = [TENANT, OTHER].map((tenant) => ({ tenant, keyId: null }))
    const retried: string[] = []
    const log: Log = { ...silentLog, debug: (event) => retried.push(event) }
    const processes = times(3, () => new Database(test.address, log, { connections: 1 }))
    let count = 0
    const chat = async (database: Database, process: number): Promise<void> => {
      for (let round = 0; round < 20; round++) {
        const owners = round % 2 === 0 ? underKeys : withoutKeys
        const moves = owners.map(({ tenant, keyId }) => reserveMove(++count, tenant, keyId))
        // Every process another way round; one makes them one by one, as placing does.
        const asked = process === 1 ? moves.toReversed() : moves
        if (process === 2) await Promise.all(asked.map(moveAlone(database)))
        else await moveTogether(database, asked)
      }
    }
    await Promise.all(processes.map(chat))
    await Promise.all(processes.map((database) => database.close()))
    expect(retried).toEqual([])
    expect(await ledger.balance(TENANT)).toBe(WELCOME_CENTS - count / 2)
  })
})
