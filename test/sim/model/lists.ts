// Pages of the model's rows, newest first, as the store's port has them.
import type { Page, Tenant } from '../../../packages/server/src/store/port.ts'

const PAGE_MAX = 1000

export function sameTenant(a: Tenant, b: Tenant): boolean {
  return a.workspaceId === b.workspaceId && a.environment === b.environment
}

/** The newest rows, as many as the page takes. */
export function pageOf<R>(rows: readonly R[], page: Page, orderOf: (row: R) => number): R[] {
  return rows
    .toSorted((a, b) => orderOf(b) - orderOf(a))
    .slice(0, Math.max(1, Math.min(PAGE_MAX, Math.trunc(page.limit))))
}

/** Those that are wanted, by time and then id downwards, after the one that the cursor names. */
export function pageByTime<R extends { id: string; createdAt: number }>(
  rows: readonly R[],
  wanted: (row: R) => boolean,
  { cursor, limit }: Page,
): R[] {
  const isLater = (a: R, b: R): boolean =>
    a.createdAt === b.createdAt ? a.id > b.id : a.createdAt > b.createdAt
  const last = cursor === null ? null : (rows.find(({ id }) => id === cursor) ?? null)
  if (cursor !== null && last === null) return []
  return rows
    .filter((row) => wanted(row) && (last === null || isLater(last, row)))
    .toSorted((a, b) => (isLater(a, b) ? -1 : 1))
    .slice(0, Math.max(1, Math.min(PAGE_MAX, Math.trunc(limit))))
}

/** The same by id downwards, which is the order of creation. */
export function pageById<R extends { id: string }>(rows: readonly R[], page: Page): R[] {
  const { cursor } = page
  return rows
    .filter(({ id }) => cursor === null || id < cursor)
    .toSorted((a, b) => (a.id < b.id ? 1 : -1))
    .slice(0, Math.max(1, Math.min(PAGE_MAX, Math.trunc(page.limit))))
}

/** The row without a field that the port does not show. */
export function without<R extends object, F extends keyof R>(row: R, field: F): Omit<R, F> {
  const shown = { ...row }
  delete (shown as Partial<R>)[field]
  return shown
}
