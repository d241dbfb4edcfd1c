// Phone numbers of the tenants; an active one belongs to exactly one of them.
import { assignments, columns, insertion } from './columns.ts'
import { Filter, OF_TENANT, tenantOf } from './lists.ts'
import type { NumberRow, Tables } from './port.ts'
import { type Sql, first } from './sql.ts'

const FIELDS = [
  'id',
  'workspaceId',
  'environment',
  'phoneNumber',
  'connectionId',
  'webhookUrl',
  'smsSenderId',
  'callerIdName',
  'country',
  'numberType',
  'monthlyPriceCents',
  'nextChargeAt',
  'releasedAt',
  'createdAt',
] as const satisfies readonly (keyof NumberRow)[]

const CHANGEABLE = [
  'connectionId',
  'webhookUrl',
  'smsSenderId',
  'callerIdName',
  'nextChargeAt',
  'releasedAt',
] as const

const SELECT = `select ${columns(FIELDS)} from phone_number`

export function numbers(sql: Sql): Tables['numbers'] {
  const get = async (...[tenant, id]: Parameters<Tables['numbers']['get']>) =>
    first(
      await sql.rows<NumberRow>(`${SELECT} where ${OF_TENANT} and id = $3`, [
        ...tenantOf(tenant),
        id,
      ]),
    )
  return {
    get,
    async insert(row) {
      const insert = insertion<NumberRow>('phone_number', FIELDS, row)
      const added = await sql.count(
        `${insert.text} on conflict (environment, phone_number) where released_at is null do nothing`,
        insert.values,
      )
      return added === 1
    },
    findActive: async (environment, phoneNumber) =>
      first(
        await sql.rows<NumberRow>(
          `${SELECT} where environment = $1 and phone_number = $2 and released_at is null`,
          [environment, phoneNumber],
        ),
      ),
    list(tenant, numberIds, page) {
      const filter = new Filter(tenant).and('id = any($)', numberIds)
      return sql.rows<NumberRow>(`${SELECT} ${filter.page(page)}`, filter.values)
    },
    async update(tenant, id, patch) {
      const set = assignments<Partial<NumberRow>>(CHANGEABLE, patch, 3)
      if (set.values.length === 0) return get(tenant, id)
      return first(
        await sql.rows<NumberRow>(
          `update phone_number set ${set.text} where ${OF_TENANT} and id = $3 returning ${columns(FIELDS)}`,
          [...tenantOf(tenant), id, ...set.values],
        ),
      )
    },
  }
}
