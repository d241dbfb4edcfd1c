// Cuts the beat of 20 ms frames into packets of the length that the peer wants, and encodes them.
import { CODECS, createEncoder, type Codec, type Encoder } from '../codec/codec.ts'
import { FRAME_SAMPLES, SAMPLES_PER_MS } from './frame.ts'

/** More never waits for its packet: the longest packet, and the frame that completes it. */
const MAX_WAITING = 60 * SAMPLES_PER_MS + FRAME_SAMPLES

/** One packet's payload, and how many samples before the present frame it begins. */
export interface Cut {
  payload: Uint8Array
  samplesBefore: number
}

export class Packetizer {
  readonly #waiting = new Int16Array(MAX_WAITING)
  #samples = 0
  #codec: Codec | null = null
  #encoder: Encoder | null = null
  readonly #opusComplexity: number | undefined

  constructor(opusComplexity?: number) {
    this.#opusComplexity = opusComplexity
  }

  /** The packets that `frame` (20 ms) completes: none, one or two. */
  add(codec: Codec, ptimeMs: number, frame: Int16Array): Cut[] {
    const encoder = this.#encoderFor(codec)
    const wanted = ptimeMs * SAMPLES_PER_MS
    if (this.#samples === 0 && wanted === FRAME_SAMPLES) {
      return [{ payload: encoder.encode(frame), samplesBefore: 0 }]
    }
    const before = this.#samples
    this.#waiting.set(frame, before)
    this.#samples += FRAME_SAMPLES
    const cuts: Cut[] = []
    let from = 0
    for (; this.#samples - from >= wanted; from += wanted) {
      const pcm = this.#waiting.slice(from, from + wanted)
      cuts.push({ payload: encoder.encode(pcm), samplesBefore: before - from })
    }
    this.#keepFrom(from)
    return cuts
  }

  /** What waits, as a shorter packet; null when nothing does. For a digit that begins between two packets. */
  flush(): Cut | null {
    const { packetTimesMs } = CODECS[this.#codec ?? 'PCMU']
    const samples = this.#samples
    const fits = packetTimesMs.some((ms) => ms * SAMPLES_PER_MS === samples)
    const pcm = this.#waiting.slice(0, samples)
    this.drop()
    return this.#encoder && fits
      ? { payload: this.#encoder.encode(pcm), samplesBefore: samples }
      : null
  }

  /** Forgets what waits: time has gone by without sound. */
  drop(): void {
    this.#samples = 0
  }

  /** Gives the encoder back. */
  close(): void {
    this.#encoder?.close()
    this.#encoder = null
    this.#codec = null
  }

  #keepFrom(from: number): void {
    this.#waiting.copyWithin(0, from, this.#samples)
    this.#samples -= from
  }

  #encoderFor(codec: Codec): Encoder {
    if (this.#encoder && codec === this.#codec) return this.#encoder
    this.close()
    this.drop()
    this.#codec = codec
    return (this.#encoder = createEncoder(codec, this.#opusComplexity))
  }
}
