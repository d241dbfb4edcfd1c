// Rows in and rows out, aggregate by aggregate, and that no other tenant finds them.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CallFilter, Tables, Tenant } from './port.ts'
import { SIGNALLING_KEPT_MS } from './signalling.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import {
  NOW,
  STRANGERS,
  TENANT,
  callRow,
  connectionRow,
  consentRow,
  deliveryRow,
  furnish,
  keyRow,
  numberRow,
  webhookRow,
} from './testing-rows.ts'

const PAGE = { limit: 10, cursor: null }
const ANY_CALL: CallFilter = {
  status: null,
  numberId: null,
  numberIds: null,
  to: null,
  since: null,
  until: null,
}
const ANY_CONSENT = { numberId: null, peerNumber: null, numberIds: null }
const PEER = '+15555550123'

describe.each(serversUnderTest)('records on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let tables: Tables

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    test = await server.open()
    tables = test.store.tables
    await furnish(test.store)
  })
  afterEach(() => test.close())

  it('gives each row back as it was written', async () => {
    const key = keyRow({
      id: 'key_b',
      hash: 'ef'.repeat(32),
      numberScope: ['num_a'],
      spendLimitCents: 5,
      spendLimitResetPeriod: 'monthly',
      mintedByTokenId: 'key_a',
      expiresAt: NOW + 1.5e9 + 7,
    })
    const call = callRow({
      keyId: 'key_a',
      metadata: { 'odd "key"': 'ü\u2028', order: '7' },
      dialog: { callId: 'x@y', cseq: 2, routes: ['<sip:a;lr>'] },
      instructions: 'be brief',
    })
    const connection = connectionRow({ id: 'conn_b', mcpTokens: { 'https://m.example': 'sealed' } })
    const number = numberRow({ id: 'num_b', phoneNumber: '+15555550198', nextChargeAt: NOW })
    const webhook = webhookRow({ previousSecretUntil: NOW + 5 })
    await tables.keys.insert(key)
    await tables.calls.insert(call)
    await tables.connections.insert(connection)
    await tables.numbers.insert(number)
    await tables.webhooks.insert(webhook)
    await tables.outbox.insert(deliveryRow())
    expect(await tables.keys.findByHash(key.hash)).toEqual(key)
    expect(await tables.keys.get(TENANT, 'key_b', NOW)).toEqual({ ...key, spentThisPeriodCents: 0 })
    expect(await tables.calls.get(TENANT, call.id)).toEqual(call)
    expect(await tables.connections.get(TENANT, 'conn_b')).toEqual(connection)
    expect(await tables.connections.findById('conn_b')).toEqual(connection)
    expect(await tables.numbers.get(TENANT, 'num_b')).toEqual(number)
    expect(await tables.webhooks.get(TENANT, 'whk_a')).toEqual(webhook)
    expect(await tables.outbox.get(TENANT, 'dlv_a')).toEqual(deliveryRow())
    expect((await tables.workspaces.list()).map((row) => row.id)).toEqual(['ws_b', 'ws_a'])
    expect(await tables.workspaces.get('ws_a')).toEqual({ id: 'ws_a', name: 'A', createdAt: NOW })
  })

  it('shows nothing of one tenant to another', async () => {
    await tables.calls.insert(callRow())
    await tables.consent.grant(consentRow())
    await tables.consent.optOut(TENANT, PEER, 'sms', NOW)
    await tables.webhooks.insert(webhookRow())
    await tables.outbox.insert(deliveryRow())
    await tables.audit.append({
      ...TENANT,
      id: 'aud_a',
      eventType: 'call.refused',
      targetType: 'call',
      targetId: 'call_a',
      actor: 'key_a',
      data: {},
      createdAt: NOW,
    })
    const seenBy = async (tenant: Tenant): Promise<unknown[]> => [
      await tables.keys.get(tenant, 'key_a', NOW),
      ...(await tables.keys.list(tenant, PAGE, NOW)),
      await tables.numbers.get(tenant, 'num_a'),
      await tables.numbers.update(tenant, 'num_a', { callerIdName: 'A' }),
      ...(await tables.numbers.list(tenant, null, PAGE)),
      await tables.connections.get(tenant, 'conn_a'),
      ...(await tables.connections.list(tenant, PAGE)),
      await tables.calls.get(tenant, 'call_a'),
      ...(await tables.calls.list(tenant, ANY_CALL, PAGE)),
      (await tables.calls.usage(tenant, null)).count || null,
      await tables.consent.active(tenant, 'num_a', PEER, NOW),
      ...(await tables.consent.list(tenant, ANY_CONSENT, PAGE)),
      (await tables.consent.isOptedOut(tenant, PEER)) || null,
      await tables.webhooks.get(tenant, 'whk_a'),
      ...(await tables.webhooks.list(tenant, PAGE)),
      await tables.outbox.get(tenant, 'dlv_a'),
      ...(await tables.outbox.list(tenant, 'whk_a', null, PAGE)),
      await tables.outbox.replay(tenant, 'dlv_a', NOW),
      ...(await tables.audit.list(tenant, PAGE)),
      // Last, because these change what they find.
      await tables.consent.revoke(tenant, 'num_a', PEER, NOW),
      (await tables.consent.liftOptOut(tenant, PEER, 'sms', NOW)) || null,
      ...(await tables.keys.revokeTree(tenant, 'key_a', NOW)),
    ]
    for (const stranger of STRANGERS) {
      expect((await seenBy(stranger)).filter((seen) => seen !== null)).toEqual([])
    }
    expect((await seenBy(TENANT)).filter((seen) => seen === null)).toEqual([])
  })

  it('pages through a list, newest first', async () => {
    for (const n of [1, 2, 3, 4, 5]) await tables.calls.insert(callRow({ id: `call_${n}` }))
    const firstPage = await tables.calls.list(TENANT, ANY_CALL, { limit: 2, cursor: null })
    expect(firstPage.map((row) => row.id)).toEqual(['call_5', 'call_4'])
    const rest = await tables.calls.list(TENANT, ANY_CALL, { limit: 9, cursor: 'call_4' })
    expect(rest.map((row) => row.id)).toEqual(['call_3', 'call_2', 'call_1'])
    const none = await tables.calls.list(TENANT, { ...ANY_CALL, numberIds: [] }, PAGE)
    expect(none).toEqual([])
    const later = await tables.calls.list(TENANT, { ...ANY_CALL, since: NOW, until: NOW }, PAGE)
    expect(later).toEqual([])
  })

  it('revokes a key with all its descendants, and lets a child of a revoked one be born revoked', async () => {
    await tables.keys.insert(keyRow({ id: 'key_b', mintedByTokenId: 'key_a' }))
    await tables.keys.insert(keyRow({ id: 'key_c', mintedByTokenId: 'key_b' }))
    await tables.keys.insert(keyRow({ id: 'key_d' }))
    expect((await tables.keys.revokeTree(TENANT, 'key_a', NOW)).toSorted()).toEqual([
      'key_a',
      'key_b',
      'key_c',
    ])
    expect(await tables.keys.revokeTree(TENANT, 'key_a', NOW + 1)).toEqual([])
    await tables.keys.insert(keyRow({ id: 'key_e', mintedByTokenId: 'key_c' }))
    expect((await tables.keys.get(TENANT, 'key_e', NOW))?.revokedAt).toBe(NOW)
    expect((await tables.keys.get(TENANT, 'key_d', NOW))?.revokedAt).toBeNull()
  })

  it('notes the use of a key at most once a minute', async () => {
    const lastUsed = async () => (await tables.keys.get(TENANT, 'key_a', NOW))?.lastUsedAt
    await tables.keys.touch('key_a', NOW)
    await tables.keys.touch('key_a', NOW + 59_999)
    expect(await lastUsed()).toBe(NOW)
    await tables.keys.touch('key_a', NOW + 60_000)
    expect(await lastUsed()).toBe(NOW + 60_000)
  })

  it('gives an active number to one tenant only', async () => {
    const stranger = numberRow({ ...STRANGERS[1], id: 'num_b', connectionId: null })
    expect(await tables.numbers.insert(stranger)).toBe(false)
    expect(await tables.numbers.findActive('test', stranger.phoneNumber)).toMatchObject(TENANT)
    expect(await tables.numbers.findActive('live', stranger.phoneNumber)).toBeNull()
    await tables.numbers.update(TENANT, 'num_a', { releasedAt: NOW })
    expect(await tables.numbers.insert(stranger)).toBe(true)
    expect(await tables.numbers.findActive('test', stranger.phoneNumber)).toEqual(stranger)
  })

  it('replaces a connection, and finds a deleted one no more', async () => {
    await tables.connections.update(connectionRow({ mode: 'hosted', manualSecret: null }))
    expect(await tables.connections.get(TENANT, 'conn_a')).toMatchObject({
      mode: 'hosted',
      manualSecret: null,
    })
    await tables.connections.update(connectionRow({ deletedAt: NOW }))
    expect(await tables.connections.get(TENANT, 'conn_a')).toBeNull()
    expect(await tables.connections.findById('conn_a')).toBeNull()
    expect(await tables.connections.list(TENANT, PAGE)).toEqual([])
  })

  it('finds the strongest consent in force, until it is revoked or has lapsed', async () => {
    const active = async (at: number) =>
      (await tables.consent.active(TENANT, 'num_a', PEER, at))?.id ?? null
    await tables.consent.grant(consentRow())
    await tables.consent.grant(
      consentRow({ id: 'con_b', consentType: 'implied_inbound', expiresAt: NOW + 100 }),
    )
    expect(await active(NOW)).toBe('con_a')
    expect(await tables.consent.revoke(TENANT, 'num_a', PEER, NOW + 10)).toMatchObject({
      id: 'con_b',
      revokedAt: NOW + 10,
    })
    expect(await active(NOW + 11)).toBeNull()
    expect(await tables.consent.revoke(TENANT, 'num_a', PEER, NOW + 12)).toBeNull()
    await tables.consent.grant(
      consentRow({ id: 'con_c', consentType: 'implied_inbound', expiresAt: NOW + 100 }),
    )
    expect(await active(NOW + 99)).toBe('con_c')
    expect(await active(NOW + 100)).toBeNull()
    const byNumber = { ...ANY_CONSENT, numberIds: ['num_a'] }
    expect(await tables.consent.list(TENANT, byNumber, PAGE)).toHaveLength(3)
  })

  it('opts a peer out once, and lifts it once', async () => {
    await tables.consent.optOut(TENANT, PEER, 'digit', NOW)
    await tables.consent.optOut(TENANT, PEER, 'sms', NOW)
    expect(await tables.consent.isOptedOut(TENANT, PEER)).toBe(true)
    expect(await tables.consent.liftOptOut(TENANT, PEER, 'START', NOW)).toBe(true)
    expect(await tables.consent.liftOptOut(TENANT, PEER, 'START', NOW)).toBe(false)
    await tables.consent.optOut(TENANT, PEER, 'sms', NOW)
    expect(await tables.consent.isOptedOut(TENANT, PEER)).toBe(true)
  })

  it('changes a call only from a state it is still in', async () => {
    await tables.calls.insert(callRow())
    const { calls } = tables
    expect(await calls.change(callRow(), ['ringing'], { state: 'connected' })).toBeNull()
    expect(
      await calls.change(callRow(), ['queued', 'dialing'], { state: 'dialing' }),
    ).toMatchObject({
      state: 'dialing',
    })
    expect(await calls.unfinished('proc_a')).toMatchObject([{ id: 'call_a' }])
    const ended = {
      state: 'ended',
      status: 'completed',
      endedAt: NOW,
      costCents: 13,
      durationSec: 60,
    }
    await calls.change(callRow(), ['dialing'], { ...ended, state: 'ended', status: 'completed' })
    expect(await calls.unfinished('proc_a')).toEqual([])
    expect(await calls.change(callRow(), ['ended'], { hasTranscript: true })).toMatchObject({
      hasTranscript: true,
      status: 'completed',
    })
    expect(await calls.usage(TENANT, NOW)).toEqual({
      count: 1,
      totalCostCents: 13,
      totalDurationSec: 60,
    })
    expect(await calls.usage(TENANT, NOW + 1)).toMatchObject({ count: 0 })
  })

  it('keeps the timeline and the transcript of a call in order, odd characters and all', async () => {
    await tables.calls.insert(callRow())
    for (const n of [3, 1, 2]) {
      const data = { n, text: 'a\0b\ud800c \\u0000' }
      await tables.events.append({ id: `evt_${n}`, callId: 'call_a', type: 'turn', at: NOW, data })
    }
    const events = await tables.events.list('call_a', null)
    expect(events.map((event) => event.data['n'])).toEqual([3, 1, 2])
    expect(events[0]).toMatchObject({ at: NOW, data: { text: 'a\ufffdb\ufffdc \\u0000' } })
    expect(await tables.events.list('call_a', 'evt_3')).toHaveLength(2)
    const turn = {
      callId: 'call_a',
      position: 0,
      role: 'agent',
      text: 'hello\0',
      heardText: null,
      startedAt: NOW,
      endedAt: NOW + 5,
      interrupted: false,
    } as const
    await tables.transcripts.append(turn)
    expect(await tables.transcripts.list('call_a')).toEqual([{ ...turn, text: 'hello\ufffd' }])
    await expect(
      tables.events.append({ id: 'evt_x', callId: 'none', type: 'turn', at: NOW, data: {} }),
    ).rejects.toThrow('a call that exists')
    // Whoever lost the answer asks again: what is there stays as it was.
    await tables.events.append({ id: 'evt_3', callId: 'call_a', type: 'turn', at: NOW, data: {} })
    await tables.transcripts.append({ ...turn, text: 'again' })
    expect(await tables.events.list('call_a', null)).toEqual(events)
    expect(await tables.transcripts.list('call_a')).toHaveLength(1)
  })

  it('keep signalling once, byte for byte, and forget it after its time', async () => {
    await tables.calls.insert(callRow())
    await tables.calls.insert({ ...callRow(), id: 'call_b' })
    const ends = { protocol: 'UDP', ours: '192.0.2.1:5060', theirs: '192.0.2.2:5060' } as const
    const text = `BYE sip:a@b SIP/2.0\r\n\0${String.fromCodePoint(0xe9, 0xff)}`
    const messages = [{ at: NOW, direction: 'sent', ...ends, text }] as const
    await tables.signalling.keep('call_a', messages, NOW)
    await tables.signalling.keep('call_a', [], NOW + 1)
    expect(await tables.signalling.get('call_a', NOW + SIGNALLING_KEPT_MS)).toEqual(messages)
    expect(await tables.signalling.get('call_a', NOW + SIGNALLING_KEPT_MS + 1)).toEqual([])
    expect(await tables.signalling.get('call_b', NOW)).toEqual([])
    // What is too old goes when something new comes, and what is too long is cut at a message.
    const long = Array.from({ length: 30 }, () => ({ ...messages[0], text: 'x'.repeat(60_000) }))
    await tables.signalling.keep('call_b', long, NOW + SIGNALLING_KEPT_MS + 1)
    expect(await tables.signalling.get('call_a', NOW)).toEqual([])
    expect(await tables.signalling.get('call_b', NOW)).toHaveLength(16)
  })
})
