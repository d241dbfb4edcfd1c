// One person is taken out of a tenant's rows, by phone number. What proves money and the trail stays.
//
// The rows are walked window by window, each in a transaction of its own: however many there are, no statement is long
// and no lock is held for long. An erasure that was cut short is done again, and finds what is left.
import { peerHash } from '../audit/peer-hash.ts'
import { instant } from './columns.ts'
import { OF_TENANT, tenantOf } from './lists.ts'
import type { ErasedCounts, Tables, Tenant } from './port.ts'
import { ERASED, redactWords } from './redaction.ts'
import type { Sql } from './sql.ts'

/** Rows that one transaction looks at. */
const WINDOW = 2000

/** A person's tenant, the number, and the regular expression that finds it, and no longer one, inside a text. */
interface Person {
  tenant: Tenant
  number: string
  pattern: string
}

export function erasure(sql: Sql, hashKey: string): Tables['erasure'] {
  const personOf = (tenant: Tenant, number: string): Person => ({
    tenant,
    number,
    pattern: `\\+${number.slice(1)}(?![0-9])`,
  })
  return {
    async isOnCall(tenant, peerNumber) {
      const live = await sql.rows(
        `select 1 from call where state <> 'ended' and ${OF_TENANT}
           and ($3 in ("from", "to") or bridge ->> 'to' = $3) limit 1`,
        [...tenantOf(tenant), peerNumber],
      )
      return live.length > 0
    },
    async recordings(tenant, peerNumber) {
      const paths: string[] = []
      for await (const range of windows(sql, 'call', tenant)) {
        const rows = await sql.rows<{ recordingPath: string }>(
          `select recording_path from call where ${IN_RANGE} and $5 in ("from", "to")
             and recording_path is not null`,
          [...range, peerNumber],
        )
        paths.push(...rows.map((row) => row.recordingPath))
      }
      return paths
    },
    async erase(tenant, peerNumber, at) {
      const person = personOf(tenant, peerNumber)
      const hash = peerHash(hashKey, tenant, peerNumber)
      const counts: ErasedCounts = {
        calls: 0,
        mentions: 0,
        deliveries: 0,
        feedEvents: 0,
        auditEntries: 0,
      }
      for await (const range of windows(sql, 'call', tenant)) {
        const erased = await sql.atomic((tx) => eraseCalls(tx, range, person))
        counts.calls += erased.calls
        counts.mentions += erased.mentions
      }
      for await (const range of windows(sql, 'delivery', tenant))
        counts.deliveries += await eraseDeliveries(sql, range, person)
      counts.feedEvents = await eraseFeed(sql, person)
      await sql.atomic((tx) => eraseStanding(tx, person, hash, at))
      for await (const range of windows(sql, 'audit_event', tenant))
        counts.auditEntries += await sql.count(
          `update audit_event set data = null, salt = null where ${IN_RANGE} and data::text ~ $5`,
          [...range, person.pattern],
        )
      return counts
    },
  }
}

/** Tenant, the id before the window and its last id: the parameters of {@link IN_RANGE}. */
type Range = readonly [workspaceId: string, environment: string, after: string, last: string]

const IN_RANGE = `${OF_TENANT} and id > $3 and id <= $4`

/** The rows of a tenant in the order of their ids. */
async function* windows(
  sql: Sql,
  table: 'call' | 'delivery' | 'audit_event',
  tenant: Tenant,
): AsyncGenerator<Range> {
  for (let after = ''; ;) {
    const [end] = await sql.rows<{ last: string | null }>(
      `select max(id::text collate "C") as last from (
         select id from ${table} where ${OF_TENANT} and id > $3 order by id limit ${WINDOW}) w`,
      [...tenantOf(tenant), after],
    )
    const last = end?.last ?? null
    if (last === null) return
    yield [...tenantOf(tenant), after, last]
    after = last
  }
}

/** Ended calls with the person lose everything but times and figures; others' lose what names the person. */
async function eraseCalls(
  tx: Sql,
  range: Range,
  { number, pattern }: Person,
): Promise<{ calls: number; mentions: number }> {
  const own = await tx.rows<{ id: string }>(
    `select id from call where ${IN_RANGE} and state = 'ended' and $5 in ("from", "to") for update`,
    [...range, number],
  )
  const callIds = own.map((row) => row.id)
  const mentioned = await tx.rows<{ callId: string }>(
    `update call_event set data = regexp_replace(data::text, $5, '${ERASED}', 'g')::jsonb
     where ${OF_TENANT} and call_id > $3 and call_id <= $4 and data::text ~ $5 returning call_id`,
    [...range, pattern],
  )
  const elsewhere = new Set(mentioned.map((row) => row.callId))
  for (const id of callIds) elsewhere.delete(id)
  // A transfer to the person: its signalling, and what the second leg left in the call.
  await tx.count(
    `update call set bridge = null
     where ${IN_RANGE} and state = 'ended' and (id = any($5) or bridge ->> 'to' = $6)`,
    [...range, [...elsewhere], number],
  )
  await tx.count('delete from call_signalling where call_id = any($1)', [
    [...callIds, ...elsewhere],
  ])
  if (callIds.length > 0) {
    await redactWords(tx, callIds)
    await tx.count(
      `update call set "from" = case "from" when $2 then '${ERASED}' else "from" end,
         "to" = case "to" when $2 then '${ERASED}' else "to" end,
         instructions = null, metadata = '{}', recording_path = null, dialog = null, bridge = null
       where id = any($1)`,
      [callIds, number],
    )
  }
  return { calls: callIds.length, mentions: elsewhere.size }
}

/** Webhook payloads of the person's calls, and any other that holds the number; what was not yet sent stays unsent. */
function eraseDeliveries(sql: Sql, range: Range, { pattern }: Person): Promise<number> {
  return sql.count(
    `update delivery d set body = jsonb_set(d.body::jsonb, '{payload}', '{}')::text,
       status = case when d.status in ('pending', 'failed') then 'dead' else d.status end,
       due_at = null, next_attempt_at = null
     where d.workspace_id = $1 and d.environment = $2 and d.id > $3 and d.id <= $4
       and d.body::jsonb -> 'payload' <> '{}'::jsonb
       and (d.body ~ $5 or exists (
         select 1 from call c where c.workspace_id = $1 and c.environment = $2
           and c.id = d.body::jsonb -> 'payload' ->> 'callId' and '${ERASED}' in (c."from", c."to")))`,
    [...range, pattern],
  )
}

/** The same in the feed: the event keeps its position, so that no reader finds a gap. */
async function eraseFeed(sql: Sql, { tenant, pattern }: Person): Promise<number> {
  let erased = 0
  for (let after = 0; ;) {
    const [end] = await sql.rows<{ last: number | null }>(
      `select max(seq) as last from (
         select seq from event_feed where ${OF_TENANT} and seq > $3 order by seq limit ${WINDOW}) w`,
      [...tenantOf(tenant), after],
    )
    const last = end?.last ?? null
    if (last === null) return erased
    erased += await sql.count(
      `update event_feed e set payload = '{}'
       where e.workspace_id = $1 and e.environment = $2 and e.seq > $3 and e.seq <= $4
         and e.payload <> '{}'::jsonb
         and (e.payload::text ~ $5 or exists (
           select 1 from call c where c.workspace_id = $1 and c.environment = $2
             and c.id = e.payload ->> 'callId' and '${ERASED}' in (c."from", c."to")))`,
      [...tenantOf(tenant), after, last, pattern],
    )
    after = last
  }
}

/** Consent ends and loses its peer; of an opt-out a keyed hash is left, which still blocks; kept answers go. */
async function eraseStanding(
  tx: Sql,
  { tenant, number, pattern }: Person,
  hash: string,
  at: number,
): Promise<void> {
  const peer = [...tenantOf(tenant), number]
  await tx.count(
    `update consent set peer_number = '${ERASED}', source = '${ERASED}',
       revoked_at = coalesce(revoked_at, $4) where ${OF_TENANT} and peer_number = $3`,
    [...peer, instant(at)],
  )
  await tx.count(
    `update opt_out set peer_number = null, peer_hash = $4, reason = null,
       lifted_source = case when lifted_source is null then null else '${ERASED}' end
     where ${OF_TENANT} and peer_number = $3`,
    [...peer, hash],
  )
  await tx.count(
    `delete from idempotency i where ${OF_TENANT} and completed_at is not null
       and (body ~ $3 or exists (select 1 from call c where c.workspace_id = $1 and c.environment = $2
         and c.id = i.call_id and '${ERASED}' in (c."from", c."to")))`,
    [...tenantOf(tenant), pattern],
  )
}
