// Where a call goes that was answered with 3xx: the targets of its Contacts, by preference and within limits (RFC 3261 8.1.3.4).
import { parseNameAddr } from './header.ts'
import type { SipResponse } from './message.ts'
import { formatUri, parseUri } from './uri.ts'

/** Which targets of a 3xx are called in place of the first one. */
export interface RedirectPolicy {
  /** How many of them at most, over all redirections of one call. */
  max: number
  allow(uri: string): boolean
}

/** Contacts read of one response. */
const MAX_CONTACTS = 16

export class Redirects {
  readonly #policy: RedirectPolicy
  readonly #seen: Set<string>
  #waiting: { uri: string; q: number }[] = []
  #taken = 0

  /** `first`: the Request-URI that the call began with; nobody is called twice. */
  constructor(policy: RedirectPolicy, first: string) {
    this.#policy = policy
    this.#seen = new Set([canonical(first) ?? first])
  }

  /** Adds the targets of a 3xx. They are called before those that were named earlier with the same preference. */
  add(response: SipResponse): void {
    const found: { uri: string; q: number }[] = []
    for (const contact of response.headers.list('contact').slice(0, MAX_CONTACTS)) {
      const read = parseNameAddr(contact)
      const uri = canonical(read?.uri ?? '')
      if (uri === null || this.#seen.has(uri) || !this.#policy.allow(uri)) continue
      this.#seen.add(uri)
      found.push({ uri, q: preference(read?.params.get('q')) })
    }
    // Sorting is stable: equal ones stay in the order in which they were written.
    this.#waiting = [...found, ...this.#waiting].toSorted((a, b) => b.q - a.q)
  }

  /** The next Request-URI; null when there is none left or enough were tried. */
  next(): string | null {
    if (this.#taken >= this.#policy.max) return null
    const target = this.#waiting.shift()
    if (!target) return null
    this.#taken++
    return target.uri
  }
}

/** A URI without headers; null when it is none of SIP. */
function canonical(text: string): string | null {
  const uri = parseUri(text)
  return uri && formatUri(uri)
}

/** RFC 3261 section 20.10: from 0 to 1, 1 when there is none; what can't be read comes last. */
function preference(q: string | undefined): number {
  if (q === undefined) return 1
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q) : 0
}
