// One trunk of a running node: its names, hosts, limits and registration, and who may call in over it.
import { assert } from '@saperly/kernel'
import type { Clock, Random } from '@saperly/kernel'
import type { Route } from '../leg/route.ts'
import type { TrunkState } from '../port.ts'
import { SERVER_ALGORITHMS } from '../sip/digest-server.ts'
import type { ServerAlgorithm } from '../sip/digest-server.ts'
import type { Credentials } from '../sip/digest.ts'
import type { Endpoint, Hop } from '../sip/hop.ts'
import type { DigitMode } from '../sip/dtmf-info.ts'
import type { SrtpMode } from '../sip/sdes.ts'
import type { Codec } from '../sip/sdp.ts'
import type { Resolver } from '../sip/resolver.ts'
import { parseUri } from '../sip/uri.ts'
import type { UserAgent } from '../sip/user-agent.ts'
import { TrunkHosts } from './hosts.ts'
import type { HostsDeps } from './hosts.ts'
import { TrunkLimits } from './limits.ts'
import type { Limit } from './limits.ts'
import { TrunkNames } from './names.ts'
import { Registrar } from './registrar.ts'
import type { TrunkSettings } from './settings.ts'
import { SourceList } from './sources.ts'
import { targetOf } from './target.ts'

/** Where a trunk has no room, or its host none for us (RFC 3263 section 4.3): always reason to try the next. */
const UNAVAILABLE = 503
const DEFAULT_OPTIONS_INTERVAL_SEC = 30

export interface TrunkDeps {
  ua: UserAgent
  clock: Clock
  random: Random
  log: HostsDeps['log']
  resolver: Resolver
  /** The address that peers know us by. */
  ours: string
}

/** What callers are asked for. */
export interface Callers extends Credentials {
  algorithms: readonly ServerAlgorithm[]
}

export class Trunk {
  readonly name: string
  readonly names: TrunkNames
  readonly limits: TrunkLimits
  readonly hosts: TrunkHosts
  readonly codecs: readonly Codec[]
  readonly srtp: SrtpMode
  readonly dtmf: DigitMode
  /** Whether its calls are transferred by REFER. */
  readonly refer: boolean
  readonly credentials: Credentials | null
  /** What callers over this trunk must prove to know; null: their address is enough. */
  readonly callers: Callers | null
  readonly #settings: TrunkSettings
  readonly #log: TrunkDeps['log']
  readonly #failover: ReadonlySet<number>
  readonly #sources: SourceList | null
  readonly #registrar: Registrar | null
  readonly #registrarHosts: TrunkHosts | null

  constructor(settings: TrunkSettings, deps: TrunkDeps) {
    assert(settings.codecs.length > 0, `trunk ${settings.name} has no codec`)
    const { name, inbound } = settings
    this.#settings = settings
    this.#log = deps.log
    this.name = name
    this.names = new TrunkNames(settings, deps.ours)
    this.codecs = settings.codecs
    this.srtp = settings.srtp ?? 'off'
    this.dtmf = settings.dtmf ?? 'auto'
    this.refer = settings.refer ?? true
    this.credentials = credentialsOf(settings.username, settings.password, settings.authRealm)
    const callers = credentialsOf(inbound?.username ?? null, inbound?.password ?? null, null)
    const algorithms = inbound?.algorithms ?? SERVER_ALGORITHMS
    this.callers = callers && { ...callers, algorithms }
    this.limits = new TrunkLimits(deps.clock, {
      callsPerSec: settings.callsPerSec ?? null,
      maxCalls: settings.maxCalls ?? null,
    })
    this.#failover = new Set([UNAVAILABLE, ...(settings.failover ?? [])])
    this.#sources = inbound?.sources ? new SourceList(inbound.sources) : null
    const intervalMs = (settings.optionsIntervalSec ?? DEFAULT_OPTIONS_INTERVAL_SEC) * 1000
    this.hosts = this.#hostsAt(settings.address, deps, intervalMs)
    const { register } = settings
    const elsewhere = register?.registrar ?? null
    this.#registrarHosts = elsewhere === null ? null : this.#hostsAt(elsewhere, deps, 0)
    const { registered } = this.names
    this.#registrar =
      register && registered
        ? new Registrar({
            ...deps,
            trunk: name,
            registered,
            credentials: this.credentials,
            hosts: this.#registrarHosts ?? this.hosts,
            expiresSec: register.expiresSec,
          })
        : null
  }

  /** Begins to watch its hosts, and to register. */
  open(): void {
    this.hosts.open()
    this.#registrarHosts?.open()
    this.#registrar?.open()
  }

  get state(): TrunkState {
    const { calls, waiting } = this.limits
    const registered = this.#registrar?.registered ?? null
    return { name: this.name, up: this.hosts.up, registered, calls, waiting }
  }

  /** Whether the address says that a request from there is this trunk's. */
  owns(source: Endpoint): boolean {
    return this.hosts.owns(source) || (this.#registrarHosts?.owns(source) ?? false)
  }

  /** Whether a request from there may be this trunk's. */
  admits(source: Endpoint): boolean {
    return this.#sources === null ? this.owns(source) : this.#sources.has(source.address)
  }

  /** Whether anything at all may come from that address: calls, or what belongs to ours. */
  accepts(address: string): boolean {
    const hosts = this.hosts.has(address) || (this.#registrarHosts?.has(address) ?? false)
    return hosts || (this.#sources?.has(address) ?? false)
  }

  /** A call was kept off by that limit. */
  tellLimited(limit: Limit): void {
    this.#log.warn('trunk.limited', { trunk: this.name, limit })
  }

  /** The way to `to`, a number or a SIP URI, over one of its hops. */
  routeTo(to: string, from: string, callerName: string | null, via: Hop): Route {
    const identity = this.names.identityOf(from, callerName)
    return {
      ...identity,
      trunk: this.name,
      via,
      to: parseUri(to) ? to : this.names.uriOf(to),
      codecs: this.codecs,
      srtp: this.srtp,
      dtmf: this.dtmf,
      credentials: this.credentials,
      failover: this.#failover,
      redirects: {
        max: this.#settings.followRedirects ?? 0,
        allow: (uri) => this.names.mayRedirectTo(uri, (address) => this.hosts.has(address)),
      },
    }
  }

  /** Takes its registration back; `onClosed` is called when the registrar has answered. Then it is to be dropped. */
  close(onClosed: () => void): void {
    this.limits.close()
    if (this.#registrar) this.#registrar.close(onClosed)
    else onClosed()
  }

  /** Stops watching its hosts. */
  drop(): void {
    this.hosts.close()
    this.#registrarHosts?.close()
  }

  #hostsAt(address: string, deps: TrunkDeps, intervalMs: number): TrunkHosts {
    const probe: HostsDeps['probe'] = (hop, onAnswer) =>
      deps.ua.options(this.names.uri, hop, onAnswer)
    const target = targetOf(this.#settings, address)
    return new TrunkHosts({ ...deps, probe }, this.name, target, intervalMs)
  }
}

function credentialsOf(
  username: string | null,
  password: string | null,
  realm: string | null | undefined,
): Credentials | null {
  return username === null ? null : { username, password: password ?? '', realm: realm ?? null }
}
