// The yardstick: the rows of a reserve and of a settle, coalesced into group commits, with nobody looking at them.
import pg from '../../node_modules/pg/lib/index.js'

/** As the ledger's own lane. */
const BATCH_MAX = 256

const FIELDS = `workspace_id, environment, id, kind, debit, credit, posted_cents, hold_cents,
  balance_after_cents, call_id, hold_no, key_id, cap_month, created_at`

/** A table of the journal's columns and indexes, without triggers and foreign keys, and the loop that fills it. */
export async function openBare(connection) {
  const client = new pg.Client(connection)
  await client.connect()
  await client.query('create table bench_transfer (like transfer including all)')
  let waiting = []
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
        text: `insert into bench_transfer (${FIELDS})
         select m.workspace_id, 'test', m.id, m.kind, 'wallet', 'revenue', m.posted, m.held, 0, m.call_id, 0,
           m.key_id, '2026-01', now()
         from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
           as m (workspace_id, id, kind, posted, held, call_id, key_id)`,
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
      await client.query('drop table bench_transfer')
      await client.end()
    },
  }
}
