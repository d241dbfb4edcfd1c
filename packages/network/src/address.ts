// Literal IP addresses as the system shows them: an IPv4 peer of an IPv6 socket comes in disguise (RFC 4291 section 2.5.5.2).
import { isIPv4, isIPv6 } from 'node:net'

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** An address of the system as everybody else writes it: no disguise, no zone. */
export function fromSystem(address: string): string {
  return MAPPED.exec(address)?.[1] ?? address.replace(/%.*$/, '')
}

/** The address for a socket of that family; IPv4 is disguised for an IPv6 socket. */
export function forFamily(address: string, family: 4 | 6): string {
  return family === 6 && isIPv4(address) ? `::ffff:${address}` : address
}

/** Whether a bound address stands for all of them. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** Whether an address is one of this machine itself. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

export function sameFamily(a: string, b: string): boolean {
  return isIPv6(a) === isIPv6(b)
}
