// Erasing a person on a real store: nothing of them is left anywhere, everybody else's rows are, and the proofs hold.
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ids, SimClock, systemRandom } from '@saperly/kernel'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { auditRefusal, mayCall, recordConsent } from '../consent/consent.ts'
import { liftOptOut, optOut } from '../consent/opt-out.ts'
import type { CallRow, EventRow, Store, Tenant } from '../store/port.ts'
import { callRow, furnish, NOW, TENANT, webhookRow } from '../store/testing-rows.ts'
import { serversUnderTest, startTestServer } from '../store/testing.ts'
import type { TestServer, TestStore } from '../store/testing.ts'
import { erasePerson } from './erase.ts'

const PERSON = '+15555550123'
/** Begins with the digits of the person's number, and is somebody else's. */
const OTHER = '+155555501234'
const ELSEWHERE: Tenant = { workspaceId: 'ws_a', environment: 'live' }

describe.each(serversUnderTest)('erasing a person on $name', ({ binDir }) => {
  const clock = new SimClock(NOW)
  const ids = new Ids(clock, systemRandom)
  let server: TestServer
  let test: TestStore
  let store: Store
  let folder: string

  beforeAll(async () => {
    server = await startTestServer({ binDir })
    folder = await mkdtemp(join(tmpdir(), 'saperly-erase-'))
  })
  afterAll(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    test = await server.open({ clock })
    store = test.store
    await furnish(store)
    await store.tables.webhooks.insert(webhookRow({ events: ['call.completed'] }))
  })
  afterEach(() => test.close())

  const erase = (tenant = TENANT) =>
    erasePerson(store, ids, { tenant, peerNumber: PERSON, at: clock.now() })

  const event = (callId: string, type: string, data: Record<string, unknown>): Promise<void> =>
    store.tables.events.append({ id: ids.next('evt'), callId, type, at: NOW, data } as EventRow)

  /** A whole call with everything that a call leaves behind. */
  const callWith = async (id: string, patch: Partial<CallRow> = {}): Promise<string> => {
    const { tables } = store
    const recordingPath = join(folder, `${id}.wav`)
    await writeFile(recordingPath, 'RIFF')
    const call = callRow({
      id,
      instructions: 'Ask for Adelheid.',
      metadata: { name: 'Adelheid' },
      hasTranscript: true,
      recordingPath,
      ...patch,
    })
    const { from, to } = call
    await tables.calls.insert(call)
    await tables.ledger.reserve({
      tenant: TENANT,
      callId: id,
      keyId: null,
      amountCents: 13,
      at: NOW,
    })
    await tables.ledger.settle(id, 3, NOW)
    await event(id, 'initiated', { direction: 'outbound', from, to, connectionId: 'conn_a' })
    const times = { startedAt: '2026-01-15T12:00:00.000Z', endedAt: null }
    await event(id, 'turn', { text: 'I am Adelheid', confidence: 1, ...times })
    await event(id, 'speak', {
      text: 'Hello Adelheid',
      heardText: 'Hello',
      interrupted: true,
      ...times,
    })
    await event(id, 'interrupted', { heard: 'Hello', heardMs: 200, basis: 'exact' })
    await event(id, 'dtmf', { digits: '40417393#', direction: 'received' })
    await tables.transcripts.append({
      callId: id,
      position: 0,
      role: 'caller',
      text: 'I am Adelheid',
      heardText: null,
      startedAt: NOW,
      endedAt: NOW,
      interrupted: false,
    })
    const text = `INVITE sip:${to}@example.com SIP/2.0\r\n\r\n`
    const sent = { direction: 'sent', protocol: 'UDP', ours: 'a:1', theirs: 'b:2' } as const
    await tables.signalling.keep(id, [{ at: NOW, text, ...sent }], NOW)
    await tables.outbox.emit({
      tenant: TENANT,
      eventType: 'call.completed',
      payload: { callId: id, from, to },
      at: NOW,
      nextId: () => ids.next('dlv'),
    })
    await auditRefusal(tables, ids, {
      tenant: TENANT,
      numberId: 'num_a',
      peerNumber: to,
      failure: { _tag: 'ConsentRequired', numberId: 'num_a', to },
      actor: 'key:key_a',
      at: NOW,
    })
    return recordingPath
  }
  const ended = { state: 'ended', status: 'completed', endedAt: NOW } as const

  const consentTo = (peerNumber: string) =>
    recordConsent(store.tables, ids, {
      tenant: TENANT,
      numberId: 'num_a',
      peerNumber,
      consentType: 'explicit_outbound',
      source: 'Adelheid signed the form',
      afterOptOut: false,
      impliedMs: 1000,
      actor: 'key:key_a',
      at: clock.now(),
    })

  /** Every row of every table that has this in it, as text: table and row. */
  const rowsWith = async (pattern: string): Promise<string[]> => {
    const tables = await test.raw<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public'`,
    )
    const found: string[] = []
    for (const { name } of tables) {
      const rows = await test.raw<{ row: string }>(
        `select t::text as row from "${name}" t where t::text ~ $1`,
        [pattern],
      )
      found.push(...rows.map(({ row }) => `${name}: ${row}`))
    }
    return found
  }
  const ofPerson = `\\+15555550123(?![0-9])`

  it('leaves nothing of the person in any table, and the proofs whole', async () => {
    const recording = await callWith('call_a', { ...ended, to: PERSON })
    await callWith('call_b', { ...ended, direction: 'inbound', from: PERSON, to: '+15555550199' })
    await callWith('call_c', { ...ended, to: OTHER })
    await event('call_c', 'transfer', { to: PERSON, state: 'accepted', reason: null })
    await event('call_c', 'transfer', { to: `sip:${PERSON}@example.com`, state: 'failed' })
    await consentTo(PERSON)
    await optOut(store.tables, ids, {
      tenant: TENANT,
      peerNumber: PERSON,
      source: 'api',
      reason: 'Adelheid wrote a letter',
      actor: 'platform',
      at: NOW,
    })
    const kept = { tenant: TENANT, keyId: 'key_a', key: 'k', requestHash: 'h', at: NOW }
    await store.tables.idempotency.begin(kept)
    const answer = { status: 201, body: `{"peerNumber":"${PERSON}"}`, at: NOW }
    await store.tables.idempotency.complete('key_a', 'k', answer)
    await store.tables.audit.chain()
    await consentTo(PERSON)
    expect((await rowsWith(ofPerson)).length).toBeGreaterThan(10)

    expect(await erase()).toEqual({
      ok: true,
      value: {
        calls: 2,
        mentions: 1,
        deliveries: 2,
        feedEvents: 2,
        recordings: 2,
        auditEntries: 4,
      },
    })
    expect(await rowsWith(ofPerson)).toEqual([])
    // What was said and written is left only where the other person's call has it.
    const words = await rowsWith('Adelheid|40417393#')
    expect(words.filter((row) => !row.includes('call_c'))).toEqual([])
    expect(words.length).toBeGreaterThan(4)
    expect([existsSync(recording), existsSync(join(folder, 'call_c.wav'))]).toEqual([false, true])
    const call = (await store.tables.calls.get(TENANT, 'call_a'))!
    expect(call).toMatchObject({
      to: 'erased',
      from: '+15555550100',
      metadata: {},
      costCents: null,
    })
    expect(call).toMatchObject({ recordingPath: null, hasTranscript: false, instructions: null })
    expect(await store.tables.signalling.get('call_a', NOW)).toEqual([])

    await store.tables.audit.chain()
    expect(await store.tables.audit.verify()).toEqual([])
    expect(await store.tables.ledger.verify()).toEqual([])
    const [latest] = await store.tables.audit.list(TENANT, { limit: 1, cursor: null })
    expect(latest).toMatchObject({ eventType: 'peer.erased', data: { calls: 2, recordings: 2 } })
  })

  it('keeps an opt-out in force, once, until the person lifts it', async () => {
    const change = { tenant: TENANT, peerNumber: PERSON, source: 'digit', actor: 'peer', at: NOW }
    await optOut(store.tables, ids, { ...change, actor: 'peer' })
    await erase()
    await consentTo(PERSON)
    const may = () =>
      mayCall(store.tables, { tenant: TENANT, numberId: 'num_a', peerNumber: PERSON, at: NOW })
    expect(await may()).toMatchObject({ failure: { _tag: 'RecipientOptedOut' } })
    const again = await optOut(store.tables, ids, { ...change, actor: 'peer' })
    expect(again.peerNumber).toBeNull()
    expect(await store.tables.consent.optOutAll(TENANT, [PERSON, OTHER], 'import', NOW)).toBe(1)
    const page = { limit: 10, cursor: null }
    expect(await store.tables.consent.optOuts(TENANT, { peerNumber: null }, page)).toHaveLength(2)
    expect(await liftOptOut(store.tables, ids, { ...change, actor: 'peer' })).toBe(true)
    expect(await may()).toEqual({ ok: true, value: undefined })
  })

  it('touches no other tenant, and no other person', async () => {
    await callWith('call_c', { ...ended, to: OTHER })
    await store.tables.consent.optOut(ELSEWHERE, PERSON, 'sms', NOW)
    const before = await rowsWith(`\\+15555550123`)
    await erase()
    expect(await rowsWith(`\\+15555550123`)).toEqual(before)
    expect(await store.tables.consent.isOptedOut(ELSEWHERE, PERSON)).toBe(true)
  })

  it('waits for the end of a live call', async () => {
    await callWith('call_a', { to: PERSON, state: 'connected' })
    expect(await erase()).toEqual({ ok: false, failure: 'on_call' })
    expect(await rowsWith(ofPerson)).not.toEqual([])
  })

  it('walks past the calls of thousands of others', async () => {
    await callWith('call_9', { ...ended, to: OTHER })
    await test.raw(
      `insert into call select r.* from call c, generate_series(1, 4500) n,
         lateral jsonb_populate_record(c, jsonb_build_object('id', 'call_1' || lpad(n::text, 6, '0'),
           'to', case n when 4500 then '${PERSON}' else '${OTHER}' end)) r
       where c.id = 'call_9'`,
    )
    expect(await erase()).toMatchObject({ value: { calls: 1 } })
    expect(await erase()).toMatchObject({ value: { calls: 0, recordings: 0 } })
    expect(await rowsWith(ofPerson)).toEqual([])
  })
})
