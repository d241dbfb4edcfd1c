// Getting past the ledger, the audit trail and consent with plain SQL: every attempt is refused by the database.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, TENANT, callRow, consentRow, furnish, keyRow } from './testing-rows.ts'

/** A transfer as an intruder would write it; each attempt changes what it needs. */
function transfer(patch: Record<string, string>): string {
  const row: Record<string, string> = {
    workspace_id: `'ws_a'`,
    environment: `'test'`,
    id: `'txn_bad'`,
    kind: `'topup'`,
    debit: `'funding'`,
    credit: `'wallet'`,
    posted_cents: '5',
    hold_cents: '0',
    balance_after_cents: '482',
    created_at: 'now()',
    ...patch,
  }
  return `insert into transfer (${Object.keys(row).join(', ')}) values (${Object.values(row).join(', ')})`
}

const WALLET_TO_REVENUE = { debit: `'wallet'`, credit: `'revenue'` }

const ATTEMPTS: readonly [string, string][] = [
  ['a balance raised', `update account set posted_cents = posted_cents + 100`],
  ['a hold forgotten', `update account set held_cents = 0`],
  ['live calls miscounted', `update account set open_holds = 0`],
  ['an account deleted', `delete from account`],
  ['all accounts emptied', `truncate account cascade`],
  [
    'an account that starts rich',
    `insert into account (workspace_id, environment, posted_cents, max_open_holds) values ('ws_c', 'test', 9, 1)`,
  ],
  ['a transfer changed', `update transfer set posted_cents = 1`],
  ['a transfer deleted', `delete from transfer`],
  ['the journal emptied', `truncate transfer cascade`],
  ['a transfer with a wrong balance', transfer({ balance_after_cents: '483' })],
  ['a transfer with one side', transfer({ debit: `'wallet'` })],
  ['a transfer past the wallet', transfer({ debit: `'funding'`, credit: `'revenue'` })],
  ['money taken back by a top-up', transfer({ debit: `'wallet'`, credit: `'funding'` })],
  ['an unknown kind', transfer({ kind: `'gift'` })],
  ['a negative amount', transfer({ posted_cents: '-5', balance_after_cents: '472' })],
  [
    'a charge beyond the balance',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'charge'`,
      posted_cents: '478',
      balance_after_cents: '-1',
    }),
  ],
  [
    'a second hold of the call',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'reserve'`,
      posted_cents: '0',
      hold_cents: '1',
      balance_after_cents: '476',
      call_id: `'call_a'`,
    }),
  ],
  [
    'a hold of a target beside no call',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'reserve'`,
      posted_cents: '0',
      hold_cents: '1',
      balance_after_cents: '476',
      call_id: `'call_none'`,
      hold_no: '1',
    }),
  ],
  [
    'a hold of a target on another key',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'reserve'`,
      posted_cents: '0',
      hold_cents: '1',
      balance_after_cents: '476',
      call_id: `'call_a'`,
      hold_no: '1',
    }),
  ],
  [
    'a settle that leaves something held',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'settle'`,
      posted_cents: '0',
      hold_cents: '-3',
      balance_after_cents: '480',
      call_id: `'call_a'`,
      key_id: `'key_a'`,
      cap_month: `'2026-01'`,
    }),
  ],
  [
    'a settle on another key',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'settle'`,
      posted_cents: '0',
      hold_cents: '-13',
      balance_after_cents: '490',
      call_id: `'call_a'`,
    }),
  ],
  ['money of a tenant without an account', transfer({ workspace_id: `'ws_none'` })],
  [
    'a charge to a key that nobody knows',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'charge'`,
      balance_after_cents: '472',
      key_id: `'key_none'`,
      cap_month: `'2026-01'`,
    }),
  ],
  [
    'a charge to a key whose spending nobody counts',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'charge'`,
      balance_after_cents: '472',
      key_id: `'key_gone'`,
      cap_month: `'2026-01'`,
    }),
  ],
  [
    'a settle without a hold',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'settle'`,
      posted_cents: '5',
      balance_after_cents: '472',
      call_id: `'call_none'`,
    }),
  ],
  [
    'a second resolution',
    transfer({
      ...WALLET_TO_REVENUE,
      kind: `'release'`,
      posted_cents: '0',
      balance_after_cents: '477',
      call_id: `'call_done'`,
    }),
  ],
  ['spending forgotten', `update key_period set held_cents = 0`],
  ['a cap lifted in its period', `update key_period set cap_cents = null`],
  ['a period deleted', `delete from key_period`],
  [
    'a period without its cap',
    `insert into key_period (workspace_id, environment, key_id, period) values ('ws_a', 'test', 'key_capped', '2026-07')`,
  ],
  ['a cap lifted', `update api_key set spend_limit_cents = null`],
  ['a key freed of its parent', `update api_key set minted_by_token_id = 'key_x'`],
  ['a key deleted', `delete from api_key`],
  ['a key brought back', `update api_key set revoked_at = null where id = 'key_gone'`],
  ['an audit row changed', `update audit_event set actor = 'nobody'`],
  ['audit data changed', `update audit_event set data = '{}'`],
  ['an audit row chained anew', `update audit_event set hash = 'x', position = 7`],
  ['an audit row deleted', `delete from audit_event`],
  ['the trail emptied', `truncate audit_event`],
  ['the chain turned back', `update audit_chain set position = 0`],
  ['consent changed', `update consent set source = 'other'`],
  ['consent brought back', `update consent set revoked_at = null where id = 'con_over'`],
  ['consent deleted', `delete from consent`],
  ['an opt-out erased without a trace', `update opt_out set peer_number = null`],
  ['an opt-out hashed beside its number', `update opt_out set peer_hash = 'ab'`],
  [
    'a consent erased while it is in force',
    `update consent set peer_number = 'erased', source = 'erased'`,
  ],
  ['an opt-out deleted', `delete from opt_out`],
  ['an opt-out changed', `update opt_out set peer_number = '+15555550100'`],
  ['a final call made live', `update call set state = 'connected' where id = 'call_done'`],
  ['a final status changed', `update call set status = 'failed' where id = 'call_done'`],
]

describe.each(serversUnderTest)('past the store on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore

  beforeAll(async () => {
    server = await startTestServer({ binDir })
    test = await server.open()
    await furnish(test.store)
    const { tables } = test.store
    const reserve = (callId: string, keyId: string | null, amountCents: number) =>
      tables.ledger.reserve({ tenant: TENANT, callId, keyId, amountCents, at: NOW })
    await tables.keys.insert(keyRow({ id: 'key_gone', revokedAt: NOW }))
    await tables.keys.insert(keyRow({ id: 'key_capped', spendLimitCents: 50 }))
    await tables.calls.insert(callRow())
    await tables.calls.insert(
      callRow({ id: 'call_done', state: 'ended', status: 'completed', endedAt: NOW }),
    )
    await reserve('call_a', 'key_a', 13)
    await reserve('call_done', null, 10)
    await tables.ledger.settle('call_done', 10, NOW)
    await reserve('call_capped', 'key_capped', 0)
    await tables.consent.grant(consentRow())
    await tables.consent.grant(consentRow({ id: 'con_over', revokedAt: NOW }))
    await tables.consent.optOut(TENANT, '+15555550111', 'sms', NOW)
    await tables.audit.append({
      ...TENANT,
      id: 'aud_a',
      eventType: 'key.created',
      targetType: 'key',
      targetId: 'key_a',
      actor: 'key_a',
      data: { name: 'a' },
      createdAt: NOW,
    })
    await tables.audit.chain()
  })
  afterAll(async () => {
    await test.close()
    await server.stop()
  })

  it.each(ATTEMPTS)('refuses %s', async (_, statement) => {
    // Refused by a constraint or a guard, and not for being no SQL.
    await expect(test.raw(statement)).rejects.toMatchObject({
      code: expect.stringMatching(/^23(000|001|503|505|514)$/) as unknown,
    })
    expect(await test.store.tables.ledger.verify()).toEqual([])
    expect(await test.store.tables.audit.verify()).toEqual([])
  })

  it('lets a person be erased from the trail, and the trail still be proved', async () => {
    await test.raw('update audit_event set data = null, salt = null')
    expect(await test.store.tables.audit.verify()).toEqual([])
    expect(
      (await test.store.tables.audit.list(TENANT, { limit: 1, cursor: null }))[0]?.data,
    ).toEqual({})
  })

  // Last, because it moves money: the attempts above failed for what they changed in this one.
  it('takes a transfer that adds up', async () => {
    const taken = await test.raw(`${transfer({})} returning amount_cents`)
    expect(taken).toEqual([{ amount_cents: 5 }])
    expect(await test.store.tables.ledger.verify()).toEqual([])
  })

  // As in a restore, where triggers sleep: what the foreign keys of the journal would have said is said afterwards.
  it('finds a transfer of nobody that came in while its trigger slept', async () => {
    await test.raw('alter table transfer disable trigger apply_transfers')
    await test.raw(transfer({ id: `'txn_nobody'`, workspace_id: `'ws_none'` }))
    const stray = { ...WALLET_TO_REVENUE, kind: `'charge'`, posted_cents: '1' }
    const byNobody = { key_id: `'key_none'`, cap_month: `'2026-01'` }
    await test.raw(transfer({ id: `'txn_stray'`, ...stray, ...byNobody }))
    await test.raw('alter table transfer enable trigger apply_transfers')
    const problems = (await test.store.tables.ledger.verify()).map(({ problem }) => problem)
    expect(problems).toContain('there is no account for 1 postings')
    expect(problems).toContain('there is no key key_none')
  })
})
