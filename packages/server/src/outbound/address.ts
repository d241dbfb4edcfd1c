// Which network addresses the platform may reach: public ones always, others only where the operator says so.
import { BlockList, isIP } from 'node:net'
import { assert } from '@saperly/kernel'
import type { Environment } from '@saperly/network'

/** `public` may always be reached; the others only by policy. */
export type AddressKind = 'public' | 'loopback' | 'private'

/** What the operator lets outbound requests reach beside the public internet. */
export interface AddressPolicy {
  /** Networks in CIDR notation, or every network. */
  allowPrivateNetworks: readonly string[] | 'all'
  /** Whether requests made for this environment may reach this machine itself. */
  loopbackFor: (environment: Environment) => boolean
}

/** IPv4 ranges that are not the public internet (IANA special-purpose registry, and one cloud's metadata address). */
const RESERVED_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '168.63.129.16/32',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]

/** Parts of the global unicast space 2000::/3 that are not; everything outside of that space is refused anyway. */
const RESERVED_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20']

const reserved = networks([...RESERVED_IPV4, ...RESERVED_IPV6])
const loopback = networks(['127.0.0.0/8', '::1/128'])
const globalUnicast = networks(['2000::/3'])
/** The well-known NAT64 prefix (RFC 6052): the last 32 bits are an IPv4 address. */
const nat64 = networks(['64:ff9b::/96'])

/** Says whether `text` is a network in CIDR notation, of either family. */
export function isCidr(text: string): boolean {
  const [address = '', prefix = '', ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(prefix)) return false
  return Number(prefix) <= (family === 4 ? 32 : 128)
}

/**
 * The policy of a server that listens on `host`: one that is reachable from this machine only lets requests of test
 * keys come back to it.
 */
export function addressPolicy(
  allowPrivateNetworks: readonly string[] | 'all',
  host: string,
): AddressPolicy {
  const listensOnLoopback =
    host === 'localhost' || (isIP(host) !== 0 && kindOf(host) === 'loopback')
  return {
    allowPrivateNetworks,
    loopbackFor: (environment) => environment === 'test' && listensOnLoopback,
  }
}

/** What kind of address this is. Mapped and translated IPv4 addresses count as what they stand for. */
export function kindOf(address: string): AddressKind {
  const family = isIP(address)
  assert(family !== 0, 'not an IP address')
  if (family === 6) {
    const inner = embeddedIPv4(address)
    if (inner !== null) return kindOf(inner)
    if (loopback.check(address, 'ipv6')) return 'loopback'
    if (!globalUnicast.check(address, 'ipv6') || reserved.check(address, 'ipv6')) return 'private'
    return 'public'
  }
  if (loopback.check(address, 'ipv4')) return 'loopback'
  return reserved.check(address, 'ipv4') ? 'private' : 'public'
}

/** Decides for one environment whether an address may be connected to. */
export function addressGuard(
  policy: AddressPolicy,
  environment: Environment,
): (address: string) => boolean {
  if (policy.allowPrivateNetworks === 'all') return () => true
  const allowed = networks(policy.allowPrivateNetworks)
  const ownMachine = policy.loopbackFor(environment)
  return (address) => {
    const kind = kindOf(address)
    if (kind === 'public' || (kind === 'loopback' && ownMachine)) return true
    const plain = embeddedIPv4(address) ?? address
    return allowed.check(plain, isIP(plain) === 4 ? 'ipv4' : 'ipv6')
  }
}

/** The IPv4 address inside an IPv4-mapped (::ffff:0:0/96) or NAT64 (64:ff9b::/96) IPv6 address, or null. */
function embeddedIPv4(address: string): string | null {
  if (isIP(address) !== 6) return null
  const groups = expand(address)
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (!mapped && !nat64.check(address, 'ipv6')) return null
  const [high = 0, low = 0] = groups.slice(6)
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** The eight 16-bit groups of a valid IPv6 address (a zone is dropped). */
function expand(address: string): number[] {
  const plain = address
    .replace(/%.*$/, '')
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a: string, b: string, c: string, d: string) =>
      [(Number(a) << 8) | Number(b), (Number(c) << 8) | Number(d)]
        .map((group) => group.toString(16))
        .join(':'),
    )
  const [head = '', tail] = plain.split('::')
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => parseInt(group, 16))
  const left = parse(head)
  const right = parse(tail ?? '')
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  return [...left, ...Array.from({ length: zeros }, () => 0), ...right]
}

function networks(cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    assert(isCidr(cidr), 'not a network in CIDR notation')
    const [address = '', prefix = ''] = cidr.split('/')
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}
