// The ways to a callee: one hop after the other, each with what the INVITE there has to say.
import type { Credentials } from '../sip/digest.ts'
import type { Field } from '../sip/compose.ts'
import type { DigitMode } from '../sip/dtmf-info.ts'
import type { Hop } from '../sip/hop.ts'
import type { Codec } from '../sip/sdp.ts'
import type { SrtpMode } from '../sip/sdes.ts'

/** One way to the callee. */
export interface Route {
  trunk: string | null
  via: Hop
  to: string
  from: string
  displayName: string | null
  fields: readonly Field[]
  codecs: readonly Codec[]
  srtp: SrtpMode
  dtmf: DigitMode
  credentials: Credentials | null
  /** Final codes before ringing after which the next way is tried. */
  failover: ReadonlySet<number>
  /** How many 3xx answers are followed, and where to. */
  redirects: { max: number; allow: (uri: string) => boolean }
}

/** Where a leg gets its routes. */
export interface Ways {
  /** True when nobody serves the number. */
  readonly none: boolean
  /** Calls back once, now or later, with the next way to be tried, or null when there is none left. */
  next(onRoute: (route: Route | null) => void): void
  /** Which limit of ours kept the call from a trunk, in words; null when none did. */
  readonly limit: string | null
  /** The call is over: gives back what it held of the trunks, and calls nobody any more. Idempotent. */
  release(): void
}

/** Ways that are known beforehand. */
export function fixedWays(routes: readonly Route[]): Ways {
  const left = [...routes]
  return {
    none: routes.length === 0,
    next: (onRoute) => onRoute(left.shift() ?? null),
    limit: null,
    release: () => void left.splice(0),
  }
}
