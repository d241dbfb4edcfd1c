// Lists: one more row than was asked for tells whether there is a next page, and the last row where it begins.
import { MAX_PAGE, type Page as PageOf } from '@saperly/contract'
import type { Page } from '../store/port.ts'

export interface PageQuery {
  limit: number
  cursor?: string | undefined
}

/** Reads one page of rows with ids and turns them into wire shapes. */
export async function pageOf<Row extends { id: string }, T>(
  query: PageQuery,
  read: (page: Page) => Promise<Row[]>,
  toWire: (row: Row) => T,
): Promise<PageOf<T>> {
  const rows = await read({ limit: query.limit + 1, cursor: query.cursor ?? null })
  const items = rows.slice(0, query.limit)
  // The store gives no more than the longest page, so that a full one may be followed by an empty one.
  const more = rows.length > query.limit || items.length === MAX_PAGE
  return { items: items.map(toWire), nextCursor: more ? (items.at(-1)?.id ?? null) : null }
}

/** The address of the page after `cursor`: the same request with another cursor. */
export function nextUrl(publicUrl: string, requestUrl: string, cursor: string): string {
  const url = new URL(requestUrl, 'http://localhost')
  url.searchParams.set('cursor', cursor)
  return `${publicUrl}${url.pathname}${url.search}`
}

/** Rows that are looked at for one page of a filtered list; beyond them the page ends early, with a cursor. */
const MAX_SCANNED = 10_000

/** As `pageOf`, for conditions that the store does not know. A page may be short, and yet not the last. */
export async function filteredPageOf<Row extends { id: string }, T>(
  query: PageQuery,
  read: (page: Page) => Promise<Row[]>,
  keeps: (row: Row) => boolean,
  toWire: (row: Row) => T,
): Promise<PageOf<T>> {
  const items: T[] = []
  let cursor = query.cursor ?? null
  for (let scanned = 0; scanned < MAX_SCANNED; scanned += MAX_PAGE) {
    const rows = await read({ limit: MAX_PAGE, cursor })
    for (const row of rows) {
      if (items.length === query.limit) return { items, nextCursor: cursor }
      if (keeps(row)) items.push(toWire(row))
      cursor = row.id
    }
    if (rows.length < MAX_PAGE) return { items, nextCursor: null }
  }
  return { items, nextCursor: cursor }
}
