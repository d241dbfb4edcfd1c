// Ids: opaque, prefixed, sortable by creation.
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

export type IdPrefix =
  | 'ws'
  | 'num'
  | 'conn'
  | 'call'
  | 'key'
  | 'con'
  | 'opt'
  | 'txn'
  | 'msg'
  | 'whk'
  | 'dlv'
  | 'evt'
  | 'aud'
  | 'req'
  | 'hold'
  | 'proc'
  | 'rch'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** Makes ids `prefix_` + 10 characters of time (ms, Crockford base 32) + 14 random ones; monotonic in one process. */
export class Ids {
  readonly #clock: Clock
  readonly #random: Random
  #lastMs = 0
  #tail = 0n

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  next(prefix: IdPrefix): string {
    const nowMs = Math.max(this.#clock.now(), this.#lastMs)
    // Inside one millisecond the random tail counts up, so ids keep the order in which they were made.
    this.#tail = nowMs === this.#lastMs ? this.#tail + 1n : this.#fresh()
    this.#lastMs = nowMs
    return `${prefix}_${encode(BigInt(nowMs), 10)}${encode(this.#tail, 14)}`
  }

  #fresh(): bigint {
    // 69 bits leave the top bit free, so that counting up never overflows the 70-bit field.
    return BigInt(`0x${Buffer.from(this.#random.bytes(9)).toString('hex')}`) >> 3n
  }
}

/** The least id that can be made at `ms` or later: whatever was made before is less. */
export function idFloor(prefix: IdPrefix, ms: number): string {
  return `${prefix}_${encode(BigInt(Math.max(0, ms)), 10)}`
}

/** The digits of base 32 as the language writes them, and ours in their places. */
const THEIRS = '0123456789abcdefghijklmnopqrstuv'
const OURS = new Map(Array.from(THEIRS, (digit, index) => [digit, ALPHABET[index]!]))

function encode(value: bigint, length: number): string {
  let text = ''
  for (const digit of value.toString(THEIRS.length)) text += OURS.get(digit)!
  return text.padStart(length, ALPHABET[0])
}
