// Where a SIP message goes next: a literal address, the protocol that carries it, and the name it must prove to be.
import { isIP } from 'node:net'
import { bareHost } from './uri.ts'

/** As Via writes it. */
export type Protocol = 'UDP' | 'TCP' | 'TLS'

/** A literal IP address and a port. */
export interface Endpoint {
  address: string
  port: number
}

/** One step of a message. On a connection that the peer opened, `port` is the peer's own and nobody listens there. */
export interface Hop extends Endpoint {
  protocol: Protocol
  /** TLS: the host as configured, which the certificate has to show; null checks the address instead. */
  serverName: string | null
}

/** RFC 3261 section 19.1.2. */
export const DEFAULT_PORTS: Readonly<Record<Protocol, number>> = { UDP: 5060, TCP: 5060, TLS: 5061 }

/** Whether nothing has to be sent again there (RFC 3261 section 17). */
export function isReliable({ protocol }: Hop): boolean {
  return protocol !== 'UDP'
}

export function udpHop({ address, port }: Endpoint): Hop {
  return { address, port, protocol: 'UDP', serverName: null }
}

/** Whether both are the same socket of the same peer, whatever name it goes by. */
export function sameSocket(a: Hop, b: Hop): boolean {
  return a.address === b.address && a.port === b.port && a.protocol === b.protocol
}

/** `host:port` with a literal address; IPv6 in brackets. Null when it is none. */
export function parseEndpoint(text: string): Endpoint | null {
  const found = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(text)
  if (!found) return null
  const address = bareHost(found[1]!)
  const port = Number(found[2])
  return isIP(address) !== 0 && port >= 1 && port <= 65_535 ? { address, port } : null
}

export function formatEndpoint(endpoint: Endpoint): string {
  const { address, port } = endpoint
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

const HOP = /^(?:(UDP|TCP|TLS) )?(\S{1,100})(?: ([A-Za-z0-9._-]{1,253}))?$/

/** Reads what {@link formatHop} wrote; an endpoint alone is UDP. Null when it is neither. */
export function parseHop(text: string): Hop | null {
  const found = HOP.exec(text)
  const endpoint = found && parseEndpoint(found[2]!)
  if (!endpoint) return null
  const protocol = (found[1] ?? 'UDP') as Protocol
  return { ...endpoint, protocol, serverName: found[3] ?? null }
}

/** `host:port` for UDP, otherwise `TLS host:port name`, so that what was stored before TCP still means the same. */
export function formatHop(hop: Hop): string {
  const at = formatEndpoint(hop)
  if (hop.protocol === 'UDP') return at
  return `${hop.protocol} ${at}${hop.serverName === null ? '' : ` ${hop.serverName}`}`
}
