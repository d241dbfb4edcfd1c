// Readers for structured header values: lists, parameters, name-addr, Via, CSeq, Reason. None of them throws.
import { unquote } from './quoting.ts'

export type Params = ReadonlyMap<string, string>

/** Splits a comma list, leaving commas inside quotes and angle brackets alone; empty elements are dropped. */
export function splitList(value: string): string[] {
  if (!value.includes(',')) return value === '' ? [] : [value]
  return splitOutside(value, ',')
}

/** Splits at `separator` outside of quotes and angle brackets, trimming each part. */
function splitOutside(value: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  let quoted = false
  let angled = false
  for (let i = 0; i < value.length; i++) {
    const c = value[i]
    if (quoted) {
      if (c === '\\') i++
      else if (c === '"') quoted = false
    } else if (c === '"') quoted = true
    else if (c === '<') angled = true
    else if (c === '>') angled = false
    else if (c === separator && !angled) {
      parts.push(value.slice(start, i).trim())
      start = i + 1
    }
  }
  parts.push(value.slice(start).trim())
  return parts.filter((part) => part !== '')
}

/** Parameters of `;a=b;c` (the leading `;` may be missing); names in lower case, quotes removed. */
export function parseParams(text: string): Params {
  const params = new Map<string, string>()
  for (const part of splitOutside(text, ';')) {
    const equals = part.indexOf('=')
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase()
    if (name !== '' && !params.has(name)) {
      params.set(name, equals < 0 ? '' : unquote(part.slice(equals + 1).trim()))
    }
  }
  return params
}

/** From, To, Contact, Route, Refer-To, P-Asserted-Identity. */
export interface NameAddr {
  display: string | null
  uri: string
  params: Params
}

const NAME_ADDR = /^\s*("(?:[^"\\]|\\.)*"|[^<"]*?)\s*<([^<>]*)>\s*(.*)$/s

/** The first element of a name-addr header, or null when nothing like a URI is in it. */
export function parseNameAddr(value: string): NameAddr | null {
  const found = NAME_ADDR.exec(value)
  if (found) {
    const uri = found[2]!.trim()
    if (uri === '') return null
    return {
      display: found[1] === '' ? null : unquote(found[1]!),
      uri,
      params: parseParams(found[3]!),
    }
  }
  const semicolon = value.indexOf(';')
  const uri = (semicolon < 0 ? value : value.slice(0, semicolon)).trim()
  if (!/^[a-z][a-z0-9+.-]*:\S+$/i.test(uri)) return null
  return { display: null, uri, params: parseParams(semicolon < 0 ? '' : value.slice(semicolon)) }
}

/** Whether a From or To value can be read: its quotes are closed, and an address is in it. */
export function isNameAddr(value: string): boolean {
  const quotes = value.replaceAll(/\\./gs, '').split('"').length - 1
  return quotes % 2 === 0 && parseNameAddr(value) !== null
}

/** The `tag` parameter of a From or To value, '' when it has none. */
export function tagOf(value: string): string {
  return parseNameAddr(value)?.params.get('tag') ?? ''
}

export interface Via {
  protocol: string
  host: string
  port: number | null
  params: Params
}

const VIA =
  /^SIP\s*\/\s*2\.0\s*\/\s*([A-Za-z]+)\s+(\[[^\]]+\]|[^\s:;]+)\s*(?::\s*(\d{1,5}))?\s*(;.*)?$/is

/** One Via element (RFC 3261 section 20.42), or null. */
export function parseVia(value: string): Via | null {
  const found = VIA.exec(value)
  if (!found) return null
  return {
    protocol: found[1]!.toUpperCase(),
    host: found[2]!,
    port: found[3] === undefined ? null : Number(found[3]),
    params: parseParams(found[4] ?? ''),
  }
}

export interface CSeq {
  number: number
  method: string
}

/** A CSeq value; the number is below 2^32 (RFC 3261 section 8.1.1.5). */
export function parseCSeq(value: string): CSeq | null {
  const found = /^\s*(\d{1,10})\s+([^\s]{1,64})\s*$/.exec(value)
  if (!found) return null
  const number = Number(found[1])
  return number < 2 ** 32 ? { number, method: found[2]! } : null
}

/** Why a call ended, as a Reason header says it (RFC 3326). */
export interface Reason {
  q850: number | null
  sipCode: number | null
  text: string | null
}

/** Reads Reason values: the Q.850 cause, the SIP code and the first text found. */
export function parseReason(values: readonly string[]): Reason {
  const reason: Reason = { q850: null, sipCode: null, text: null }
  for (const value of values) {
    const semicolon = value.indexOf(';')
    if (semicolon < 0) continue
    const protocol = value.slice(0, semicolon).trim().toLowerCase()
    const params = parseParams(value.slice(semicolon))
    const cause = Number(params.get('cause') ?? Number.NaN)
    if (protocol === 'q.850' && cause >= 1 && cause <= 127) reason.q850 = cause
    if (protocol === 'sip' && cause >= 100 && cause <= 699) reason.sipCode = cause
    reason.text ??= params.get('text') ?? null
  }
  return reason
}

/** Writes a Q.850 Reason value. `cause` is 1-127. */
export function formatReason(cause: number, text: string): string {
  return `Q.850;cause=${cause};text="${text.replaceAll(/["\\]/g, '')}"`
}
