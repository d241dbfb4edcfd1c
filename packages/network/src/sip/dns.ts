// The DNS as a port, and its adapter over the system's resolver with a bounded cache.
import { lookup, Resolver as SystemResolver } from 'node:dns/promises'
import { fail, ok } from '@saperly/kernel'
import type { Clock, Result } from '@saperly/kernel'

/** RFC 3403, as much as RFC 3263 needs. */
export interface NaptrRecord {
  order: number
  preference: number
  flags: string
  service: string
  replacement: string
}

/** RFC 2782. */
export interface SrvRecord {
  priority: number
  weight: number
  port: number
  target: string
}

/** What is there, an empty list when there is nothing; `no_answer` when that can't be found out. */
export type DnsAnswer<T> = Result<readonly T[], 'no_answer'>

export interface Dns {
  naptr(name: string): Promise<DnsAnswer<NaptrRecord>>
  srv(name: string): Promise<DnsAnswer<SrvRecord>>
  addresses(name: string, family: 4 | 6): Promise<DnsAnswer<string>>
}

/** Names that are remembered; beyond it the one that was asked for first is forgotten. */
const MAX_CACHED = 2_000
/** One question may take so long, milliseconds; it is asked twice. */
const QUESTION_LIMIT_MS = 1_000
const QUESTION_TRIES = 2
/** How long an answer without a time to live is used, seconds: services, and names of the hosts file. */
const DEFAULT_TTL_SEC = 60
/** That nothing is there is believed for so long, seconds. */
const NEGATIVE_TTL_SEC = 10
const MAX_TTL_SEC = 3_600
/** While no server answers, what was known is used for so long beyond its time (RFC 8767), milliseconds. */
const STALE_LIMIT_MS = 3_600_000

interface Known<T> {
  values: readonly T[]
  untilMs: number
}

interface Found<T> {
  values: readonly T[]
  ttlSec: number
}

/** Codes by which the system says that there is nothing, as opposed to that nobody answered. */
const NOTHING: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA'])

/** Opens the system's DNS. `servers` replaces the configured ones (`address:port`). */
export function openDns(clock: Clock, servers?: readonly string[]): Dns {
  return new SystemDns(clock, servers)
}

class SystemDns implements Dns {
  readonly #clock: Clock
  readonly #resolver = new SystemResolver({ timeout: QUESTION_LIMIT_MS, tries: QUESTION_TRIES })
  readonly #naptr = new Map<string, Known<NaptrRecord>>()
  readonly #srv = new Map<string, Known<SrvRecord>>()
  readonly #addresses = new Map<string, Known<string>>()

  constructor(clock: Clock, servers?: readonly string[]) {
    this.#clock = clock
    if (servers) this.#resolver.setServers(servers)
  }

  naptr(name: string): Promise<DnsAnswer<NaptrRecord>> {
    return this.#ask(this.#naptr, name, async () => {
      const values = await this.#resolver.resolveNaptr(name)
      return { values, ttlSec: DEFAULT_TTL_SEC }
    })
  }

  srv(name: string): Promise<DnsAnswer<SrvRecord>> {
    return this.#ask(this.#srv, name, async () => {
      const records = await this.#resolver.resolveSrv(name)
      const values = records.map(({ name: target, ...rest }) => ({ ...rest, target }))
      return { values, ttlSec: DEFAULT_TTL_SEC }
    })
  }

  addresses(name: string, family: 4 | 6): Promise<DnsAnswer<string>> {
    return this.#ask(this.#addresses, `${family} ${name}`, async () => {
      const records = await (
        family === 4
          ? this.#resolver.resolve4(name, { ttl: true })
          : this.#resolver.resolve6(name, { ttl: true })
      ).catch(nothing)
      if (records.length === 0) return hostsFile(name, family)
      const ttlSec = Math.min(...records.map(({ ttl }) => ttl))
      return { values: records.map(({ address }) => address), ttlSec }
    })
  }

  async #ask<T>(
    cache: Map<string, Known<T>>,
    key: string,
    question: () => Promise<Found<T>>,
  ): Promise<DnsAnswer<T>> {
    const known = cache.get(key)
    const nowMs = this.#clock.monotonicMs()
    if (known && known.untilMs > nowMs) return ok(known.values)
    const found = await question().catch((error: unknown) =>
      isNothing(error) ? { values: [], ttlSec: NEGATIVE_TTL_SEC } : null,
    )
    if (found) {
      this.#keep(cache, key, found)
      return ok(found.values)
    }
    const usable = known !== undefined && known.untilMs + STALE_LIMIT_MS > nowMs
    return usable ? ok(known.values) : fail('no_answer')
  }

  #keep<T>(cache: Map<string, Known<T>>, key: string, { values, ttlSec }: Found<T>): void {
    const lifeMs = Math.min(values.length === 0 ? NEGATIVE_TTL_SEC : ttlSec, MAX_TTL_SEC) * 1000
    cache.delete(key)
    cache.set(key, { values, untilMs: this.#clock.monotonicMs() + lifeMs })
    if (cache.size <= MAX_CACHED) return
    const [oldest] = cache.keys()
    cache.delete(oldest!)
  }
}

/** Names of the machine's own hosts file are in no DNS. */
async function hostsFile(name: string, family: 4 | 6): Promise<Found<string>> {
  const found = await lookup(name, { family, all: true }).catch(nothing)
  return { values: found.map(({ address }) => address), ttlSec: DEFAULT_TTL_SEC }
}

function isNothing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NOTHING.has(String(error.code))
}

function nothing(error: unknown): never[] {
  if (isNothing(error)) return []
  throw error
}
