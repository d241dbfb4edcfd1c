// AES-128 in counter mode as SRTP has it (RFC 3711 section 4.1.1): the bytes that are XORed onto a packet.
import { createCipheriv, type Cipher } from 'node:crypto'
import { assert } from '@saperly/kernel'

const BLOCK_BYTES = 16
const SALT_BYTES = 14
/** Enough for the largest packet that is read. */
const MAX_BLOCKS = 96
/** Packets of a stream that goes on whose keys are made in one go: asking the cipher costs more than what it does. */
const MAX_AHEAD = 8
const LOW = 0x10000

/** The counter blocks of what is being made. */
const counters = Buffer.alloc(MAX_BLOCKS * BLOCK_BYTES)

/** Keys of consecutive packets of one source. */
interface Made {
  ssrc: number
  first: number
  packets: number
  /** Of each packet. */
  bytes: number
  keys: Uint8Array
}

const NOTHING: Made = { ssrc: 0, first: 0, packets: 0, bytes: 0, keys: new Uint8Array(0) }

export class Keystream {
  /** One cipher for the whole stream: it encrypts counters block by block, and has no state between them. */
  readonly #cipher: Cipher
  readonly #salt: Uint8Array
  readonly #counter = new Uint8Array(SALT_BYTES)
  #made = NOTHING

  /** `key`: 16 bytes, `salt`: 14. */
  constructor(key: Uint8Array, salt: Uint8Array) {
    assert(salt.length === SALT_BYTES, 'a salt is 14 bytes')
    this.#cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
    this.#salt = Uint8Array.from(salt)
  }

  /**
   * At least `length` bytes for one packet, only to be read. The packet's index is 48 bits: `high` the upper 32, `low`
   * the lower 16.
   */
  take(ssrc: number, high: number, low: number, length: number): Uint8Array {
    const index = high * LOW + low
    const last = this.#made
    const ahead = index - last.first
    const known = ssrc === last.ssrc && length <= last.bytes
    if (known && ahead >= 0 && ahead < last.packets) return keyOf(last, ahead)
    // Whoever asks for the next packet will ask for the one after it.
    const goesOn = known && ahead === last.packets
    this.#made = this.#make(ssrc, index, length, goesOn ? MAX_AHEAD : 1)
    return keyOf(this.#made, 0)
  }

  #make(ssrc: number, first: number, length: number, wanted: number): Made {
    const blocks = Math.ceil(length / BLOCK_BYTES)
    assert(blocks <= MAX_BLOCKS, 'a packet is longer than the keystream may be')
    const packets = Math.max(1, Math.min(wanted, Math.floor(MAX_BLOCKS / blocks)))
    for (let packet = 0, at = 0; packet < packets; packet++, at += blocks * BLOCK_BYTES) {
      this.#count(ssrc, first + packet, at, blocks)
    }
    const bytes = blocks * BLOCK_BYTES
    const keys = this.#cipher.update(counters.subarray(0, packets * bytes))
    return {
      ssrc,
      first,
      packets,
      bytes,
      keys: new Uint8Array(keys.buffer, keys.byteOffset, keys.length),
    }
  }

  /** Writes the counters of one packet. */
  #count(ssrc: number, index: number, from: number, blocks: number): void {
    this.#begin(ssrc, Math.floor(index / LOW), index % LOW)
    const counter = this.#counter
    for (let block = 0, at = from; block < blocks; block++, at += BLOCK_BYTES) {
      for (let i = 0; i < SALT_BYTES; i++) counters[at + i] = counter[i]!
      counters[at + 14] = block >> 8
      counters[at + 15] = block
    }
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

function keyOf({ keys, bytes }: Made, packet: number): Uint8Array {
  return keys.subarray(packet * bytes, (packet + 1) * bytes)
}
