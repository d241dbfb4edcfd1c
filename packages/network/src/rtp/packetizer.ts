// Cuts the beat of 20 ms frames into packets of the length that the peer wants, and encodes them.
import { CODECS, createEncoder, type Codec, type Encoder } from '../codec/codec.ts'
import { FRAME_SAMPLES, SAMPLES_PER_MS } from './frame.ts'

/** More never waits for its packet: the longest packet, and the frame that completes it. */
const MAX_WAITING = 60 * SAMPLES_PER_MS + FRAME_SAMPLES

/** Takes one packet's payload, which holds until the next one, and how many samples before the present frame it begins. */
export type OnCut = (payload: Uint8Array, samplesBefore: number) => void

export class Packetizer {
  readonly #waiting = new Int16Array(MAX_WAITING)
  #samples = 0
  #codec: Codec | null = null
  #encoder: Encoder | null = null
  readonly #opusComplexity: number | undefined

  constructor(opusComplexity?: number) {
    this.#opusComplexity = opusComplexity
  }

  /** Cuts the packets that `frame` (20 ms) completes: none, one or two. */
  add(codec: Codec, ptimeMs: number, frame: Int16Array, onCut: OnCut): void {
    const encoder = this.#encoderFor(codec)
    const wanted = ptimeMs * SAMPLES_PER_MS
    if (this.#samples === 0 && wanted === FRAME_SAMPLES) {
      return onCut(encoder.encode(frame), 0)
    }
    const before = this.#samples
    this.#waiting.set(frame, before)
    this.#samples += FRAME_SAMPLES
    let from = 0
    for (; this.#samples - from >= wanted; from += wanted) {
      onCut(encoder.encode(this.#waiting.slice(from, from + wanted)), before - from)
    }
    this.#keepFrom(from)
  }

  /** Cuts what waits as a shorter packet, if there is anything. For a digit that begins between two packets. */
  flush(onCut: OnCut): void {
    const { packetTimesMs } = CODECS[this.#codec ?? 'PCMU']
    const samples = this.#samples
    const fits = packetTimesMs.some((ms) => ms * SAMPLES_PER_MS === samples)
    const pcm = this.#waiting.slice(0, samples)
    this.drop()
    if (this.#encoder && fits) onCut(this.#encoder.encode(pcm), samples)
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
