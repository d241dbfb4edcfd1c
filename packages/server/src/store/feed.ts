// The feed: every event that webhooks tell of, in one order per tenant that never skips what commits late.
import { OF_TENANT, tenantOf } from './lists.ts'
import { instant, json } from './columns.ts'
import type { FeedRow, Tables, Tenant } from './port.ts'
import { type Sql, first } from './sql.ts'

/** How long an event can be read. */
export const FEED_KEPT_MS = 30 * 24 * 3_600_000
/** Expired ones that go with each new one: more than come, so that none stays. */
const PURGED_AT_ONCE = 4
/** The most events that one read gives, and gives positions to. */
const READ_MAX = 1000

/** Adds an event, in the transaction that it reports. */
export async function addToFeed(
  sql: Sql,
  event: { tenant: Tenant; eventType: string; payload: Record<string, unknown>; at: number },
): Promise<void> {
  const { tenant, eventType, payload, at } = event
  await sql.count(
    `with gone as (
       delete from event_feed where (workspace_id, environment, seq) in (
         select workspace_id, environment, seq from event_feed where created_at < $6
         order by created_at limit ${PURGED_AT_ONCE} for update skip locked)
     )
     insert into event_feed (workspace_id, environment, event_type, payload, created_at)
     values ($1, $2, $3, $4, $5)`,
    [...tenantOf(tenant), eventType, json(payload), instant(at), instant(at - FEED_KEPT_MS)],
  )
}

export function feed(sql: Sql): Tables['feed'] {
  return {
    async read(tenant, after, limit) {
      const count = Math.min(limit, READ_MAX)
      // Positions are given when they are asked for: who never reads the feed pays nothing for its order. Looked for first,
      // since another reader may give them while this one looks.
      const unplaced = await anyUnplaced(sql, tenant)
      const known = await placed(sql, tenant, after, count)
      if (known.length === count || !unplaced) return known
      return sql.atomic(async (tx) => {
        await place(tx, tenant, count)
        return placed(tx, tenant, after, count)
      })
    },
  }
}

function placed(sql: Sql, tenant: Tenant, after: number, limit: number): Promise<FeedRow[]> {
  return sql.rows<FeedRow>(
    `select position, event_type, payload, created_at from event_feed
     where ${OF_TENANT} and position > $3 order by position limit $4`,
    [...tenantOf(tenant), after, limit],
  )
}

async function anyUnplaced(sql: Sql, tenant: Tenant): Promise<boolean> {
  const [answer] = await sql.rows<{ any: boolean }>(
    `select exists (select 1 from event_feed where ${OF_TENANT} and position is null) as any`,
    tenantOf(tenant),
  )
  return answer!.any
}

/**
 * Gives the next positions to the oldest events that are committed and have none. The row of the feed's end is the lock,
 * so positions are committed in their order; an event that commits later gets a later one, whatever its `seq`.
 */
async function place(tx: Sql, tenant: Tenant, limit: number): Promise<void> {
  await tx.count(
    'insert into event_feed_end (workspace_id, environment) values ($1, $2) on conflict do nothing',
    tenantOf(tenant),
  )
  const end = first(
    await tx.rows<{ position: number }>(
      `select position from event_feed_end where ${OF_TENANT} for update`,
      tenantOf(tenant),
    ),
  )!
  const oldest = await tx.rows<{ seq: number }>(
    `select seq from event_feed where ${OF_TENANT} and position is null order by seq limit $3`,
    [...tenantOf(tenant), limit],
  )
  // By their keys, and never by a join: the planner knows nothing yet of a feed that grows fast.
  await tx.count(
    `update event_feed set position = $3 + array_position($4::bigint[], seq)
     where ${OF_TENANT} and seq = any($4::bigint[])`,
    [...tenantOf(tenant), end.position, oldest.map(({ seq }) => seq)],
  )
  await tx.count(`update event_feed_end set position = position + $3 where ${OF_TENANT}`, [
    ...tenantOf(tenant),
    oldest.length,
  ])
}
