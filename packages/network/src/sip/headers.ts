// The header fields of one message: in order, found by lower-case full name, compact forms expanded.
import { splitList } from './header.ts'

const COMPACT: Readonly<Record<string, string>> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
}

const SPELLING = new Map([
  ['call-id', 'Call-ID'],
  ['cseq', 'CSeq'],
  ['www-authenticate', 'WWW-Authenticate'],
  ['mime-version', 'MIME-Version'],
  ['rack', 'RAck'],
  ['rseq', 'RSeq'],
  ['min-se', 'Min-SE'],
])

function spell(name: string): string {
  let spelled = SPELLING.get(name)
  if (spelled === undefined) {
    spelled = name.replaceAll(/(^|-)([a-z])/g, (part) => part.toUpperCase())
    if (SPELLING.size < MAX_KNOWN) SPELLING.set(name, spelled)
  }
  return spelled
}

/** Names as they come from the wire, and what they stand for; null when they are no token. */
const KNOWN = new Map<string, string | null>()
const MAX_KNOWN = 512

function canonical(name: string): string | null {
  const known = KNOWN.get(name)
  if (known !== undefined) return known
  const lower = name.trimEnd().toLowerCase()
  const token = /^[a-z0-9\-.!%*_+`'~]+$/.test(lower)
  const full = token ? (lower.length === 1 ? (COMPACT[lower] ?? lower) : lower) : null
  // Reading names is most of the work of a parser; names come from the network, so what is remembered has a bound.
  if (KNOWN.size < MAX_KNOWN && name.length <= 64) KNOWN.set(name, full)
  return full
}

/** Mutable while a message is built; names are given in lower case, full form. */
export class Headers {
  readonly #names: string[] = []
  readonly #values: string[] = []

  get size(): number {
    return this.#names.length
  }

  /** Appends a field. */
  add(name: string, value: string): this {
    this.#names.push(name)
    this.#values.push(value)
    return this
  }

  /** Appends a field as it came from the wire (any case, compact or not); false when its name is none. */
  take(name: string, value: string): boolean {
    const full = canonical(name)
    if (full !== null) this.add(full, value)
    return full !== null
  }

  /** First value, or null. */
  get(name: string): string | null {
    const at = this.#names.indexOf(name)
    return at < 0 ? null : this.#values[at]!
  }

  /** Every value of that name, one per field line. */
  all(name: string): string[] {
    return this.#values.filter((_, at) => this.#names[at] === name)
  }

  /** Every element of that name, comma lists split. */
  list(name: string): string[] {
    return this.all(name).flatMap(splitList)
  }

  /** Replaces all fields of that name by one, at the place of the first. */
  set(name: string, value: string): this {
    return this.setAll(name, [value])
  }

  /** Replaces all fields of that name by these, at the place of the first. */
  setAll(name: string, values: readonly string[]): this {
    const at = this.#names.indexOf(name)
    this.remove(name)
    const place = at < 0 ? this.#names.length : at
    this.#names.splice(place, 0, ...values.map(() => name))
    this.#values.splice(place, 0, ...values)
    return this
  }

  remove(name: string): this {
    for (let at = this.#names.length - 1; at >= 0; at--) {
      if (this.#names[at] !== name) continue
      this.#names.splice(at, 1)
      this.#values.splice(at, 1)
    }
    return this
  }

  /** Field lines without Content-Length, each ended by CRLF; a line break in a value cannot start a new field. */
  write(): string {
    let text = ''
    for (let at = 0; at < this.#names.length; at++) {
      const name = this.#names[at]!
      if (name === 'content-length') continue
      const value = this.#values[at]!
      text += `${spell(name)}: ${/[\r\n]/.test(value) ? value.replaceAll(/[\r\n]+/g, ' ') : value}\r\n`
    }
    return text
  }
}
