// What numbers are called on a trunk: which it serves, how it is sent them, who the callee sees, and who was called.
import type { Field } from '../sip/compose.ts'
import { parseNameAddr } from '../sip/header.ts'
import type { SipRequest } from '../sip/message.ts'
import { quote } from '../sip/quoting.ts'
import { bareHost, numberOf, parseUri, sipUri } from '../sip/uri.ts'
import type { TrunkSettings } from './settings.ts'

/** RFC 3323 section 4.1.1.3: who calls when nobody shall know. */
const ANONYMOUS = { name: 'Anonymous', uri: 'sip:anonymous@anonymous.invalid' } as const

/** Who calls, as an INVITE says it. */
export interface Identity {
  from: string
  displayName: string | null
  fields: readonly Field[]
}

export class TrunkNames {
  /** Host and port as configured. */
  readonly host: string
  readonly port: number | null
  readonly #settings: TrunkSettings
  /** Where the numbers that call are at home. */
  readonly #home: { host: string; port: number | null }
  /** Whom a registrar calls us, or null. */
  readonly #registered: { user: string; uri: string } | null

  /** `ours`: the address that peers know us by. */
  constructor(settings: TrunkSettings, ours: string) {
    const { host, port } = hostOf(settings.address)
    this.host = host
    this.port = port
    this.#settings = settings
    this.#registered = registeredAs(settings, host)
    const domain = this.#registered && parseUri(this.#registered.uri)?.host
    // A registrar knows its users by its own domain.
    this.#home = { host: domain ?? ours, port: null }
  }

  /** Length of the longest prefix that `number` begins with, -1 when the trunk doesn't serve it. */
  match(number: string): number {
    let longest = -1
    for (const prefix of this.#settings.prefixes) {
      if (number.startsWith(prefix)) longest = Math.max(longest, prefix.length)
    }
    return longest
  }

  /** The SIP URI of a number at this trunk. */
  uriOf(number: string): string {
    return sipUri(this.#spell(number), this.host, this.port)
  }

  /** The URI of the trunk itself, for OPTIONS. */
  get uri(): string {
    return sipUri(null, this.host, this.port)
  }

  /** What is registered: user part and address of record; null when nothing is. */
  get registered(): { user: string; uri: string } | null {
    return this.#registered
  }

  /** What an INVITE says about the caller; the name is that of the calling number, if it has one. */
  identityOf(number: string, displayName: string | null): Identity {
    const { identity, privacy, callerId, headers } = this.#settings
    const caller = this.#spell(callerId ?? number)
    const uri = sipUri(caller, this.#home.host, this.#home.port)
    const fields: Field[] = Object.entries(headers ?? {}).map(([name, value]) => [
      name.toLowerCase(),
      value,
    ])
    if (identity === 'p-asserted-identity') {
      const name = displayName === null ? '' : `${quote(displayName)} `
      fields.push(['p-asserted-identity', `${name}<${uri}>`])
    }
    if (privacy !== 'id') return { from: uri, displayName, fields }
    fields.push(['privacy', 'id'])
    return { from: ANONYMOUS.uri, displayName: ANONYMOUS.name, fields }
  }

  /**
   * The number that an INVITE over this trunk calls; null when it names none. A registrar calls our Contact, which
   * may name the account and not the number; the number is then what was called before (RFC 7315), or To.
   */
  calledBy(request: SipRequest): string | null {
    const user = parseUri(request.uri)?.user ?? null
    if (this.#registered === null || user !== this.#registered.user || isNumber(user)) {
      return numberOf(request.uri)
    }
    for (const name of ['p-called-party-id', 'to']) {
      const number = numberOf(parseNameAddr(request.headers.get(name) ?? '')?.uri ?? '')
      if (number !== null) return number
    }
    return null
  }

  /** Whether a 3xx may send a call there: the trunk's own hosts, and those that its settings list. */
  mayRedirectTo(uriText: string, own: (address: string) => boolean): boolean {
    const host = bareHost(parseUri(uriText)?.host ?? '').toLowerCase()
    if (host === '') return false
    const listed = this.#settings.redirectHosts ?? []
    return (
      host === this.host.toLowerCase() ||
      own(host) ||
      listed.some((one) => one.toLowerCase() === host)
    )
  }

  #spell(number: string): string {
    return this.#settings.stripPlus === true ? number.replace(/^\+/, '') : number
  }
}

function isNumber(user: string): boolean {
  return /^\+?\d{7,15}$/.test(user)
}

function registeredAs(settings: TrunkSettings, host: string): { user: string; uri: string } | null {
  const { register, username, name } = settings
  if (!register) return null
  const domain = register.registrar === null ? host : hostOf(register.registrar).host
  const aor = parseUri(`sip:${register.aor ?? ''}`)
  const user = aor?.user ?? username ?? name
  const written = aor?.user ? aor.host : domain
  return { user, uri: sipUri(user, written, null) }
}

/** Host (an IPv6 address without its brackets) and port of `host`, `host:port`, `[address]` or `[address]:port`. */
export function hostOf(address: string): { host: string; port: number | null } {
  const found = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(address)
  if (!found) return { host: address, port: null }
  return { host: bareHost(found[1]!), port: found[2] === undefined ? null : Number(found[2]) }
}
