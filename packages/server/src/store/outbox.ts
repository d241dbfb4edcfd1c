// The outbox: one row per endpoint and event, written with what it reports, delivered by whoever claims it.
import { columns, insertion, instant } from './columns.ts'
import { addToFeed } from './feed.ts'
import { Filter, OF_TENANT, tenantOf } from './lists.ts'
import type { DeliveryRow, Tables, WebhookRow } from './port.ts'
import { type Sql, first } from './sql.ts'
import { WEBHOOK_FIELDS } from './webhooks.ts'

/** The most deliveries that one claim takes. */
const CLAIM_MAX = 1000

/** Every endpoint, and as much to each as there is. */
const ANY = { perEndpoint: CLAIM_MAX, except: [] as readonly string[] }

const FIELDS = [
  'id',
  'workspaceId',
  'environment',
  'webhookId',
  'eventType',
  'body',
  'status',
  'attempts',
  'responseStatus',
  'lastAttemptAt',
  'nextAttemptAt',
  'createdAt',
] as const satisfies readonly (keyof DeliveryRow)[]

/** What came to its end and was made in a range of time, for one endpoint. */
const IN_RANGE = `${OF_TENANT} and webhook_id = $3 and created_at >= $4 and created_at < $5
  and status = any($6) and due_at is null`

/** The endpoints with anything left to deliver, found by leaps over the index, one for each. */
const OWED = `owed as (
  (select webhook_id from delivery where due_at is not null order by webhook_id limit 1)
  union all
  select next.webhook_id from owed cross join lateral (
    select d.webhook_id from delivery d
    where d.due_at is not null and d.webhook_id > owed.webhook_id order by d.webhook_id limit 1
  ) next
)`

/**
 * No former event of the same call still waits for its first attempt at this endpoint. Asked row by row, for the few
 * rows that are looked at: as a join (`not exists`) it reads everything that is owed to the endpoint first.
 */
const FIRST_OF_CALL = `coalesce((
  select false from delivery former
  where former.webhook_id = d.webhook_id and former.call_id = d.call_id
    and former.status = 'pending' and former.seq < d.seq
  limit 1), true)`

type DeliveryWithDue = DeliveryRow & { dueAt: number | null }

export function outbox(sql: Sql): Tables['outbox'] {
  const insert = async (row: DeliveryRow): Promise<void> => {
    const statement = insertion<DeliveryWithDue>('delivery', [...FIELDS, 'dueAt'], {
      ...row,
      dueAt: row.nextAttemptAt,
    })
    await sql.count(statement.text, statement.values)
  }
  const get = async (...[tenant, id]: Parameters<Tables['outbox']['get']>) =>
    first(
      await sql.rows<DeliveryRow>(
        `select ${columns(FIELDS)} from delivery where ${OF_TENANT} and id = $3`,
        [...tenantOf(tenant), id],
      ),
    )
  return {
    get,
    insert,
    async emit(event) {
      const { tenant, eventType, payload, at, nextId } = event
      await addToFeed(sql, event)
      const wanted = await sql.rows<{ id: string }>(
        `select id from webhook
         where ${OF_TENANT} and enabled and deleted_at is null and $3 = any(events) order by id`,
        [...tenantOf(tenant), eventType],
      )
      if (wanted.length === 0) return 0
      const ids = wanted.map(() => nextId())
      // The bytes are fixed here, so that every attempt signs and sends the same.
      const bodies = ids.map((deliveryId) =>
        JSON.stringify({ deliveryId, eventType, createdAt: instant(at), payload }),
      )
      return sql.count(
        `insert into delivery (workspace_id, environment, id, webhook_id, event_type, body, status,
           attempts, next_attempt_at, due_at, created_at, call_id)
         select $1, $2, d.id, d.webhook_id, $3, d.body, 'pending', 0, $4, $4, $4, $8
         from unnest($5::text[], $6::text[], $7::text[]) as d (id, webhook_id, body)`,
        [
          ...tenantOf(tenant),
          eventType,
          instant(at),
          ids,
          wanted.map(({ id }) => id),
          bodies,
          payload['callId'] ?? null,
        ],
      )
    },
    async claim(limit, at, leaseMs, { perEndpoint, except } = ANY) {
      const claimed = await sql.rows<DeliveryRow & { webhook: WebhookRow }>(
        `with recursive ${OWED}, due as (
           select d.* from owed cross join lateral (
             select d.id, d.due_at, d.seq from delivery d
             where d.webhook_id = owed.webhook_id and d.due_at <= $1 and ${FIRST_OF_CALL}
             order by d.due_at, d.seq limit $4 for update skip locked
           ) d
           where owed.webhook_id <> all($5::text[])
           order by d.due_at, d.seq limit $2
         ), taken as (
           update delivery set due_at = $3 where id = any(array(select id from due))
           returning *
         )
         select ${columns(FIELDS, 'taken')} from taken order by taken.next_attempt_at, taken.seq`,
        [
          instant(at),
          Math.min(limit, CLAIM_MAX),
          instant(at + leaseMs),
          Math.min(perEndpoint, limit, CLAIM_MAX),
          except,
        ],
      )
      if (claimed.length === 0) return []
      const endpoints = await sql.rows<WebhookRow>(
        `select ${columns(WEBHOOK_FIELDS)} from webhook
         where (workspace_id, environment, id) in
           (select * from unnest($1::text[], $2::text[], $3::text[]))`,
        [
          claimed.map((row) => row.workspaceId),
          claimed.map((row) => row.environment),
          claimed.map((row) => row.webhookId),
        ],
      )
      const byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]))
      return claimed.map((row) => ({ ...row, webhook: byId.get(row.webhookId)! }))
    },
    async settle(id, { status, responseStatus, at, nextAttemptAt }) {
      const next = nextAttemptAt === null ? null : instant(nextAttemptAt)
      await sql.count(
        `update delivery set status = $2, response_status = $3, last_attempt_at = $4,
           next_attempt_at = $5, due_at = $5, attempts = attempts + 1
         where id = $1 and due_at is not null`,
        [id, status, responseStatus, instant(at), next],
      )
    },
    list(tenant, webhookId, status, page) {
      const filter = new Filter(tenant).and('webhook_id = $', webhookId).and('status = $', status)
      return sql.rows<DeliveryRow>(
        `select ${columns(FIELDS)} from delivery ${filter.page(page)}`,
        filter.values,
      )
    },
    async replay(tenant, id, at) {
      await sql.count(
        `update delivery set status = 'pending', attempts = 0, next_attempt_at = $4, due_at = $4
         where ${OF_TENANT} and id = $3 and due_at is null`,
        [...tenantOf(tenant), id, instant(at)],
      )
      return get(tenant, id)
    },
    async replayRange(tenant, webhookId, { since, until, statuses }, limit, at) {
      const range = [...tenantOf(tenant), webhookId, instant(since), instant(until), statuses]
      const { count, last } = (
        await sql.rows<{ count: number; last: string | null }>(
          `with chosen as (
             select created_at, id from delivery where ${IN_RANGE}
             order by created_at, id limit $7 for update
           ), replayed as (
             update delivery d
             set status = 'pending', attempts = 0, next_attempt_at = $8, due_at = $8
             from chosen where d.workspace_id = $1 and d.environment = $2 and d.id = chosen.id
             returning d.created_at
           )
           select count(*)::integer as count, max(created_at)::text as last from replayed`,
          [...range, limit, instant(at)],
        )
      )[0]!
      if (count < limit || last === null) return { count, nextSince: null }
      const [left] = await sql.rows<{ next: number | null }>(
        `select min(created_at) as next from delivery where ${IN_RANGE} and created_at >= $7`,
        [...range, last],
      )
      return { count, nextSince: left!.next }
    },
    async nextDueAt(except = []) {
      const [next] = await sql.rows<{ due: number | null }>(
        `with recursive ${OWED}
         select min(d.due_at) as due from owed cross join lateral (
           select d.due_at from delivery d where d.webhook_id = owed.webhook_id and d.due_at is not null and ${FIRST_OF_CALL}
           order by d.due_at, d.seq limit 1
         ) d
         where owed.webhook_id <> all($1::text[])`,
        [except],
      )
      return next!.due
    },
  }
}
