// Webhook endpoints. Deleting one lets go of what was still to be delivered to it.
import { assignments, columns, insertion } from './columns.ts'
import { Filter, OF_TENANT, tenantOf } from './lists.ts'
import type { Tables, WebhookRow } from './port.ts'
import { type Sql, first } from './sql.ts'

/** The success rate is that of this many latest deliveries. */
const RATED_DELIVERIES = 1000

const CHANGEABLE = [
  'url',
  'events',
  'description',
  'enabled',
  'secret',
  'previousSecret',
  'previousSecretUntil',
  'deletedAt',
] as const satisfies readonly (keyof WebhookRow)[]

export const WEBHOOK_FIELDS = [
  'id',
  'workspaceId',
  'environment',
  ...CHANGEABLE,
  'createdAt',
] as const satisfies readonly (keyof WebhookRow)[]

/** Delivered among those that came to an end or at least failed once; null before the first. */
const SUCCESS_RATE = `(
  select avg((d.status = 'delivered')::integer)::float8 from (
    select status from delivery
    where workspace_id = webhook.workspace_id and environment = webhook.environment
      and webhook_id = webhook.id and status <> 'pending'
    order by id desc limit ${RATED_DELIVERIES}
  ) d) as success_rate`

export function webhooks(sql: Sql): Tables['webhooks'] {
  return {
    async insert(row) {
      const insert = insertion<WebhookRow>('webhook', WEBHOOK_FIELDS, row)
      await sql.count(insert.text, insert.values)
    },
    get: async (tenant, id) =>
      first(
        await sql.rows<WebhookRow>(
          `select ${columns(WEBHOOK_FIELDS)} from webhook
           where ${OF_TENANT} and id = $3 and deleted_at is null`,
          [...tenantOf(tenant), id],
        ),
      ),
    list(tenant, page) {
      const filter = new Filter(tenant).undeleted()
      return sql.rows<WebhookRow & { successRate: number | null }>(
        `select ${columns(WEBHOOK_FIELDS)}, ${SUCCESS_RATE} from webhook ${filter.page(page)}`,
        filter.values,
      )
    },
    async update(row) {
      const set = assignments<WebhookRow>(CHANGEABLE, row, 3)
      await sql.count(
        `with changed as (
           update webhook set ${set.text} where ${OF_TENANT} and id = $3 and deleted_at is null
           returning *
         )
         update delivery d set status = 'dead', next_attempt_at = null, due_at = null
         from changed c
         where c.deleted_at is not null and d.workspace_id = c.workspace_id
           and d.environment = c.environment and d.webhook_id = c.id and d.due_at is not null`,
        [...tenantOf(row), row.id, ...set.values],
      )
    },
  }
}
