// The database under the aggregates: migrations, transactions, retries, faults, and idempotency records on top.
import { Fault, silentLog } from '@saperly/kernel'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Database } from './database.ts'
import { REMEMBERED_MS } from './idempotency.ts'
import { migrate } from './migrate.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, TENANT, furnish } from './testing-rows.ts'

/** Transactions at once, more than there are connections; and how often all connections are cut. */
const CROWD = 40
const LOSSES = 50

describe.each(serversUnderTest)('the database on $name', ({ binDir }) => {
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

  it('is migrated once, and refuses a changed or an unknown migration', async () => {
    expect(await migrate(test.address, silentLog)).toEqual([])
    await test.raw(`update migration set checksum = 'x' where name like '0002%'`)
    await expect(migrate(test.address, silentLog)).rejects.toThrow('was changed')
    await test.raw(`insert into migration (name, checksum) values ('0000-older.sql', 'x')`)
    await expect(migrate(test.address, silentLog)).rejects.toThrow('does not know')
  })

  it('writes all of a transaction or nothing', async () => {
    const { store } = test
    await store.transaction(async (tables) => {
      await tables.ledger.topUp(TENANT, 5, 'kept', NOW)
      expect(await tables.ledger.balance(TENANT)).toBe(505)
      expect(await store.tables.ledger.balance(TENANT)).toBe(500)
    })
    const failing = store.transaction(async (tables) => {
      await tables.ledger.topUp(TENANT, 7, 'lost', NOW)
      throw new Error('thrown by the body')
    })
    await expect(failing).rejects.toThrow('thrown by the body')
    expect(await store.tables.ledger.balance(TENANT)).toBe(505)
  })

  it('does a transaction again after a deadlock', async () => {
    const database = new Database(test.address, silentLog)
    const lock = (id: string) => `update workspace set name = name || '+' where id = '${id}'`
    let met: () => void
    const meeting = new Promise<void>((resolve) => (met = resolve))
    let arrived = 0
    const crossing = async (one: string, two: string, other: () => Promise<void>) => {
      let attempts = 0
      await database.atomic(async (sql) => {
        // Rows set free by a rollback go to whoever comes first: a victim that hurries could cross the other again.
        if (++attempts > 1) await other()
        await sql.count(lock(one))
        if (++arrived === 2) met()
        await meeting
        await sql.count(lock(two))
      })
    }
    const there = crossing('ws_a', 'ws_b', () => back)
    const back: Promise<void> = crossing('ws_b', 'ws_a', () => there)
    await Promise.all([there, back])
    const names = await database.rows<{ name: string }>('select name from workspace order by id')
    expect(names.map(({ name }) => name)).toEqual(['A++', 'B++'])
    expect(arrived).toBe(3)
    await database.close()
  })

  it('says whether a fault may pass', async () => {
    const database = new Database(test.address, silentLog)
    const refused = database.rows('select 1 from nowhere')
    await expect(refused).rejects.toThrow(Fault)
    await expect(refused).rejects.toMatchObject({ retryable: false })
    const inside = database.atomic((sql) => sql.rows(`select 1 / 0`))
    await expect(inside).rejects.toMatchObject({ name: 'Fault', retryable: false })
    const killed = database.atomic(async (sql) => {
      const [row] = await sql.rows<{ pid: number }>('select pg_backend_pid() as pid')
      await test.raw('select pg_terminate_backend($1)', [row!.pid])
      await sql.rows('select 1')
    })
    await expect(killed).rejects.toMatchObject({ name: 'Fault', retryable: true })
    expect(await database.rows('select 1 as one')).toEqual([{ one: 1 }])
    await database.close()
    const away = new Database({ url: 'postgres://saperly@127.0.0.1:1/nowhere' }, silentLog)
    await expect(away.rows('select 1')).rejects.toMatchObject({ name: 'Fault', retryable: true })
    await expect(away.atomic((sql) => sql.rows('select 1'))).rejects.toMatchObject({
      retryable: true,
    })
    await away.close()
  })

  it('waits for no answer for ever, whatever the server does meanwhile', async () => {
    const database = new Database(test.address, silentLog, { answerTimeoutMs: 200 })
    const slow = 'select pg_sleep(5)'
    await expect(database.rows(slow)).rejects.toMatchObject({ retryable: true, unsure: false })
    const inside = database.atomic((sql) => sql.rows(slow))
    await expect(inside).rejects.toMatchObject({ retryable: true, unsure: false })
    // A commit that waits for its deferred checks is neither done nor undone, as far as anybody here knows.
    await test.raw(`create table late (id integer);
      create function wait_here() returns trigger language plpgsql as
        'begin perform pg_sleep(5); return null; end';
      create constraint trigger wait_at_commit after insert on late deferrable initially deferred
        for each row execute function wait_here()`)
    const committing = database.atomic((sql) => sql.count('insert into late values (1)'))
    await expect(committing).rejects.toMatchObject({ retryable: false, unsure: true })
    // The connections that hang are gone, and others take their place.
    expect(await database.rows('select 1 as one')).toEqual([{ one: 1 }])
    await database.close()
  })

  it('calls every loss of a connection a fault that may pass, however the driver puts it', async () => {
    const database = new Database(test.address, silentLog)
    const met = new Set<string>()
    const others = new Set<string>()
    let over = false
    const client = async (): Promise<void> => {
      while (!over) {
        await database
          .atomic((sql) => sql.rows('select 1'))
          .catch((error: Error) => {
            if (error instanceof Fault) met.add(error.message)
            else others.add(error.message)
          })
      }
    }
    const clients = Promise.all(Array.from({ length: CROWD }, client))
    for (let round = 0; round < LOSSES; round++) {
      await test.raw(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      )
    }
    over = true
    await clients
    expect([...others]).toEqual([])
    expect(met).toContain('the database is away')
    await database.close()
  })

  it('is of no use after the end of its transaction', async () => {
    const { store } = test
    const leaked = await store.transaction((tables) => Promise.resolve(tables))
    await expect(leaked.workspaces.list()).rejects.toThrow('after its end')
  })

  it('remembers what a request with the same key became', async () => {
    const { idempotency } = test.store.tables
    const begin = (requestHash: string, at = NOW, keyId = 'key_a') =>
      idempotency.begin({ tenant: TENANT, keyId, key: 'k', requestHash, at })
    expect(await begin('h')).toEqual({ state: 'fresh' })
    expect(await begin('h')).toEqual({ state: 'running', callId: null, startedAt: NOW })
    expect(await begin('other')).toEqual({ state: 'mismatch' })
    expect(await idempotency.nameCall('key_a', 'k', 'call_a')).toBe(true)
    expect(await idempotency.nameCall('key_a', 'k', 'call_a')).toBe(true)
    expect(await idempotency.nameCall('key_a', 'k', 'call_b')).toBe(false)
    expect(await begin('h')).toMatchObject({ state: 'running', callId: 'call_a' })
    await idempotency.complete('key_a', 'k', { status: 201, body: '{"a": 1}', at: NOW })
    expect(await begin('h')).toEqual({ state: 'done', status: 201, body: '{"a": 1}' })
    expect(await begin('other', NOW + REMEMBERED_MS)).toEqual({ state: 'fresh' })
    await idempotency.free('key_a', 'k')
    expect(await begin('h')).toEqual({ state: 'fresh' })
  })

  it('lets one of many equal requests through, and clears away what is old', async () => {
    const { idempotency } = test.store.tables
    const begin = (key: string, at: number) =>
      idempotency.begin({ tenant: TENANT, keyId: 'key_a', key, requestHash: 'h', at })
    const begun = await Promise.all(Array.from({ length: 30 }, () => begin('k', NOW)))
    expect(begun.filter(({ state }) => state === 'fresh')).toHaveLength(1)
    expect(begun.filter(({ state }) => state === 'running')).toHaveLength(29)
    for (const key of ['a', 'b', 'c']) await begin(key, NOW)
    await begin('new', NOW + REMEMBERED_MS)
    expect(await test.raw('select key from idempotency')).toEqual([{ key: 'new' }])
  })
})
