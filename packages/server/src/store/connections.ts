// Connections: the handlers that talk. A deleted one is kept for the calls that name it, and found by nobody.
import { assignments, columns, insertion } from './columns.ts'
import { Filter, OF_TENANT, tenantOf } from './lists.ts'
import type { ConnectionRow, Tables } from './port.ts'
import { type Sql, first } from './sql.ts'

const CHANGEABLE = [
  'mode',
  'settings',
  'llmApiKey',
  'mcpTokens',
  'manualSecretHash',
  'manualSecret',
  'previousManualSecretHash',
  'previousManualSecret',
  'previousSecretUntil',
  'deletedAt',
] as const satisfies readonly (keyof ConnectionRow)[]

const FIELDS = ['id', 'workspaceId', 'environment', ...CHANGEABLE, 'createdAt'] as const

const SELECT = `select ${columns(FIELDS)} from connection`

export function connections(sql: Sql): Tables['connections'] {
  return {
    async insert(row) {
      const insert = insertion<ConnectionRow>('connection', FIELDS, row)
      await sql.count(insert.text, insert.values)
    },
    get: async (tenant, id) =>
      first(
        await sql.rows<ConnectionRow>(
          `${SELECT} where ${OF_TENANT} and id = $3 and deleted_at is null`,
          [...tenantOf(tenant), id],
        ),
      ),
    findById: async (id) =>
      first(await sql.rows<ConnectionRow>(`${SELECT} where id = $1 and deleted_at is null`, [id])),
    list(tenant, page) {
      const filter = new Filter(tenant).undeleted()
      return sql.rows<ConnectionRow>(`${SELECT} ${filter.page(page)}`, filter.values)
    },
    async update(row) {
      const set = assignments<ConnectionRow>(CHANGEABLE, row, 3)
      await sql.count(
        `update connection set ${set.text} where ${OF_TENANT} and id = $3 and deleted_at is null`,
        [...tenantOf(row), row.id, ...set.values],
      )
    },
  }
}
