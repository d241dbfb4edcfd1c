// API keys, found by the hash of their token, with what they have spent in the current period of their cap.
import { columns, insertion, instant } from './columns.ts'
import { Filter, tenantOf } from './lists.ts'
import type { KeyRow, KeyWithSpending, Tables } from './port.ts'
import { type Sql, first } from './sql.ts'

/** `touch` writes at most this often, so that a busy key does not cost a write with each request. */
const TOUCH_EVERY_MS = 60_000

const FIELDS = [
  'id',
  'workspaceId',
  'environment',
  'name',
  'prefix',
  'hash',
  'scopes',
  'numberScope',
  'spendLimitCents',
  'spendLimitResetPeriod',
  'mintedByTokenId',
  'expiresAt',
  'lastUsedAt',
  'createdAt',
  'revokedAt',
] as const satisfies readonly (keyof KeyRow)[]

/** `instantParameter`: the placeholder of the instant whose month counts. */
function withSpending(instantParameter: string): string {
  return `select ${columns(FIELDS)}, coalesce((
      select p.spent_cents + p.held_cents from key_period p
      where p.workspace_id = k.workspace_id and p.environment = k.environment and p.key_id = k.id
        and p.period = case when k.spend_limit_reset_period = 'monthly'
          then cap_month(k.id, ${instantParameter}::timestamptz) else 'life' end
    ), 0) as spent_this_period_cents
    from api_key k`
}

export function keys(sql: Sql): Tables['keys'] {
  return {
    async insert(row) {
      const insert = insertion<KeyRow>('api_key', FIELDS, row)
      await sql.count(insert.text, insert.values)
    },
    findByHash: async (hash) =>
      first(
        await sql.rows<KeyRow>(`select ${columns(FIELDS)} from api_key where hash = $1`, [hash]),
      ),
    get: async (tenant, id, at) =>
      first(
        await sql.rows<KeyWithSpending>(
          `${withSpending('$4')} where workspace_id = $1 and environment = $2 and id = $3`,
          [...tenantOf(tenant), id, instant(at)],
        ),
      ),
    list(tenant, page, at) {
      const filter = new Filter(tenant)
      filter.values.push(instant(at))
      return sql.rows<KeyWithSpending>(`${withSpending('$3')} ${filter.page(page)}`, filter.values)
    },
    async revokeTree(tenant, id, at) {
      const revoked = await sql.rows<{ id: string }>(
        'select id from revoke_key_tree($1, $2, $3, $4) as id',
        [...tenantOf(tenant), id, instant(at)],
      )
      return revoked.map((row) => row.id)
    },
    async touch(id, at) {
      await sql.count(
        `update api_key set last_used_at = $2
         where id = $1 and (last_used_at is null or last_used_at <= $3)`,
        [id, instant(at), instant(at - TOUCH_EVERY_MS)],
      )
    },
  }
}
