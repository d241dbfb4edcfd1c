// Where a trunk is reached: its hops, kept current, those first that are alive.
import { isIP } from 'node:net'
import type { Clock, Log, Random } from '@saperly/kernel'
import { DEFAULT_PORTS, formatHop } from '../sip/hop.ts'
import type { Endpoint, Hop } from '../sip/hop.ts'
import { Timers } from '../sip/machine.ts'
import type { Resolver, Target } from '../sip/resolver.ts'
import { HopHealth } from './health.ts'
import { SourceList } from './sources.ts'

/** Hops of one trunk that are kept; those beyond are not tried. */
export const MAX_HOPS = 8
/** How often a name is looked up even when nobody calls, so that calls from new addresses get in, milliseconds. */
export const LOOK_UP_INTERVAL_MS = 60_000

export interface HostsDeps {
  clock: Clock
  random: Random
  log: Log
  resolver: Resolver
  /** Asks a hop whether it is alive: the code of its final response, or null. */
  probe: (hop: Hop, onAnswer: (sipCode: number | null) => void) => void
}

interface Known {
  hop: Hop
  list: SourceList
  health: HopHealth | null
}

export class TrunkHosts {
  readonly #deps: HostsDeps
  readonly #trunk: string
  readonly #target: Target
  readonly #intervalMs: number
  readonly #timers: Timers<'look'>
  #known: readonly Known[] = []
  #state: 'idle' | 'open' | 'closed' = 'idle'

  /** `trunk` is for the log; `intervalMs` between two questions to each hop, 0 for none. */
  constructor(deps: HostsDeps, trunk: string, target: Target, intervalMs: number) {
    this.#deps = deps
    this.#trunk = trunk
    this.#target = target
    this.#intervalMs = intervalMs
    this.#timers = new Timers(deps.clock)
  }

  /** Begins to look the name up and to watch its hops. */
  open(): void {
    this.#state = 'open'
    this.#look()
  }

  /** False while every hop is down. */
  get up(): boolean {
    return this.#known.length === 0 || this.#known.some(({ health }) => health?.up ?? true)
  }

  /** Gives the hops in the order in which they are to be tried: as found, those that are down last. */
  find(onHops: (hops: readonly Hop[]) => void): void {
    if (this.#state === 'closed') return onHops([])
    if (isIP(this.#target.host) !== 0) return onHops(this.#ordered())
    this.#resolve(() => onHops(this.#ordered()))
  }

  /**
   * Whether a request from there is this trunk's. Carriers send from other ports too; on loopback every peer has the
   * same address, so there the port tells them apart.
   */
  owns(source: Endpoint): boolean {
    return this.#known.some(
      ({ hop, list }) =>
        list.has(source.address) && (!isLoopback(hop.address) || source.port === hop.port),
    )
  }

  /** Whether a literal address is one of ours. */
  has(address: string): boolean {
    return this.#known.some(({ list }) => list.has(address))
  }

  close(): void {
    this.#state = 'closed'
    this.#timers.stopAll()
    for (const { health } of this.#known) health?.close()
  }

  #look(): void {
    const { host } = this.#target
    if (isIP(host) !== 0) return this.#take([this.#literal(host)])
    this.#resolve(() => {
      if (this.#state !== 'open') return
      this.#timers.start('look', LOOK_UP_INTERVAL_MS, () => this.#look())
    })
  }

  /** A name that can't be found any more keeps the hops that it had. */
  #resolve(onResolved: () => void): void {
    void this.#deps.resolver.resolve(this.#target).then((found) => {
      if (found.ok) this.#take(found.value)
      else {
        const { host } = this.#target
        this.#deps.log.warn('trunk.not_found', { trunk: this.#trunk, host, why: found.failure })
      }
      onResolved()
    })
  }

  #literal(address: string): Hop {
    const { port, serverName } = this.#target
    const protocol = this.#target.protocol ?? 'UDP'
    return { address, port: port ?? DEFAULT_PORTS[protocol], protocol, serverName }
  }

  #ordered(): Hop[] {
    const alive = this.#known.filter(({ health }) => health?.up ?? true)
    const dead = this.#known.filter((known) => !alive.includes(known))
    return [...alive, ...dead].map(({ hop }) => hop)
  }

  #take(hops: readonly Hop[]): void {
    if (this.#state !== 'open') return
    const before = new Map(this.#known.map((known) => [formatHop(known.hop), known]))
    this.#known = hops
      .slice(0, MAX_HOPS)
      .map((hop) => before.get(formatHop(hop)) ?? this.#meet(hop))
    for (const known of before.values()) {
      if (!this.#known.includes(known)) known.health?.close()
    }
  }

  #meet(hop: Hop): Known {
    const list = new SourceList([hop.address])
    if (this.#intervalMs === 0) return { hop, list, health: null }
    const { clock, random, log, probe } = this.#deps
    const fields = { trunk: this.#trunk, hop: formatHop(hop) }
    const health = new HopHealth({
      clock,
      random,
      intervalMs: this.#intervalMs,
      probe: (onAnswer) => probe(hop, onAnswer),
      onChange: (up) => {
        if (up) log.info('trunk.hop_up', fields)
        else log.warn('trunk.hop_down', fields)
      },
    })
    health.open()
    return { hop, list, health }
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}
