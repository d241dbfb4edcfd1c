// The yardstick: the rows that a reserve and a settle write, coalesced into group commits, with nobody looking at them.
import pg from '../../node_modules/pg/lib/index.js'

/** As the ledger's own lane. */
const BATCH_MAX = 256

const FIELDS = `workspace_id, environment, id, kind, debit, credit, posted_cents, hold_cents,
  balance_after_cents, call_id, hold_no, key_id, cap_month, created_at`

const TABLES = ['transfer', 'account', 'key_period']

/**
 * Tables of the ledger's columns, checks and indexes, without triggers and foreign keys, and the loop that writes the
 * journal's rows and one new version of each account and cap that a batch touches.
 */
export async function openBare(connection) {
  const client = new pg.Client(connection)
  await client.connect()
  for (const name of TABLES) {
    await client.query(`create table bench_${name} (like ${name} including all)`)
  }
  await client.query('insert into bench_account select * from account')
  await client.query(`insert into bench_key_period (workspace_id, environment, key_id, period)
    select workspace_id, environment, id, '2026-01' from api_key`)
  const waiting = []
  let running = false
  let count = 0

  async function run() {
    running = true
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH_MAX)
      const rows = batch.map(({ row }) => row)
      const of = (field) => rows.map((row) => row[field])
      await client.query({
        name: 'bare',
        text: `with m as materialized (
           select * from
             unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
             as m (workspace_id, id, kind, posted, held, call_id, key_id)
         ), s as (
           select workspace_id, key_id, sum(posted) as posted, sum(held) as held from m group by 1, 2
         ), a as (
           update bench_account a set posted_cents = posted_cents - s.posted, held_cents = held_cents + s.held
           from s where a.workspace_id = s.workspace_id and a.environment = 'test'
         ), k as (
           update bench_key_period k set spent_cents = spent_cents + s.posted, held_cents = k.held_cents + s.held
           from s where k.workspace_id = s.workspace_id and k.environment = 'test' and k.key_id = s.key_id
             and k.period = '2026-01'
         )
         insert into bench_transfer (${FIELDS})
         select workspace_id, 'test', id, kind, 'wallet', 'revenue', posted, held, 0, call_id, 0,
           key_id, '2026-01', now()
         from m`,
        values: ['workspaceId', 'id', 'kind', 'posted', 'held', 'callId', 'keyId'].map(of),
      })
      for (const { done } of batch) done()
    }
    running = false
  }
  const write = (row) =>
    new Promise((done) => {
      waiting.push({ row: { ...row, id: `txn_bare_${++count}` }, done })
      if (!running) void run()
    })
  return {
    reserve: ({ tenant: { workspaceId }, callId, keyId, amountCents }) =>
      write({ workspaceId, callId, keyId, kind: 'reserve', posted: 0, held: amountCents }),
    settle: ({ tenant: { workspaceId }, callId, keyId, amountCents }, costCents) =>
      write({ workspaceId, callId, keyId, kind: 'settle', posted: costCents, held: -amountCents }),
    close: async () => {
      for (const name of TABLES) await client.query(`drop table bench_${name}`)
      await client.end()
    },
  }
}
