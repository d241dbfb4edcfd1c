// From a SIP host to the hops where it is served, in the order in which they are tried (RFC 3263, RFC 2782).
import { isIP } from 'node:net'
import { fail, ok } from '@saperly/kernel'
import type { Clock, Random, Result } from '@saperly/kernel'
import type { Dns, DnsAnswer, NaptrRecord, SrvRecord } from './dns.ts'
import { DEFAULT_PORTS, parseEndpoint } from './hop.ts'
import type { Hop, Protocol } from './hop.ts'
import { bareHost } from './uri.ts'

/** What is looked for. */
export interface Target {
  /** A name, or a literal address with or without brackets. */
  host: string
  /** Given: no services are looked for, only the addresses of the host. */
  port: number | null
  /** Given: no other is used. */
  protocol: Protocol | null
  /** Nothing but TLS will do (`sips`). */
  secure: boolean
  /** TLS: the name that the peer has to prove; null: `host`. */
  serverName: string | null
}

/** `no_such_host`: nothing is known under that name; `no_answer`: the DNS said nothing in time. */
export type ResolveFailure = 'no_such_host' | 'no_answer'

export interface ResolverOptions {
  dns: Dns
  clock: Clock
  random: Random
  /** What we speak, in our order of preference. */
  protocols: readonly Protocol[]
  /** Address families that our sockets reach, in our order of preference. */
  families: readonly (4 | 6)[]
}

/** Hops beyond this are cut off: nobody would wait for all of them. */
export const MAX_HOPS = 16
/** All questions together may take so long, milliseconds. */
export const RESOLVE_LIMIT_MS = 2_500

/** A host that serves SIP over one protocol. */
interface Server {
  protocol: Protocol
  host: string
  port: number
}

const SERVICES: Readonly<Record<string, Protocol>> = {
  'SIP+D2U': 'UDP',
  'SIP+D2T': 'TCP',
  'SIPS+D2T': 'TLS',
}
const SRV_LABELS: Readonly<Record<Protocol, string>> = {
  UDP: '_sip._udp',
  TCP: '_sip._tcp',
  TLS: '_sips._tcp',
}

export class Resolver {
  readonly #options: ResolverOptions

  constructor(options: ResolverOptions) {
    this.#options = options
  }

  /** The hops of a target, at most {@link MAX_HOPS}, in the order in which they are to be tried. Never rejects. */
  async resolve(target: Target): Promise<Result<readonly Hop[], ResolveFailure>> {
    const host = bareHost(target.host)
    if (isIP(host) !== 0) return ok([literal(target, host)])
    const { clock } = this.#options
    const limit = new AbortController()
    const late = clock.sleep(RESOLVE_LIMIT_MS, limit.signal).then(
      () => fail('no_answer' as const),
      () => fail('no_answer' as const),
    )
    const found = await Promise.race([this.#resolve(target), late])
    limit.abort()
    return found
  }

  async #resolve(target: Target): Promise<Result<readonly Hop[], ResolveFailure>> {
    const servers = await this.#servers(target)
    const hops: Hop[] = []
    let failure: ResolveFailure = 'no_such_host'
    for (const { protocol, host, port } of servers) {
      if (hops.length >= MAX_HOPS) break
      const addresses = await this.#addresses(host)
      if (!addresses.ok) failure = addresses.failure
      else hops.push(...addresses.value.map((address) => hopOf(target, protocol, address, port)))
    }
    return hops.length === 0 ? fail(failure) : ok(hops.slice(0, MAX_HOPS))
  }

  /** RFC 3263 sections 4.1 and 4.2. */
  async #servers(target: Target): Promise<Server[]> {
    const { host, port } = target
    if (port !== null) return [{ protocol: chosen(target), host, port }]
    const named = await this.#services(target)
    const lists = await Promise.all(
      named.map(async ({ protocol, name }) => this.#serversOf(protocol, name)),
    )
    const servers = lists.flat()
    if (servers.length > 0) return servers.slice(0, MAX_HOPS)
    const protocol = chosen(target)
    return [{ protocol, host, port: DEFAULT_PORTS[protocol] }]
  }

  /** The names under which services are to be looked for, with the protocol of each. */
  async #services({
    host,
    protocol,
    secure,
  }: Target): Promise<{ protocol: Protocol; name: string }[]> {
    if (secure) return [{ protocol: 'TLS', name: `${SRV_LABELS.TLS}.${host}` }]
    if (protocol !== null) return [{ protocol, name: `${SRV_LABELS[protocol]}.${host}` }]
    const { dns, protocols } = this.#options
    const records = (await answers(dns.naptr(host)))
      .filter(({ flags, service }) => flags.toLowerCase() === 's' && isSpoken(service, protocols))
      .toSorted(byOrder)
      .slice(0, MAX_HOPS)
    if (records.length > 0) {
      return records.map(({ service, replacement }) => ({
        protocol: SERVICES[service.toUpperCase()]!,
        name: replacement,
      }))
    }
    return protocols.map((spoken) => ({ protocol: spoken, name: `${SRV_LABELS[spoken]}.${host}` }))
  }

  /** A target of `.` says that the service is decidedly not there. */
  async #serversOf(protocol: Protocol, name: string): Promise<Server[]> {
    const { dns, random } = this.#options
    const records = (await answers(dns.srv(name))).filter(
      ({ target }) => target !== '' && target !== '.',
    )
    return orderServers(records, random).map(({ target, port }) => ({
      protocol,
      host: target,
      port,
    }))
  }

  async #addresses(host: string): Promise<DnsAnswer<string>> {
    if (isIP(host) !== 0) return ok([host])
    const { dns, families } = this.#options
    const found = await Promise.all(families.map((family) => dns.addresses(host, family)))
    const addresses = found.flatMap((answer) => (answer.ok ? answer.value : []))
    const failed = found.find((answer) => !answer.ok)
    return addresses.length === 0 && failed ? failed : ok(addresses)
  }
}

/** A service that can't be asked for is one that isn't there: the host itself is still to be tried. */
async function answers<T>(question: Promise<DnsAnswer<T>>): Promise<readonly T[]> {
  const answer = await question
  return answer.ok ? answer.value : []
}

function isSpoken(service: string, protocols: readonly Protocol[]): boolean {
  const protocol = SERVICES[service.toUpperCase()]
  return protocol !== undefined && protocols.includes(protocol)
}

function byOrder(a: NaptrRecord, b: NaptrRecord): number {
  return a.order - b.order || a.preference - b.preference
}

function chosen({ protocol, secure }: Target): Protocol {
  return secure ? 'TLS' : (protocol ?? 'UDP')
}

function literal(target: Target, address: string): Hop {
  const protocol = chosen(target)
  return hopOf(target, protocol, address, target.port ?? DEFAULT_PORTS[protocol])
}

/** The certificate has to be for what was configured, and not for where the DNS led (RFC 5922 section 7.1). */
function hopOf(target: Target, protocol: Protocol, address: string, port: number): Hop {
  const { host, serverName } = target
  const name = serverName ?? (isIP(bareHost(host)) === 0 ? host : null)
  return { address, port, protocol, serverName: protocol === 'TLS' ? name : null }
}

/**
 * SRV records in the order in which they are tried: by priority, and within one by chance in proportion to weight; a
 * weight of 0 has a small chance to be first (RFC 2782).
 */
export function orderServers(records: readonly SrvRecord[], random: Random): SrvRecord[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].toSorted((a, b) => a - b)
  return priorities.flatMap((priority) => {
    const left = records.filter((record) => record.priority === priority)
    // Zero weights stand first, so that the draw of 0 means one of them.
    left.sort((a, b) => Math.sign(a.weight) - Math.sign(b.weight))
    // The list shrinks with each draw, so it is not what is walked over.
    return [...left].map(() => draw(left, random))
  })
}

/** Takes one record out of the list by weight. */
function draw(left: SrvRecord[], random: Random): SrvRecord {
  const drawn = random.int(
    0,
    left.reduce((sum, { weight }) => sum + weight, 0),
  )
  let sum = 0
  const at = left.findIndex(({ weight }) => {
    sum += weight
    return sum >= drawn
  })
  return left.splice(at, 1)[0]!
}

/** Reads `host`, `host:port`, `address`, `[address]:port` as a target; null when it is none of them. */
export function parseTarget(
  text: string,
  protocol: Protocol | null,
  serverName: string | null = null,
): Target | null {
  const secure = protocol === 'TLS'
  if (isIP(bareHost(text)) !== 0)
    return { host: bareHost(text), port: null, protocol, secure, serverName }
  const endpoint = parseEndpoint(text)
  if (endpoint) return { host: endpoint.address, port: endpoint.port, protocol, secure, serverName }
  const found = /^([a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?)\.?(?::(\d{1,5}))?$/i.exec(text)
  // Four numbers are an address or a mistake, but no name.
  if (!found || /^[\d.]+$/.test(found[1]!)) return null
  const port = found[2] === undefined ? null : Number(found[2])
  if (port !== null && (port < 1 || port > 65_535)) return null
  return { host: found[1]!.toLowerCase(), port, protocol, secure, serverName }
}
