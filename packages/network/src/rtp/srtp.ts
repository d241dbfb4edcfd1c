// Secured RTP: encryption, authentication and the packet index of both directions (RFC 3711 sections 3.3 and 4).
import { HmacSha1 } from './hmac-sha1.ts'
import { Keystream } from './keystream.ts'
import { headerBytes, MAX_RTP_BYTES, readU32, RTP_HEADER_BYTES } from './packet.ts'
import { ReplayWindow } from './replay.ts'
import { deriveKeys, RTP_TAG_BYTES, type SrtpSuite } from './srtp-keys.ts'

const SEQUENCES = 0x10000
const HALF = 0x8000
/** Sources of one peer that are remembered; a telephone has one at a time, and a new one after a transfer. */
const MAX_SOURCES = 16

/** What is sent on one leg: one source, in order. */
export class SrtpSender {
  readonly #keystream: Keystream
  readonly #hmac: HmacSha1
  readonly #tagBytes: number
  #rollover = 0
  #lastSequence = -1

  /** `master`: 30 bytes, used by nobody else. */
  constructor(suite: SrtpSuite, master: Uint8Array) {
    const { cipherKey, authKey, salt } = deriveKeys(master, 'rtp')
    this.#keystream = new Keystream(cipherKey, salt)
    this.#hmac = new HmacSha1(authKey)
    this.#tagBytes = RTP_TAG_BYTES[suite]
  }

  /** The secured form of a well-formed RTP packet of ours, in a buffer of its own. */
  protect(packet: Uint8Array): Uint8Array {
    const sequence = sequenceOf(packet)
    if (sequence < this.#lastSequence) this.#rollover = (this.#rollover + 1) >>> 0
    this.#lastSequence = sequence
    const size = packet.length
    const start = headerBytes(packet) ?? RTP_HEADER_BYTES
    const bytes = Buffer.allocUnsafe(size + this.#tagBytes)
    bytes.set(packet)
    const key = this.#keystream.take(readU32(packet, 8), this.#rollover, sequence, size - start)
    for (let i = start; i < size; i++) bytes[i] = packet[i]! ^ key[i - start]!
    const tag = this.#hmac.digest(bytes, size, this.#rollover)
    for (let i = 0; i < this.#tagBytes; i++) bytes[size + i] = tag[i]!
    return bytes
  }
}

/** What is received on one leg under one key of the peer. */
export class SrtpReceiver {
  readonly #keystream: Keystream
  readonly #hmac: HmacSha1
  readonly #tagBytes: number
  readonly #mkiBytes: number
  readonly #sources = new Map<number, ReplayWindow>()
  /** Highest indices under the peer's last key, by source. */
  readonly #before = new Map<number, number>()

  /**
   * `before` is the receiver under the peer's last key, if any: some peers go on counting their rollovers under a new
   * key, others begin again.
   */
  constructor(
    suite: SrtpSuite,
    master: Uint8Array,
    mkiBytes: number = 0,
    before: SrtpReceiver | null = null,
  ) {
    const { cipherKey, authKey, salt } = deriveKeys(master, 'rtp')
    this.#keystream = new Keystream(cipherKey, salt)
    this.#hmac = new HmacSha1(authKey)
    this.#tagBytes = RTP_TAG_BYTES[suite]
    this.#mkiBytes = mkiBytes
    if (before) for (const [ssrc, { highest }] of before.#sources) this.#before.set(ssrc, highest)
  }

  /** The RTP packet in `data`, in a buffer of its own; null when it is malformed, forged, or was taken before. */
  unprotect(data: Uint8Array): Uint8Array | null {
    const end = data.length - this.#tagBytes - this.#mkiBytes
    if (data.length > MAX_RTP_BYTES || end < RTP_HEADER_BYTES) return null
    const start = headerBytes(data.subarray(0, end))
    if (start === null) return null
    const ssrc = readU32(data, 8)
    const index = this.#authenticate(data, end, ssrc)
    if (index === null) return null
    const rollover = Math.floor(index / SEQUENCES)
    const key = this.#keystream.take(ssrc, rollover, index % SEQUENCES, end - start)
    const bytes = Buffer.allocUnsafe(end)
    for (let i = 0; i < start; i++) bytes[i] = data[i]!
    for (let i = start; i < end; i++) bytes[i] = data[i]! ^ key[i - start]!
    return bytes
  }

  /** The packet's index when its tag is right and it is new; it is then noted as taken. */
  #authenticate(data: Uint8Array, end: number, ssrc: number): number | null {
    const sequence = sequenceOf(data)
    const known = this.#sources.get(ssrc)
    if (known) {
      const index = guessIndex(known.highest, sequence)
      if (index < 0 || !known.isNew(index) || !this.#isGenuine(data, end, index)) return null
      known.take(index)
      return index
    }
    for (const index of this.#firstIndices(ssrc, sequence)) {
      if (!this.#isGenuine(data, end, index)) continue
      this.#remember(ssrc, index)
      return index
    }
    return null
  }

  #isGenuine(data: Uint8Array, end: number, index: number): boolean {
    const tag = this.#hmac.digest(data, end, Math.floor(index / SEQUENCES))
    return sameBytes(data, data.length - this.#tagBytes, tag, this.#tagBytes)
  }

  /** Indices that the first packet of a source may have. */
  #firstIndices(ssrc: number, sequence: number): number[] {
    const highest = this.#before.get(ssrc)
    if (highest === undefined) return [sequence]
    return [sequence, Math.max(0, guessIndex(highest, sequence))]
  }

  #remember(ssrc: number, index: number): void {
    const window = new ReplayWindow()
    window.take(index)
    this.#sources.set(ssrc, window)
    if (this.#sources.size <= MAX_SOURCES) return
    const [oldest] = this.#sources.keys()
    this.#sources.delete(oldest!)
  }
}

function sequenceOf(packet: Uint8Array): number {
  return (packet[2]! << 8) | packet[3]!
}

/** The index nearest to the highest one that has this sequence number (appendix A); negative when there is none. */
export function guessIndex(highest: number, sequence: number): number {
  const base = highest - (highest % SEQUENCES)
  const difference = sequence - (highest % SEQUENCES)
  if (difference > HALF) return base - SEQUENCES + sequence
  return difference < -HALF ? base + SEQUENCES + sequence : base + sequence
}

/** Compares in a time that doesn't tell where the difference is. */
export function sameBytes(
  data: Uint8Array,
  at: number,
  expected: Uint8Array,
  length: number,
): boolean {
  let difference = 0
  for (let i = 0; i < length; i++) difference |= data[at + i]! ^ expected[i]!
  return difference === 0
}
