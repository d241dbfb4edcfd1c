// Randomness as a port: the system's in production, seeded in simulation.
import { randomBytes } from 'node:crypto'
import { assert } from './assert.ts'

export interface Random {
  /** `count` bytes; unpredictable in production. */
  bytes(count: number): Uint8Array
  /** A whole number in [low, high], both included. */
  int(low: number, high: number): number
  /** A number in [0, 1). */
  float(): number
}

/** Cryptographically strong randomness of the operating system. */
export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  int: (low, high) => intFrom(randomBytes(6).readUIntBE(0, 6) / 2 ** 48, low, high),
  float: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
}

function intFrom(fraction: number, low: number, high: number): number {
  assert(Number.isSafeInteger(low) && Number.isSafeInteger(high) && low <= high, 'bad random range')
  return low + Math.floor(fraction * (high - low + 1))
}

/** Repeatable randomness (sfc32 over a 32-bit seed). For simulation and tests only. */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = 0xb7e15162
  let d = seed | 0
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 12; i++) next()
  return {
    bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)),
    int: (low, high) => intFrom(next(), low, high),
    float: next,
  }
}

/** Lower-case hex of `count` random bytes: tokens, tags, branches, boundaries. */
export function randomHex(random: Random, count: number): string {
  return Buffer.from(random.bytes(count)).toString('hex')
}
