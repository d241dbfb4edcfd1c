// Calls: written when placed or received, changed only from a state they are still in.
import { assignments, columns, insertion, instant } from './columns.ts'
import { Filter, OF_TENANT, tenantOf } from './lists.ts'
import type { CallPatch, CallRow, Tables } from './port.ts'
import { type Sql, first } from './sql.ts'

/** How many unfinished calls recovery takes up at a time. */
const UNFINISHED_MAX = 10_000

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
  'heartbeatAt',
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
  'direction',
  'from',
  'to',
  'rateCentsPerMin',
  'instructions',
  'metadata',
  'ringTimeoutSec',
  'maxDurationSec',
  'createdAt',
  ...CHANGEABLE,
] as const satisfies readonly (keyof CallRow)[]

const SELECT = `select ${columns(FIELDS)} from call`

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
    list(tenant, { status, numberId, numberIds, to, since, until }, page) {
      const filter = new Filter(tenant)
        .and('status = $', status)
        .and('number_id = $', numberId)
        .and('number_id = any($)', numberIds)
        .and('"to" = $', to)
        .and('created_at >= $', since === null ? null : instant(since))
        .and('created_at < $', until === null ? null : instant(until))
      return sql.rows<CallRow>(`${SELECT} ${filter.page(page)}`, filter.values)
    },
    async change(id, from, patch) {
      const set = assignments<CallPatch>(CHANGEABLE, patch, 2)
      const text =
        set.values.length === 0
          ? `${SELECT} where id = $1 and state = any($2) for update`
          : `update call set ${set.text} where id = $1 and state = any($2) returning ${columns(FIELDS)}`
      return first(await sql.rows<CallRow>(text, [id, from, ...set.values]))
    },
    unfinished: () =>
      sql.rows<CallRow>(`${SELECT} where state <> 'ended' order by id limit ${UNFINISHED_MAX}`),
    async heartbeat(ids, at) {
      await sql.count(`update call set heartbeat_at = $2 where id = any($1) and state <> 'ended'`, [
        ids,
        instant(at),
      ])
    },
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
