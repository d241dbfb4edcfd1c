// All the protocols of one node behind one transport: UDP and TCP on the same port, TLS on its own.
import { Fault } from '@saperly/kernel'
import type { Clock, Log } from '@saperly/kernel'
import type { Endpoint, Hop, Protocol } from './hop.ts'
import { openTcp, openTls } from './stream-transport.ts'
import { DEFAULT_TLS_CLIENT } from './tls.ts'
import type { TlsClientSettings, TlsServerSettings } from './tls.ts'
import { openUdp } from './transport.ts'
import type { Transport } from './transport.ts'

export interface TransportsOptions {
  /** Literal address and port for UDP and TCP; port 0 takes one that is free for both. */
  bind: Endpoint
  clock: Clock
  log: Log
  /** Whether anything may come over a connection from an address. Default: everything. */
  accepts?: (address: string) => boolean
  tls?: {
    /** Where TLS listens; 0 takes a free port. Without a `server` nobody listens. */
    port: number
    server: TlsServerSettings | null
    /** How the peer of that name is dealt with; by default the system's CAs decide. */
    client?: (serverName: string | null) => TlsClientSettings
  }
}

/** How often another port is tried when the system gave one that is free for UDP only. */
const MAX_PORT_TRIES = 20

/** Opens UDP, TCP and TLS. Rejects with a Fault when a port or a certificate can't be used; nothing is left open then. */
export async function openTransports(options: TransportsOptions): Promise<Transport> {
  const { bind, tls, ...shared } = options
  const [udp, tcp] = await openPair(options, MAX_PORT_TRIES)
  try {
    const port = tls?.server ? tls.port : udp.local.port
    const secure = await openTls({
      ...shared,
      bind: { address: bind.address, port },
      server: tls?.server ?? null,
      client: tls?.client ?? (() => DEFAULT_TLS_CLIENT),
    })
    return new Transports([udp, tcp, secure])
  } catch (error) {
    await Promise.all([udp.close(), tcp.close()])
    throw error
  }
}

async function openPair(
  options: TransportsOptions,
  triesLeft: number,
): Promise<[Transport, Transport]> {
  const { bind, clock, log, accepts } = options
  const udp = await openUdp(bind)
  try {
    const tcp = await openTcp({ bind: udp.local, clock, log, ...(accepts && { accepts }) })
    return [udp, tcp]
  } catch (error) {
    await udp.close()
    if (bind.port !== 0 || triesLeft <= 1) throw error
    return openPair(options, triesLeft - 1)
  }
}

class Transports implements Transport {
  readonly local: Endpoint
  readonly #members: readonly Transport[]

  constructor(members: readonly [Transport, ...Transport[]]) {
    this.#members = members
    this.local = members[0].local
  }

  at(protocol: Protocol): Endpoint | null {
    return this.#of(protocol)?.at(protocol) ?? null
  }

  holds(hop: Hop): boolean {
    return this.#of(hop.protocol)?.holds(hop) ?? false
  }

  send(data: Buffer, to: Hop, failed: (error: Error) => void): void {
    const member = this.#of(to.protocol)
    if (member) return member.send(data, to, failed)
    queueMicrotask(() =>
      failed(new Fault(`${to.protocol} is not spoken here`, { retryable: false })),
    )
  }

  receive(receiver: (data: Buffer, from: Hop) => void): void {
    for (const member of this.#members) member.receive(receiver)
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()))
  }

  #of(protocol: Protocol): Transport | undefined {
    return this.#members.find((member) => member.at(protocol) !== null)
  }
}
