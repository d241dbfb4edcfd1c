// Trunks: the SIP peerings of a node, and which of them serve a number.
import { isIP } from 'node:net'
import { assert } from '@saperly/kernel'
import type { Credentials } from './sip/digest.ts'
import type { Codec } from './sip/sdp.ts'
import { parseEndpoint, udpHop } from './sip/hop.ts'
import type { Endpoint, Hop } from './sip/hop.ts'
import { sipUri } from './sip/uri.ts'

/** A trunk as the config file has it. */
export interface TrunkSettings {
  name: string
  /** Literal address, `:port` when it isn't 5060. */
  address: string
  transport: 'udp'
  username: string | null
  password: string | null
  /** Destinations served: `+` and digits. */
  prefixes: readonly string[]
  codecs: readonly Codec[]
  /** True: numbers are sent without their plus. Default false. */
  stripPlus?: boolean
  /** Shown to the callee instead of the number that calls. Default: none. */
  callerId?: string | null
}

const DEFAULT_PORT = 5060

export class Trunk {
  readonly name: string
  readonly hop: Hop
  readonly codecs: readonly Codec[]
  readonly credentials: Credentials | null
  readonly #settings: TrunkSettings

  constructor(settings: TrunkSettings) {
    const endpoint =
      isIP(settings.address) === 0
        ? parseEndpoint(settings.address)
        : { address: settings.address, port: DEFAULT_PORT }
    assert(endpoint, `trunk ${settings.name} has no literal address`)
    assert(settings.codecs.length > 0, `trunk ${settings.name} has no codec`)
    this.name = settings.name
    this.hop = udpHop(endpoint)
    this.codecs = settings.codecs
    this.credentials =
      settings.username === null
        ? null
        : { username: settings.username, password: settings.password ?? '' }
    this.#settings = settings
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
    const user = this.#settings.stripPlus === true ? number.replace(/^\+/, '') : number
    return sipUri(user, this.hop.address, this.hop.port)
  }

  /** Who the callee sees. */
  callerOf(from: string): string {
    const number = this.#settings.callerId ?? from
    return this.#settings.stripPlus === true ? number.replace(/^\+/, '') : number
  }

  /**
   * Whether a request from there is this trunk's. Carriers send from other ports too; on loopback every peer has
   * the same address, so there the port tells them apart.
   */
  owns(source: Endpoint): boolean {
    if (source.address !== this.hop.address) return false
    return !source.address.startsWith('127.') || source.port === this.hop.port
  }
}

/** The trunks that serve `number`, longest prefix first, then in their order. */
export function trunksFor(trunks: readonly Trunk[], number: string): Trunk[] {
  return trunks
    .map((trunk) => ({ trunk, length: trunk.match(number) }))
    .filter(({ length }) => length >= 0)
    .toSorted((a, b) => b.length - a.length)
    .map(({ trunk }) => trunk)
}
