// The books of an installation, read past the server by plain SQL: what must hold whenever no call is live.
import type { Installation } from './installation.ts'

/** Asked for rows that must not be there; each says what is wrong. */
const MUST_BE_EMPTY: Record<string, string> = {
  'a call that is not ended': `
    select id, state from call where state <> 'ended'`,
  'money or a place that is still held': `
    select workspace_id, environment, held_cents, open_holds from account
    where held_cents <> 0 or open_holds <> 0`,
  'a hold that is not resolved once': `
    select call_id, hold_no,
      count(*) filter (where kind = 'reserve') as reserved,
      count(*) filter (where kind in ('settle', 'release')) as resolved
    from transfer where call_id is not null group by call_id, hold_no
    having count(*) filter (where kind = 'reserve') <> 1
      or count(*) filter (where kind in ('settle', 'release')) <> 1`,
  'a call without a hold': `
    select id from call where not exists
      (select 1 from transfer where call_id = call.id and kind = 'reserve')`,
  'a balance that is not the sum of its postings': `
    select a.workspace_id, a.environment, a.posted_cents from account a
    where a.posted_cents <> coalesce((
      select sum(case when t.credit = 'wallet' then t.posted_cents else -t.posted_cents end)
      from transfer t where (t.workspace_id, t.environment) = (a.workspace_id, a.environment)), 0)`,
  'a bill that is not the sum of its postings': `
    select id, cost_cents from call where cost_cents is distinct from
      (select sum(posted_cents) from transfer where call_id = call.id)`,
  'a call that was billed and not completed': `
    select id, status, cost_cents from call where status <> 'completed' and cost_cents <> 0`,
  'a call without exactly one terminal event in the feed': `
    with told as (select payload->>'callId' as id, count(*) as count from event_feed
      where event_type in ('call.completed', 'call.failed') group by 1)
    select call.id, told.count from call left join told using (id)
    where told.count is distinct from 1`,
  'a call whose timeline does not begin once and end once': `
    select call_id from call_event group by call_id
    having count(*) filter (where type = 'initiated') <> 1
      or count(*) filter (where type = 'ended') <> 1`,
  'a call whose end is not in its timeline as it is in its row': `
    select c.id, c.status, c.cost_cents, e.data from call c
    join call_event e on e.call_id = c.id and e.type = 'ended'
    where e.data->>'status' <> c.status or (e.data->>'costCents')::bigint <> c.cost_cents`,
  'an order that made two calls': `
    select metadata->>'order' as "order", count(*) from call where metadata->>'order' is not null
    group by 1 having count(*) > 1`,
  'a terminal event that was not queued once': `
    select c.id, count(d.id) from call c
    left join delivery d on d.call_id = c.id and d.webhook_id = any($1)
      and d.event_type in ('call.completed', 'call.failed')
    group by c.id having count(d.id) <> 1`,
  'an end without its entry in the audit trail': `
    select id from call where id not in
      (select target_id from audit_event where event_type = 'call.ended')`,
}

/** Everything that is wrong; empty when no call is live and the books are right. */
export async function wrongIn({ database, endpoints }: Installation): Promise<string[]> {
  const found: string[] = []
  for (const [what, query] of Object.entries(MUST_BE_EMPTY)) {
    const rows = await database.rows(query, query.includes('$1') ? [endpoints] : [])
    if (rows.length > 0) found.push(`${what}: ${JSON.stringify(rows.slice(0, 5))}`)
  }
  return found
}

/** What the platform's own proofs of ledger and audit trail say. */
export async function unproved(installation: Installation): Promise<string[]> {
  const { tables } = await installation.office()
  await tables.audit.chain()
  const ledger = await tables.ledger.verify()
  const audit = await tables.audit.verify()
  return [...ledger, ...audit].map((problem) => JSON.stringify(problem))
}

/** Phones on the trunk that talk on although their call, as it is stored, is over. */
export async function forgottenPhones({ database, phones }: Installation): Promise<string[]> {
  const rows = await database.rows<{ id: string; sip: string }>(
    `select id, dialog->>'callId' as sip from call
     where environment = 'live' and state = 'ended' and dialog is not null`,
  )
  return rows.filter(({ sip }) => phones.state(sip) === 'talking').map(({ id }) => id)
}

/** Events that are still owed to the endpoints that hear of every call. */
export async function owed({ database, endpoints }: Installation): Promise<number> {
  const [row] = await database.rows<{ count: number }>(
    `select count(*)::integer as count from delivery
     where webhook_id = any($1) and status <> 'delivered'`,
    [endpoints],
  )
  return row!.count
}

/** Once nothing is owed: that the receiver has had exactly the events that were queued, each under one id. */
export async function undelivered({
  database,
  endpoints,
  receiver,
}: Installation): Promise<string[]> {
  const rows = await database.rows<{ id: string }>(
    'select id from delivery where webhook_id = any($1)',
    [endpoints],
  )
  const taken = rows.filter(({ id }) => (receiver.delivered.get(id)?.taken ?? 0) > 0)
  const found: string[] = []
  if (taken.length < rows.length) found.push(`${rows.length - taken.length} events never came`)
  if (receiver.changed.length > 0) found.push(`events that changed: ${receiver.changed.join(', ')}`)
  const told = new Map<string, number>()
  const queued = new Set(rows.map(({ id }) => id))
  for (const { deliveryId, eventType, callId } of receiver.delivered.values()) {
    if (!/^call\.(completed|failed)$/.test(eventType) || !callId) continue
    if (!queued.has(deliveryId)) found.push(`${deliveryId} was sent and is not on record`)
    told.set(callId, (told.get(callId) ?? 0) + 1)
  }
  for (const [callId, count] of told) {
    if (count !== 1) found.push(`${callId} was told to have ended ${count} times`)
  }
  return found
}
