// AES-128 in counter mode as SRTP has it (RFC 3711 section 4.1.1): the bytes that are XORed onto a packet.
import { createCipheriv, type Cipher } from 'node:crypto'
import { assert } from '@saperly/kernel'

const BLOCK_BYTES = 16
const SALT_BYTES = 14
/** Enough for the largest packet that is read. */
const MAX_BLOCKS = 96

/** The counter blocks of the packet in work. */
const counters = Buffer.alloc(MAX_BLOCKS * BLOCK_BYTES)

export class Keystream {
  /** One cipher for the whole stream: it encrypts counters block by block, and has no state between them. */
  readonly #cipher: Cipher
  readonly #salt: Uint8Array
  readonly #counter = new Uint8Array(SALT_BYTES)

  /** `key`: 16 bytes, `salt`: 14. */
  constructor(key: Uint8Array, salt: Uint8Array) {
    assert(salt.length === SALT_BYTES, 'a salt is 14 bytes')
    this.#cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
    this.#salt = Uint8Array.from(salt)
  }

  /**
   * At least `length` bytes for one packet, a buffer of the caller's own. The packet's index is 48 bits: `high` the upper
   * 32, `low` the lower 16.
   */
  take(ssrc: number, high: number, low: number, length: number): Uint8Array {
    const blocks = Math.ceil(length / BLOCK_BYTES)
    assert(blocks <= MAX_BLOCKS, 'a packet is longer than the keystream may be')
    this.#begin(ssrc, high, low)
    const counter = this.#counter
    for (let block = 0, at = 0; block < blocks; block++, at += BLOCK_BYTES) {
      for (let i = 0; i < SALT_BYTES; i++) counters[at + i] = counter[i]!
      counters[at + 14] = block >> 8
      counters[at + 15] = block
    }
    return this.#cipher.update(counters.subarray(0, blocks * BLOCK_BYTES))
  }

  #begin(ssrc: number, high: number, low: number): void {
    const counter = this.#counter
    counter.set(this.#salt)
    counter[4]! ^= ssrc >>> 24
    counter[5]! ^= ssrc >>> 16
    counter[6]! ^= ssrc >>> 8
    counter[7]! ^= ssrc
    counter[8]! ^= high >>> 24
    counter[9]! ^= high >>> 16
    counter[10]! ^= high >>> 8
    counter[11]! ^= high
    counter[12]! ^= low >>> 8
    counter[13]! ^= low
  }
}
