// Whom a trunk's calls may come from: a list of CIDR blocks, IPv4 and IPv6.
import { BlockList, isIP } from 'node:net'
import { assert } from '@saperly/kernel'

export class SourceList {
  readonly #blocks = new BlockList()

  /** Addresses and blocks (`192.0.2.0/24`, `2001:db8::/32`, `192.0.2.7`); the config's schema has checked them. */
  constructor(blocks: readonly string[]) {
    for (const block of blocks) {
      const [address = '', length] = block.split('/')
      const family = isIP(address)
      assert(family !== 0, 'a source that is no address')
      const bits = length === undefined ? (family === 6 ? 128 : 32) : Number(length)
      this.#blocks.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
    }
  }

  /** IPv4 addresses in IPv6 form (`::ffff:192.0.2.7`) are found under their IPv4 block. */
  has(address: string): boolean {
    const family = isIP(address)
    return family !== 0 && this.#blocks.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
}
