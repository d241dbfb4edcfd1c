// The one place where fields become columns and columns fields: camelCase and snake_case, instants, JSON.
import { assert } from '@saperly/kernel'
import pg from 'pg'
import type { CustomTypesConfig } from 'pg'
import type { Row } from './sql.ts'

/** Fields that hold an instant (epoch milliseconds here, timestamptz there). */
const INSTANT = /^at$|(At|Until)$/

/** `workspaceId` → `workspace_id`, quoted, because `from` and `to` are words of SQL. */
export function column(field: string): string {
  return `"${field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}"`
}

export function columns(fields: readonly string[], alias?: string): string {
  return fields.map((field) => (alias ? `${alias}.${column(field)}` : column(field))).join(', ')
}

/** An epoch instant (ms) as the database takes it. */
export function instant(ms: number): string {
  return new Date(ms).toISOString()
}

/** Many of them; those that stand side by side are nearly always the same. */
export function instants(all: readonly number[]): string[] {
  let last = Number.NaN
  let text = ''
  return all.map((ms) => {
    if (ms !== last) text = instant(ms)
    last = ms
    return text
  })
}

/** JSON as jsonb takes it: a NUL or half a surrogate pair becomes U+FFFD, for PostgreSQL stores neither. */
export function json(value: unknown): string {
  return JSON.stringify(value).replace(/\\\\|\\u(?:0000|d[89a-f][0-9a-f]{2})/g, (escape) =>
    escape === '\\\\' ? escape : '\\ufffd',
  )
}

/** A field's value as a parameter of its column. */
function parameter(field: string, value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && INSTANT.test(field)) return instant(value)
  if (typeof value === 'string') return clean(value)
  if (typeof value === 'object' && !Array.isArray(value)) return json(value)
  return value
}

/** An array as a parameter, for statements that are asked so often that the driver's own way is felt. */
export function arrayLiteral(values: readonly (string | number | null)[]): string {
  const items = values.map((value) => {
    if (typeof value !== 'string') return value === null ? 'NULL' : String(value)
    // Nearly never: ids are of letters and digits.
    const plain = !/["\\\0]/.test(value)
    return plain ? `"${value}"` : `"${clean(value).replace(/["\\]/g, '\\$&')}"`
  })
  return `{${items.join(',')}}`
}

function clean(text: string): string {
  return text.replaceAll('\0', '\ufffd')
}

/** `insert into table (…) values (…)` of the named fields of a row, and its parameters. */
export function insertion<R extends object>(
  table: string,
  fields: readonly (keyof R & string)[],
  row: R,
): { text: string; values: unknown[] } {
  const slots = fields.map((_, index) => `$${index + 1}`)
  return {
    text: `insert into ${table} (${columns(fields)}) values (${slots.join(', ')})`,
    values: fields.map((field) => parameter(field, row[field])),
  }
}

/** `a = $n, b = $n+1 …` for those named fields that the patch has, numbered after `before` earlier parameters. */
export function assignments<R extends object>(
  fields: readonly (keyof R & string)[],
  patch: R,
  before: number,
): { text: string; values: unknown[] } {
  const given = fields.filter((field) => patch[field] !== undefined)
  return {
    text: given.map((field, index) => `${column(field)} = $${before + index + 1}`).join(', '),
    values: given.map((field) => parameter(field, patch[field])),
  }
}

/** The names of result columns as fields. */
function field(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** The driver's rows, each an array in the order of `names`, as rows with fields. */
export function camelRows(names: readonly string[], rows: readonly unknown[][]): Row[] {
  const fields = names.map(field)
  return rows.map((values) => {
    const row: Row = {}
    for (let index = 0; index < fields.length; index++) row[fields[index]!] = values[index]
    return row
  })
}

const INT8 = 20
const TIMESTAMPTZ = 1184

function parseInt8(text: string): number {
  const value = Number(text)
  assert(Number.isSafeInteger(value), 'an integer of the database is beyond what a number holds')
  return value
}

/** `2026-01-01 00:00:00.123+00` (the ISO style of the server) in epoch milliseconds. */
function parseInstant(text: string): number {
  const iso = text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')
  const ms = Date.parse(iso)
  assert(Number.isFinite(ms), 'an instant of the database can not be read')
  return ms
}

/** How the driver reads what the server sends. */
export const typeParsers: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8) return parseInt8
    if (oid === TIMESTAMPTZ) return parseInstant
    return pg.types.getTypeParser(oid, format)
  }) as CustomTypesConfig['getTypeParser'],
}
