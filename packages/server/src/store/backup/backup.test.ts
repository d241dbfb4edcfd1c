// Backups: what is loaded is what was there, on the same PostgreSQL and on one of another age, and it can be proved.
import { silentLog } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DatabaseAddress } from '../database.ts'
import { knownMigrations, migrate } from '../migrate.ts'
import { openStore } from '../postgres.ts'
import { callRow, consentRow, deliveryRow, furnish, keyRow } from '../testing-rows.ts'
import { NOW, TENANT, webhookRow } from '../testing-rows.ts'
import { serversUnderTest, startTestServer, type TestServer, type TestStore } from '../testing.ts'
import { dump } from './dump.ts'
import { BackupWriter, checkWhole } from './format.ts'
import { load } from './load.ts'

const ABOUT = { keyId: 'abcdef01', createdAt: NOW }
const AUDIT_KEY = 'audit key of the tests'

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}

const linesOf = async (address: DatabaseAddress): Promise<string[]> => {
  let text = ''
  for await (const chunk of dump(address, ABOUT)) text += chunk
  return text.trimEnd().split('\n')
}

/** Something in every table, with every kind of column. */
async function fill({ store }: TestStore): Promise<void> {
  const { tables } = store
  await furnish(store)
  // A child that comes before its parent.
  await tables.keys.insert(keyRow({ id: 'key_0', mintedByTokenId: 'key_a', spendLimitCents: 50 }))
  await tables.webhooks.insert(webhookRow({ description: 'Ünïcode "quoted"\n\\ and a line' }))
  await tables.outbox.insert(deliveryRow())
  const told = {
    tenant: TENANT,
    eventType: 'call.completed',
    payload: { callId: 'call_a' },
    at: NOW,
  }
  await tables.outbox.emit({ ...told, nextId: () => 'dlv_told' })
  await tables.feed.read(TENANT, 0, 10)
  await tables.consent.grant(consentRow())
  await tables.consent.optOut(TENANT, '+15555550123', 'sms', NOW, 'said so')
  await tables.recharges.open(
    {
      id: 'rch_a',
      tenant: TENANT,
      provider: 'simulated',
      amountCents: 1_000,
      customer: 'cus_a',
      paymentMethod: 'pm_a',
    },
    { belowCents: 1_000, maxPerDayCents: 1_000, pauseMs: 1_000, maxDeclines: 3 },
    NOW,
  )
  await tables.processes.join({ id: 'proc_a', role: 'all', at: NOW }, 1_000)
  for (const id of ['call_a', 'call_b']) {
    await tables.calls.insert(callRow({ id, metadata: { a: '1', '#': '{"b": null}' } }))
    const hold = { tenant: TENANT, callId: id, keyId: 'key_0', amountCents: 13, at: NOW }
    expect((await tables.ledger.reserve(hold)).ok).toBe(true)
  }
  await tables.ledger.settle('call_a', 7, NOW)
  const turn = { position: 0, role: 'caller', text: 'ä\u2028b', heardText: null } as const
  await tables.transcripts.append({
    callId: 'call_a',
    startedAt: NOW,
    endedAt: NOW + 1,
    interrupted: false,
    ...turn,
  })
  const data = { verdict: 'human', confidence: 0.1 } as const
  await tables.events.append({ id: 'evt_a', callId: 'call_a', type: 'machine', at: NOW, data })
  const sent = { direction: 'sent', protocol: 'UDP', ours: 'a:1', theirs: 'b:2' } as const
  await tables.signalling.keep('call_a', [{ at: NOW, text: 'BYE', ...sent }], NOW)
  await tables.idempotency.begin({
    tenant: TENANT,
    keyId: 'key_a',
    key: 'k',
    requestHash: 'h',
    at: NOW,
  })
  for (const n of [1, 2, 3])
    await tables.audit.append({
      ...TENANT,
      id: `aud_${n}`,
      eventType: 'key.minted',
      targetType: 'key',
      targetId: 'key_a',
      actor: 'platform',
      data: { n, deep: [{ b: 1, a: null }] },
      createdAt: NOW,
    })
  await tables.audit.chain()
}

const contentsOf = async ({ raw }: Pick<TestStore, 'raw'>): Promise<Record<string, string[]>> => {
  const tables = await raw<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'migration'`,
  )
  const contents: Record<string, string[]> = {}
  for (const { name } of tables)
    contents[name] = (
      await raw<{ row: string }>(`select t::text as row from "${name}" t order by 1`)
    ).map(({ row }) => row)
  return contents
}

describe('a backup', () => {
  const servers: TestServer[] = []
  let source: TestStore
  let lines: string[]

  beforeAll(async () => {
    for (const { binDir } of serversUnderTest) servers.push(await startTestServer({ binDir }))
    source = await servers[0]!.open({ auditKey: AUDIT_KEY })
    await fill(source)
    lines = await linesOf(source.address)
  })
  afterAll(async () => {
    await source.close()
    for (const server of servers) await server.stop()
  })

  it('has every table', async () => {
    const contents = await contentsOf(source)
    expect(Object.entries(contents).filter(([, rows]) => rows.length === 0)).toEqual([])
    expect(lines.filter((line) => line.startsWith('#{"table"'))).toHaveLength(
      Object.keys(contents).length,
    )
  })

  it.each(serversUnderTest.map(({ name }, at) => ({ name, at })))(
    'is loaded into $name as it was, guarded as before, and goes on',
    async ({ at }) => {
      const target = await servers[at]!.open({ auditKey: AUDIT_KEY })
      const { rows } = await load(target.address, () => each(lines), silentLog)
      const contents = await contentsOf(source)
      expect(rows).toBe(Object.values(contents).flat().length)
      expect(await contentsOf(target)).toEqual(contents)
      const { ledger, audit } = target.store.tables
      expect(await ledger.verify()).toEqual([])
      expect(await audit.verify()).toEqual([])
      await expect(target.raw('update transfer set posted_cents = 1')).rejects.toThrow(
        'never changed',
      )
      await expect(target.raw('delete from workspace')).rejects.toMatchObject({ code: '23503' })
      expect(await ledger.settle('call_b', 5, NOW)).toMatchObject({ takenCents: 5 })
      expect(await ledger.topUp(TENANT, 5, 'more', NOW)).toEqual({ balanceCents: 493 })
      expect(await ledger.verify()).toEqual([])
      // And from there to where it came from: the way to another version, and back.
      const back = await servers[0]!.open({ auditKey: AUDIT_KEY })
      const later = await linesOf(target.address)
      await load(back.address, () => each(later), silentLog)
      expect(await contentsOf(back)).toEqual(await contentsOf(target))
      await back.close()
      await target.close()
    },
  )

  it('is of one moment, whatever is written meanwhile', async () => {
    const busy = await servers[0]!.open({ auditKey: AUDIT_KEY })
    await fill(busy)
    const before = await contentsOf(busy)
    let text = ''
    for await (const chunk of dump(busy.address, ABOUT)) {
      if (text === '') await busy.store.tables.ledger.settle('call_b', 5, NOW)
      await busy.store.tables.ledger.topUp(TENANT, 5, 'more', NOW)
      text += chunk
    }
    const target = await servers[0]!.open({ auditKey: AUDIT_KEY })
    await load(target.address, () => each(text.trimEnd().split('\n')), silentLog)
    expect((await contentsOf(busy))['transfer']!.length).toBeGreaterThan(before['transfer']!.length)
    expect(await contentsOf(target)).toEqual(before)
    expect(await target.store.tables.ledger.verify()).toEqual([])
    await busy.close()
    await target.close()
  })

  it('of an older program gets the migrations that have come since', async () => {
    await source.raw('create database old')
    await source.raw('create database young')
    const known = await knownMigrations()
    const old = { ...source.address, database: 'old' } as DatabaseAddress
    const young = { ...source.address, database: 'young' } as DatabaseAddress
    await migrate(old, silentLog, known.length - 1)
    const older = await linesOf(old)
    const { manifest } = await load(young, () => each(older), silentLog)
    expect(manifest.migrations).toEqual(known.slice(0, -1))
    expect((await checkWhole(each(await linesOf(young)))).migrations).toEqual(known)
    const clock = { now: () => NOW } as Parameters<typeof openStore>[0]['clock']
    const options = { clock, log: silentLog, auditKey: AUDIT_KEY }
    await (await openStore({ address: young, ...options })).close()
  })

  const spoilt: Record<string, [() => string[], RegExp]> = {
    'cut off': [() => lines.slice(0, -3), /its end is missing/],
    changed: [() => lines.map((line) => line.replace('said so', 'said no')), /it was changed/],
    'short of a row': [() => lines.toSpliced(-4, 1), /it was changed/],
    empty: [() => [], /it is empty/],
    'something else': [() => ['hello'], /no head/],
    'of a newer program': [
      () => {
        const writer = new BackupWriter()
        const migrations = [{ name: '0001-another.sql', checksum: '00' }]
        const createdAt = new Date(NOW).toISOString()
        const head = {
          saperlyBackup: 1,
          createdAt,
          postgres: '99',
          keyId: 'ab',
          migrations,
        } as const
        return [writer.manifest(head).trim(), writer.end().trim()]
      },
      /0001-another.sql, which this program does not know/,
    ],
  }
  it.each(Object.entries(spoilt))(
    'that is %s is refused before anything is written',
    async (_, [file, why]) => {
      const target = await servers[0]!.open()
      await expect(load(target.address, () => each(file()), silentLog)).rejects.toThrow(why)
      expect(Object.values(await contentsOf(target)).flat()).toEqual([])
      await target.close()
    },
  )

  it('is never loaded over what is there', async () => {
    const before = await contentsOf(source)
    await expect(load(source.address, () => each(lines), silentLog)).rejects.toThrow(/already/)
    expect(await contentsOf(source)).toEqual(before)
  })
})
