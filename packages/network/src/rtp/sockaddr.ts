// Addresses as the C library has them (`struct sockaddr_in` and `_in6` of Linux), to and from text.
import { isIPv6 } from 'node:net'
import { forFamily, fromSystem } from '../address.ts'
import { AF_INET, AF_INET6, type Libc, SOCKADDR_BYTES } from './libc.ts'

const PORT_AT = 2
const ADDRESS_AT = { [AF_INET]: 4, [AF_INET6]: 8 }
const BYTES = { [AF_INET]: 16, [AF_INET6]: 28 }
/** INET6_ADDRSTRLEN. */
const TEXT_BYTES = 46

export type Family = typeof AF_INET | typeof AF_INET6

export interface Endpoint {
  address: string
  port: number
}

export function familyOf(address: string): Family {
  return isIPv6(address) ? AF_INET6 : AF_INET
}

export function bytesOf(family: Family): number {
  return BYTES[family]
}

/**
 * Writes a literal address for a socket of `family`; an IPv4 peer of an IPv6 socket is disguised. False for what is none,
 * or is of the other family.
 */
export function writeEndpoint(
  libc: Libc,
  into: Uint8Array,
  family: Family,
  { address, port }: Endpoint,
): boolean {
  into.fill(0)
  const text = forFamily(address, family === AF_INET6 ? 6 : 4)
  if (libc.inet_pton(family, text, into.subarray(ADDRESS_AT[family])) !== 1) return false
  // The family is in the machine's order: all that Node runs on with Linux and prebuilt binaries is little-endian.
  into[0] = family
  into[PORT_AT] = port >> 8
  into[PORT_AT + 1] = port & 0xff
  return true
}

/** The endpoint in `from`, as everybody else writes it: no disguise, no zone. */
export function readEndpoint(libc: Libc, from: Uint8Array, family: Family): Endpoint {
  const text = Buffer.alloc(TEXT_BYTES)
  libc.inet_ntop(family, from.subarray(ADDRESS_AT[family]), text, TEXT_BYTES)
  const address = fromSystem(text.toString('latin1', 0, text.indexOf(0)))
  return { address, port: portOf(from) }
}

export function portOf(from: Uint8Array): number {
  return (from[PORT_AT]! << 8) | from[PORT_AT + 1]!
}

/** The endpoint last asked for, so that a stream of packets to or from one peer costs a comparison each. */
export class LastEndpoint {
  readonly bytes: Uint8Array = new Uint8Array(SOCKADDR_BYTES)
  #endpoint: Endpoint | null = null
  readonly #libc: Libc
  readonly #family: Family

  constructor(libc: Libc, family: Family) {
    this.#libc = libc
    this.#family = family
  }

  /** Makes `bytes` those of an endpoint; false when it can't be one of a peer. */
  write(address: string, port: number): boolean {
    const last = this.#endpoint
    if (last !== null && last.port === port && last.address === address) return true
    const endpoint = { address, port }
    this.#endpoint = writeEndpoint(this.#libc, this.bytes, this.#family, endpoint) ? endpoint : null
    return this.#endpoint !== null
  }

  /** The endpoint that `from` says. */
  read(from: Uint8Array): Endpoint {
    if (this.#endpoint === null || !this.#isLast(from)) {
      this.#endpoint = readEndpoint(this.#libc, from, this.#family)
      this.bytes.set(from)
    }
    return this.#endpoint
  }

  #isLast(from: Uint8Array): boolean {
    for (let at = 0; at < SOCKADDR_BYTES; at++) if (this.bytes[at] !== from[at]) return false
    return true
  }
}
