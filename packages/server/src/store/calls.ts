// Calls: written when placed or received, changed only from a state they are still in.
import { assignments, columns, insertion, instant } from './columns.ts'
import { Filter, OF_TENANT, limit, tenantOf } from './lists.ts'
import type { CallFilter, CallPatch, CallRow, Page, Tables, Tenant } from './port.ts'
import { type Sql, first } from './sql.ts'

/** The most unfinished calls of one process that one read returns. */
const UNFINISHED_MAX = 1_000

const CHANGEABLE = [
  'state',
  'status',
  'recognizer',
  'durationSec',
  'costCents',
  'hangupCause',
  'sipCode',
  'q850Cause',
  'recordingPath',
  'hasTranscript',
  'dialog',
  'bridge',
  'answeredAt',
  'endedAt',
] as const satisfies readonly (keyof CallPatch)[]

const FIELDS = [
  'id',
  'workspaceId',
  'environment',
  'numberId',
  'keyId',
  'connectionId',
  'processId',
  'direction',
  'from',
  'to',
  'rateCentsPerMin',
  'instructions',
  'metadata',
  'ringTimeoutSec',
  'maxDurationSec',
  'heartbeatAt',
  'createdAt',
  ...CHANGEABLE,
] as const satisfies readonly (keyof CallRow)[]

/** Still run by the process ($2) that the asker believes in, and in a state of these ($3). */
const STILL = 'id = $1 and process_id is not distinct from $2 and state = any($3)'

const SELECT = `select ${columns(FIELDS)} from call`

/** As `OF_TENANT`, in the words of the indexes by number, target and status, and of no others (migration 0015). */
const OF_FILTERED = `workspace_id || ' ' || environment = $1::text || ' ' || $2::text`

/**
 * First who runs calls, one step through the index for each process; only the calls of those that are not alive are
 * looked at. Takers at the same time pass over each other's locks, and a call that another has just got is no longer
 * one of a dead process when it is looked at again under the lock.
 */
const TAKE_OVER = `
  with recursive owner as (
    (select process_id from call where state <> 'ended' and process_id is not null
      order by process_id limit 1)
    union all
    select (select c.process_id from call c where c.state <> 'ended' and c.process_id > o.process_id
      order by c.process_id limit 1)
    from owner o where o.process_id is not null
  ), living as materialized (
    select id from process where lost_at is null
  ), dead as materialized (
    select coalesce(array_agg(o.process_id::text), '{}') as ids from owner o
    where o.process_id is not null and o.process_id not in (select id from living)
  ), ownerless as materialized (
    select id, process_id from call
    where state <> 'ended' and (process_id is null or process_id = any ((select ids from dead)::text[]))
      and exists (select 1 from living l where l.id = $1)
    order by id limit $2 for update skip locked
  )
  update call c
    set process_id = $1, heartbeat_at = greatest(c.heartbeat_at, p.beat_at)
  from ownerless o left join process p on p.id = o.process_id
  where c.id = o.id
  returning ${columns(FIELDS, 'c')}`

export function calls(sql: Sql): Tables['calls'] {
  return {
    async insert(row) {
      const insert = insertion<CallRow>('call', FIELDS, row)
      await sql.count(insert.text, insert.values)
    },
    get: async (tenant, id) =>
      first(
        await sql.rows<CallRow>(`${SELECT} where ${OF_TENANT} and id = $3`, [
          ...tenantOf(tenant),
          id,
        ]),
      ),
    list(tenant, filter, page) {
      const { text, values } = listing(tenant, filter, page)
      return sql.rows<CallRow>(text, values)
    },
    async change({ id, processId }, from, patch) {
      const set = assignments<CallPatch>(CHANGEABLE, patch, 3)
      const text =
        set.values.length === 0
          ? `${SELECT} where ${STILL} for update`
          : `update call set ${set.text} where ${STILL} returning ${columns(FIELDS)}`
      return first(await sql.rows<CallRow>(text, [id, processId, from, ...set.values]))
    },
    unfinished: (processId, except = []) =>
      sql.rows<CallRow>(
        `${SELECT} where process_id = $1 and state <> 'ended' and id <> all($2)
         order by id limit ${UNFINISHED_MAX}`,
        [processId, except],
      ),
    takeOver: (processId, limit) => sql.rows<CallRow>(TAKE_OVER, [processId, limit]),
    async usage(tenant, since) {
      const sums = await sql.rows<{
        count: number
        totalCostCents: number
        totalDurationSec: number
      }>(
        `select count(*) as count, coalesce(sum(cost_cents), 0)::bigint as total_cost_cents,
           coalesce(sum(duration_sec), 0)::bigint as total_duration_sec
         from call where ${OF_TENANT} and created_at >= coalesce($3::timestamptz, '-infinity')`,
        [...tenantOf(tenant), since === null ? null : instant(since)],
      )
      return sums[0]!
    },
  }
}

/**
 * One page, newest first. In the order of time, so that one index bounds the time and is in order, whatever else is asked;
 * of several numbers each has its own newest, for no index has them all in one order.
 */
function listing(
  tenant: Tenant,
  { status, numberId, numberIds, to, since, until }: CallFilter,
  page: Page,
): { text: string; values: unknown[] } {
  const isFiltered = status !== null || to !== null || numberId !== null || numberIds !== null
  const filter = new Filter(tenant, isFiltered ? OF_FILTERED : OF_TENANT)
    .and('status = $', status)
    .and('number_id = $', numberId)
    .and('"to" = $', to)
    .and('created_at >= $', since === null ? null : instant(since))
    .and('created_at < $', until === null ? null : instant(until))
    .and(
      `(created_at, id) < ((select created_at from call where ${OF_TENANT} and id = $), $)`,
      page.cursor,
    )
  const order = `order by created_at desc, id desc ${limit(page)}`
  if (numberIds === null || numberId !== null) {
    filter.and('number_id = any($)', numberIds)
    return { text: `${SELECT} ${filter.where} ${order}`, values: filter.values }
  }
  const { values } = filter
  const slot = values.push(numberIds)
  const text = `select c.* from (select distinct unnest($${slot}::text[]) as own_id) own
    cross join lateral (${SELECT} ${filter.where} and number_id = own.own_id ${order}) c ${order}`
  return { text, values }
}
