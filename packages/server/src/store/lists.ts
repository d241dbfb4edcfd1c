// Pages of a tenant's rows: newest first, which is by id downwards, because ids sort by creation.
import type { Page, Tenant } from './port.ts'

/** The most rows that any one page has, whatever is asked for. */
export const PAGE_MAX = 1000

/** `workspace_id = $1 and environment = $2`: the first condition of whatever belongs to a tenant. */
export const OF_TENANT = 'workspace_id = $1 and environment = $2'

export function tenantOf({ workspaceId, environment }: Tenant): [string, string] {
  return [workspaceId, environment]
}

/** Conditions of a list, and their parameters, put together one by one. */
export class Filter {
  readonly values: unknown[]
  readonly #conditions: string[]

  /** `ofTenant`: how the rows of the tenant are found, where it matters which indexes can do it. */
  constructor(tenant: Tenant, ofTenant: string = OF_TENANT) {
    this.values = tenantOf(tenant)
    this.#conditions = [ofTenant]
  }

  /** Adds a condition unless `value` is null; a `$` without a number in it stands for the parameter. */
  and(condition: string, value: unknown): this {
    if (value === null) return this
    this.values.push(value)
    this.#conditions.push(condition.replaceAll(/\$(?!\d)/g, `$${this.values.length}`))
    return this
  }

  /** Adds what is not deleted. */
  undeleted(): this {
    this.#conditions.push('deleted_at is null')
    return this
  }

  /** Adds what is in force, among opt-outs. */
  unlifted(): this {
    this.#conditions.push('lifted_at is null')
    return this
  }

  get where(): string {
    return `where ${this.#conditions.join(' and ')}`
  }

  /** `where … order by id desc limit …`. */
  page(page: Page): string {
    this.and('id < $', page.cursor)
    return `${this.where} order by id desc ${limit(page)}`
  }
}

export function limit(page: Page): string {
  return `limit ${Math.max(1, Math.min(PAGE_MAX, Math.trunc(page.limit)))}`
}
