// HMAC-SHA1 for many short messages under one key (RFC 2104, FIPS 180-4): the two pads are hashed once, and nothing is
// allocated for a message. The system's HMAC object costs more to create than a telephone packet costs to hash.

const BLOCK_BYTES = 64
const LENGTH_BYTES = 8
const START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
export const SHA1_BYTES = 20

/** The schedule and the last blocks of the message in work; a thread hashes one message at a time. */
const schedule = new Int32Array(80)
const tail = new Uint8Array(2 * BLOCK_BYTES)
const inner = new Uint8Array(SHA1_BYTES)

export class HmacSha1 {
  readonly #innerStart = Int32Array.from(START)
  readonly #outerStart = Int32Array.from(START)
  readonly #state = new Int32Array(5)
  readonly #digest = new Uint8Array(SHA1_BYTES)

  /** `key`: at most 64 bytes, more than SRTP uses. */
  constructor(key: Uint8Array) {
    const pad = new Uint8Array(BLOCK_BYTES)
    pad.set(key)
    const mixedWith = (constant: number): Uint8Array => pad.map((byte) => byte ^ constant)
    compress(this.#innerStart, mixedWith(0x36), 0)
    compress(this.#outerStart, mixedWith(0x5c), 0)
  }

  /**
   * The 20 bytes for `data[0..end)`, followed by `word` as four bytes unless it is null. The same array each time: it
   * holds until the next call.
   */
  digest(data: Uint8Array, end: number, word: number | null): Uint8Array {
    const state = this.#state
    state.set(this.#innerStart)
    let at = 0
    for (; at + BLOCK_BYTES <= end; at += BLOCK_BYTES) compress(state, data, at)
    let left = end - at
    for (let i = 0; i < left; i++) tail[i] = data[at + i]!
    if (word !== null) {
      putWord(tail, left, word)
      left += 4
    }
    finish(state, left, BLOCK_BYTES + end + (word === null ? 0 : 4))
    store(state, inner)
    state.set(this.#outerStart)
    tail.set(inner)
    finish(state, SHA1_BYTES, BLOCK_BYTES + SHA1_BYTES)
    store(state, this.#digest)
    return this.#digest
  }
}

/** Closes the message whose last `left` bytes stand in `tail`, and which has `total` bytes with its pad. */
function finish(state: Int32Array, left: number, total: number): void {
  const blocks = left + 1 + LENGTH_BYTES > BLOCK_BYTES ? 2 : 1
  tail[left] = 0x80
  tail.fill(0, left + 1, blocks * BLOCK_BYTES)
  // No datagram has 2^29 bytes: the upper word of the length in bits is zero.
  putWord(tail, blocks * BLOCK_BYTES - 4, total * 8)
  for (let block = 0; block < blocks; block++) compress(state, tail, block * BLOCK_BYTES)
}

function store(state: Int32Array, to: Uint8Array): void {
  for (let i = 0; i < 5; i++) putWord(to, 4 * i, state[i]!)
}

function putWord(to: Uint8Array, at: number, word: number): void {
  to[at] = word >>> 24
  to[at + 1] = word >>> 16
  to[at + 2] = word >>> 8
  to[at + 3] = word
}

/** One block of 64 bytes (FIPS 180-4 section 6.1.2). */
function compress(state: Int32Array, data: Uint8Array, at: number): void {
  const w = schedule
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!
  }
  for (let i = 16; i < 80; i++) {
    const mixed = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!
    w[i] = (mixed << 1) | (mixed >>> 31)
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  // Four loops rather than one that asks each time which round it is: they are a third faster.
  for (let i = 0; i < 20; i++) {
    const next = (((a << 5) | (a >>> 27)) + ((b & c) | (~b & d)) + e + 0x5a827999 + w[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 20; i < 40; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + w[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 40; i < 60; i++) {
    const most = (b & c) | (b & d) | (c & d)
    const next = (((a << 5) | (a >>> 27)) + most + e + 0x8f1bbcdc + w[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let i = 60; i < 80; i++) {
    const next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0xca62c1d6 + w[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  state[0] = (state[0]! + a) | 0
  state[1] = (state[1]! + b) | 0
  state[2] = (state[2]! + c) | 0
  state[3] = (state[3]! + d) | 0
  state[4] = (state[4]! + e) | 0
}
