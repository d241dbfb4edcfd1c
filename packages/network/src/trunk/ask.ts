// Asks a trunk once whether it is there: by its DNS, protocol and certificates as a call would, over sockets of its own.
import type { Clock, Log, Random } from '@saperly/kernel'
import { openDns } from '../sip/dns.ts'
import type { Dns } from '../sip/dns.ts'
import { formatHop } from '../sip/hop.ts'
import type { Hop } from '../sip/hop.ts'
import { Resolver } from '../sip/resolver.ts'
import { openTransports } from '../sip/transports.ts'
import { UserAgent } from '../sip/user-agent.ts'
import { MAX_HOPS } from './hosts.ts'
import { TrunkNames } from './names.ts'
import type { TrunkSettings } from './settings.ts'
import { familiesOf, targetOf } from './target.ts'
import { tlsClients } from './tls.ts'

/** One host of a trunk, and the code that it answered OPTIONS with; null for none. */
export interface HostAnswer {
  host: string
  sipCode: number | null
}

export interface AskDeps {
  clock: Clock
  random: Random
  log: Log
  /** Literal address to ask from. */
  address: string
  dns?: Dns
}

/** What each host of a trunk says within `limitMs`; no hosts when its name is not found. Rejects with a Fault when no socket can be bound. */
export async function askTrunk(
  settings: TrunkSettings,
  deps: AskDeps,
  limitMs: number,
): Promise<HostAnswer[]> {
  const { clock, random, log, address, dns } = deps
  const transport = await openTransports({
    bind: {
      address,
      port: 0,
    },
    clock,
    log,
    accepts: () => false,
    tls: {
      port: 0,
      server: null,
      client: tlsClients([settings]),
    },
  })
  const ua = new UserAgent({ transport, clock, random, log, admits: () => false })
  try {
    const resolver = new Resolver({
      dns: dns ?? openDns(clock),
      clock,
      random,
      protocols: ['TLS', 'TCP', 'UDP'],
      families: familiesOf(address),
    })
    const found = await resolver.resolve(targetOf(settings, settings.address))
    const { uri } = new TrunkNames(settings, address)
    const hops = found.ok ? found.value.slice(0, MAX_HOPS) : []
    return await Promise.all(hops.map((hop) => askHop(ua, uri, hop, clock, limitMs)))
  } finally {
    await ua.close()
  }
}

function askHop(
  ua: UserAgent,
  uri: string,
  hop: Hop,
  clock: Clock,
  limitMs: number,
): Promise<HostAnswer> {
  return new Promise((resolve) => {
    const host = formatHop(hop)
    const timer = clock.schedule(limitMs, () => resolve({ host, sipCode: null }))
    ua.options(uri, hop, (sipCode) => {
      timer.cancel()
      resolve({ host, sipCode })
    })
  })
}
