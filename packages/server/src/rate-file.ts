// A rate deck from a CSV file, as carriers and spreadsheets write them; every fault is named by its line.
import { readFileSync, statSync } from 'node:fs'
import type { RateEntry } from './ledger/rate.ts'

/** What a cell may hold, in cents a minute; as in the config file. */
const MAX_CENTS = 100_000
const MAX_RATES = 100_000
const MAX_BYTES = 32 * 1024 * 1024
/** Faults that are named; of more there is the number. */
const MAX_NAMED = 50

const COLUMNS = ['prefix', 'manualCentsPerMin', 'hostedCentsPerMin'] as const
type Column = (typeof COLUMNS)[number]

export interface RateDeckFile {
  rates: RateEntry[]
  /** `line 7: …`, in the order of the file; with any, the rates are of no use. */
  faults: string[]
}

/** Reads the file; one that can't be read is a fault like any other. */
export function readRateFile(path: string): RateDeckFile {
  let text: string
  try {
    if (statSync(path).size > MAX_BYTES)
      return { rates: [], faults: [`is over ${MAX_BYTES} bytes`] }
    text = readFileSync(path, 'utf8')
  } catch {
    return { rates: [], faults: ['can’t be read'] }
  }
  return parseRates(text)
}

/**
 * Comma-separated values (RFC 4180, without line ends in quotes): a first line with the names of the columns, in any
 * order and among others; then one destination a line. Empty lines are passed over. A prefix may lack its `+`, which
 * spreadsheets take away.
 */
export function parseRates(text: string): RateDeckFile {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const places = placesIn(cellsOf(lines[0] ?? '') ?? [])
  if (!places) return { rates: [], faults: [`line 1: must name the columns ${COLUMNS.join(', ')}`] }
  const rates: RateEntry[] = []
  const faults: string[] = []
  const seen = new Map<string, number>()
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line.trim() === '') continue
    const read = entryOf(line, places)
    const before = typeof read === 'string' ? undefined : seen.get(read.prefix)
    const fault =
      typeof read === 'string' ? read : before && `prefix: stands in line ${before} already`
    if (fault) faults.push(`line ${index + 1}: ${fault}`)
    if (typeof read === 'string' || before) continue
    seen.set(read.prefix, index + 1)
    rates.push(read)
  }
  if (rates.length > MAX_RATES) faults.push(`has more than ${MAX_RATES} rates`)
  const more = faults.length - MAX_NAMED
  if (more > 0) faults.splice(MAX_NAMED, more, `and ${more} more faults`)
  return { rates, faults }
}

/** Where each column is, or null when one is missing or named twice. */
function placesIn(names: readonly string[]): Record<Column, number> | null {
  const found = COLUMNS.map((column) => {
    const places = names.flatMap((name, place) =>
      name.trim().toLowerCase() === column.toLowerCase() ? [place] : [],
    )
    return [column, places.length === 1 ? places[0]! : null] as const
  })
  if (found.some(([, place]) => place === null)) return null
  return Object.fromEntries(found) as Record<Column, number>
}

/** The entry of a line, or what is wrong with it; a value never stands in a message. */
function entryOf(line: string, places: Record<Column, number>): RateEntry | string {
  const cells = cellsOf(line)
  if (!cells) return 'a quote is out of place'
  const cell = (column: Column): string => (cells[places[column]] ?? '').trim()
  const digits = /^\+?([1-9]\d{0,14})$/.exec(cell('prefix'))?.[1]
  if (digits === undefined) return 'prefix: must be + and 1 to 15 digits'
  const manualCentsPerMin = centsOf(cell('manualCentsPerMin'))
  if (manualCentsPerMin === null) return `manualCentsPerMin: ${WRONG_CENTS}`
  const hostedCentsPerMin = centsOf(cell('hostedCentsPerMin'))
  if (hostedCentsPerMin === null) return `hostedCentsPerMin: ${WRONG_CENTS}`
  return { prefix: `+${digits}`, manualCentsPerMin, hostedCentsPerMin }
}

const WRONG_CENTS = `must be whole cents from 0 to ${MAX_CENTS}`

function centsOf(text: string): number | null {
  const cents = /^\d{1,6}$/.test(text) ? Number(text) : null
  return cents !== null && cents <= MAX_CENTS ? cents : null
}

/** The cells of one line, or null when its quotes do not pair. */
function cellsOf(line: string): string[] | null {
  const cells: string[] = []
  const cell = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y
  for (;;) {
    const match = cell.exec(line)
    if (!match) return null
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    if (match[3] === '') return cells
  }
}
