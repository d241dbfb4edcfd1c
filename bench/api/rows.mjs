// Fills the tables that lists are read from: all rows of one tenant, and what is rare among them is the oldest.
import { statement } from '../ledger/places.mjs'

const TENANT = `'ws_default', 'test'`
/** The oldest so many rows have the number, the peer, the status that no other row has. */
export const RARE_ROWS = 100
export const RARE = {
  numberIds: ['num_rare_one', 'num_rare_two'],
  to: '+15559999999',
  peer: '+15558888888',
  status: 'rejected',
}
const PEERS = 1_000_000
/** Between two rows; ten million of them are a little more than three years. */
const STEP_SEC = 10

/** Rows are numbered from the oldest; ids sort by that number, and before every id that is made now. */
export const callIdOf = (row) => `call_00${String(row).padStart(9, '0')}aaaaaaaaaaaaa`

const CALLS = `insert into call (workspace_id, environment, id, number_id, connection_id, direction, "from", "to",
    state, status, recognizer, rate_cents_per_min, duration_sec, cost_cents, hangup_cause, has_transcript, metadata,
    ring_timeout_sec, max_duration_sec, heartbeat_at, created_at, answered_at, ended_at)
  select ${TENANT}, 'call_00' || lpad(n::text, 9, '0') || 'aaaaaaaaaaaaa',
    case when n < $4 then case when n % 2 = 0 then 'num_rare_one' else 'num_rare_two' end else $3 end,
    $5, 'outbound', '+15550000001',
    case when n < $4 then '${RARE.to}' else '+1555' || lpad((n * 7919 % ${PEERS})::text, 7, '0') end,
    'ended',
    case when n < $4 then '${RARE.status}' when n % 20 = 1 then 'failed' when n % 20 = 2 then 'no_answer'
      else 'completed' end,
    'phrases', 13, 30, 7, 'peer_hangup', false, '{}', 30, 3600, t.at, t.at, t.at, t.at
  from generate_series($1::bigint, $2::bigint - 1) n
  cross join lateral (select now() - interval '4 years' + n * interval '${STEP_SEC} s' as at) t`

const TRANSFERS = `insert into transfer (workspace_id, environment, id, kind, debit, credit, posted_cents,
    balance_after_cents, note, created_at)
  select ${TENANT}, 'txn_00' || lpad(n::text, 9, '0') || 'aaaaaaaaaaaaa', 'topup', 'funding', 'wallet', 1, n + 501,
    'bench', now()
  from generate_series($1::bigint, $2::bigint - 1) n`

const CONSENT = `insert into consent (workspace_id, environment, id, number_id, peer_number, consent_type, source, granted_at)
  select ${TENANT}, 'con_00' || lpad(n::text, 9, '0') || 'aaaaaaaaaaaaaa', $3,
    case when n < $4 then '${RARE.peer}' else '+1555' || lpad((n * 7919 % ${PEERS})::text, 7, '0') end,
    'explicit_outbound', 'bench', now()
  from generate_series($1::bigint, $2::bigint - 1) n`

const EVENTS = `insert into event_feed (workspace_id, environment, position, event_type, payload, created_at)
  select ${TENANT}, n + 1, 'call.completed', jsonb_build_object('callId', 'call_' || n, 'status', 'completed'), now()
  from generate_series($1::bigint, $2::bigint - 1) n`

/** Which of the four parameters (first row, end, number, rare rows, connection) each of them takes. */
const FILLS = {
  call: [CALLS, 5],
  transfer: [TRANSFERS, 2],
  consent: [CONSENT, 4],
  event_feed: [EVENTS, 2],
}

/**
 * Adds rows `from` to `to` of a table. Triggers and foreign keys sleep meanwhile, as in a restore, and the indexes that
 * are no keys are made anew afterwards, which is faster than keeping them.
 */
export async function fill(client, table, from, to, { numberId, connectionId }) {
  const [text, count] = FILLS[table]
  const { rows: indexes } = await client.query(
    `select c.relname as name, pg_get_indexdef(c.oid) as text from pg_index i join pg_class c on c.oid = i.indexrelid
     where i.indrelid = $1::regclass and not i.indisunique`,
    [table],
  )
  await client.query('set session_replication_role = replica')
  for (const { name } of indexes) await client.query(`drop index ${name}`)
  await client.query(text, [from, to, numberId, RARE_ROWS, connectionId].slice(0, count))
  for (const index of indexes) await client.query(index.text)
  await client.query('set session_replication_role = origin')
  await client.query(`vacuum analyze ${table}`)
}

export async function bytesOf(address, table) {
  const [{ bytes }] = await statement(address, `select pg_total_relation_size('${table}') as bytes`)
  return Number(bytes)
}
