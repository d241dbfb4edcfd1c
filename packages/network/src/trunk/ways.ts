// The ways to a number over the trunks: each trunk in its turn, when its limits let the call in, hop by hop.
import type { Route, Ways } from '../leg/route.ts'
import type { Hop } from '../sip/hop.ts'
import type { Limit, Ticket } from './limits.ts'
import type { Trunk } from './trunk.ts'

/** Ways that one call tries at most, whatever the trunks resolve to. */
export const MAX_WAYS = 24

/** Who calls whom. */
export interface CallParties {
  from: string
  to: string
  callerName: string | null
}

/** For the customer, whom the names of our trunks don't concern. */
const LIMITS: Readonly<Record<Limit, string>> = {
  callsPerSec: 'the trunk takes no more calls per second (callsPerSec)',
  maxCalls: 'the trunk carries as many calls as it may (maxCalls)',
}

/**
 * The trunks that serve `number`: longest prefix first, then in their order. One that is down comes after all that
 * are up; it is still tried, since what a health check says need not be true of a call.
 */
export function trunksFor(trunks: readonly Trunk[], number: string): Trunk[] {
  const serving = trunks
    .map((trunk) => ({ trunk, length: trunk.names.match(number), up: trunk.hosts.up }))
    .filter(({ length }) => length >= 0)
  return serving
    .toSorted((a, b) => Number(b.up) - Number(a.up) || b.length - a.length)
    .map(({ trunk }) => trunk)
}

export class TrunkWays implements Ways {
  readonly none: boolean
  readonly #call: CallParties
  readonly #trunks: Trunk[]
  #trunk: Trunk | null = null
  #hops: Hop[] = []
  #ticket: Ticket | null = null
  #limit: string | null = null
  #tried = 0
  #released = false

  /** `trunks`: those that serve the call, in the order in which they are tried. */
  constructor(trunks: readonly Trunk[], call: CallParties) {
    this.#trunks = [...trunks]
    this.#call = call
    this.none = this.#trunks.length === 0
  }

  get limit(): string | null {
    return this.#limit
  }

  next(onRoute: (route: Route | null) => void): void {
    if (this.#released) return
    const hop = this.#hops.shift()
    if (hop && this.#trunk && this.#tried < MAX_WAYS) {
      this.#tried++
      const { to, from, callerName } = this.#call
      return onRoute(this.#trunk.routeTo(to, from, callerName, hop))
    }
    this.#leaveTrunk()
    const trunk = this.#tried < MAX_WAYS ? this.#trunks.shift() : undefined
    if (!trunk) return onRoute(null)
    trunk.hosts.find((hops) => {
      if (this.#released) return
      if (hops.length === 0) return this.next(onRoute)
      this.#enter(trunk, hops, onRoute)
    })
  }

  release(): void {
    this.#released = true
    this.#leaveTrunk()
  }

  #enter(trunk: Trunk, hops: readonly Hop[], onRoute: (route: Route | null) => void): void {
    let ticket: Ticket | null = null
    ticket = trunk.limits.take((refusal) => {
      if (refusal === null) {
        this.#trunk = trunk
        this.#hops = [...hops]
      } else {
        trunk.tellLimited(refusal)
        this.#limit = LIMITS[refusal]
      }
      // Later, so that the ticket is in its place also when the turn has come at once.
      queueMicrotask(() => this.next(onRoute))
    })
    this.#ticket = ticket
  }

  #leaveTrunk(): void {
    this.#ticket?.release()
    this.#ticket = null
    this.#trunk = null
    this.#hops = []
  }
}
