// Finds transmissions of tones in a stream of frames, at any sample offset, and reads what they say.
import { assert } from '@saperly/kernel'
import { FRAME_SAMPLES, SAMPLE_RATE } from './pcm.ts'
import { CHECKSUM_START, checksum, HEADER_NIBBLES, LEAD_IN, SYNC, toneHz, TONES } from './tone.ts'

/** Analysis windows per symbol: the sync word is found to within 10 samples. */
const HOPS = 8
const HOP_SAMPLES = FRAME_SAMPLES / HOPS
/** Longest utterance, frames: 60 s. */
export const MAX_TONE_FRAMES = 3000
/** Share of a window's energy in one tone, from which on that tone is there; noise alone stays far below. */
const TONE_SHARE = 0.3
/** The same, averaged over a sync word. */
const SYNC_SHARE = 0.5
/** Windows with less than this mean square hold nothing (about -66 dBFS). */
const SILENCE = 16 ** 2
/** Stray tones after an early end that still pass for an echo or a click. */
const MAX_STRAY_SYMBOLS = 2

const COS = table(Math.cos)
const SIN = table(Math.sin)

function table(wave: (angle: number) => number): Float64Array[] {
  return Array.from({ length: TONES }, (_, tone) =>
    Float64Array.from({ length: FRAME_SAMPLES }, (_x, i) =>
      wave((2 * Math.PI * toneHz(tone) * i) / SAMPLE_RATE),
    ),
  )
}

export interface ToneResult {
  /** Empty when nothing was heard, or when it was damaged. */
  text: string
  /** `whole`: every transmission ended as it should. `cut`: the last one is a prefix. */
  quality: 'whole' | 'cut' | 'damaged' | 'nothing'
}

/** Where a transmission that begins at a hop ends, and what it says. */
interface Transmission {
  text: string
  quality: 'whole' | 'cut' | 'damaged'
  endHop: number
}

/** Takes an utterance frame by frame (some 40 µs each); `finish` then only reads what was measured. */
export class ToneDecoder {
  /** Per hop, the share of energy in each tone. */
  readonly #shares: Float32Array[] = []
  readonly #line = new Int16Array(2 * FRAME_SAMPLES)
  #frames = 0

  /**
   * False once the utterance is too long. Silent frames are left out: a machine that is late plays some in the midst
   * of a transmission, and then goes on where it was.
   */
  write(frame: Int16Array): boolean {
    assert(frame.length === FRAME_SAMPLES, `tone decoder got ${frame.length} samples`)
    if (this.#frames >= MAX_TONE_FRAMES) return false
    this.#frames++
    if (frame.reduce((sum, x) => sum + x * x, 0) >= SILENCE * FRAME_SAMPLES) this.#push(frame)
    return true
  }

  /** Reads all transmissions of the utterance; two in a row are joined by a space. */
  finish(): ToneResult {
    // One more frame of silence lets the windows reach the end of the last symbol.
    this.#push(new Int16Array(FRAME_SAMPLES))
    const texts: string[] = []
    let quality: ToneResult['quality'] = 'nothing'
    for (let hop = this.#findSync(0); hop >= 0;) {
      const sent = this.#read(hop + SYNC.length * HOPS)
      const next = this.#findSync(sent.endHop)
      if (sent.quality === 'damaged' || (sent.quality === 'cut' && this.#goesOn(sent, next))) {
        return { text: '', quality: 'damaged' }
      }
      texts.push(sent.text)
      quality = sent.quality
      hop = next
    }
    const text = texts.filter((part) => part !== '').join(' ')
    return { text, quality: text === '' && quality === 'cut' ? 'nothing' : quality }
  }

  #push(frame: Int16Array): void {
    this.#line.copyWithin(0, FRAME_SAMPLES)
    this.#line.set(frame, FRAME_SAMPLES)
    for (let hop = 0; hop < HOPS; hop++) this.#shares.push(this.#measure(hop * HOP_SAMPLES))
  }

  #measure(from: number): Float32Array {
    const shares = new Float32Array(TONES)
    let energy = 0
    for (let i = 0; i < FRAME_SAMPLES; i++) energy += this.#line[from + i]! ** 2
    if (energy < SILENCE * FRAME_SAMPLES) return shares
    for (let tone = 0; tone < TONES; tone++) {
      const cos = COS[tone]!
      const sin = SIN[tone]!
      let re = 0
      let im = 0
      for (let i = 0; i < FRAME_SAMPLES; i++) {
        const x = this.#line[from + i]!
        re += x * cos[i]!
        im += x * sin[i]!
      }
      shares[tone] = (2 * (re * re + im * im)) / (FRAME_SAMPLES * energy)
    }
    return shares
  }

  /** The hop at which the next sync word begins, or -1. */
  #findSync(from: number): number {
    const last = this.#shares.length - SYNC.length * HOPS
    for (let hop = from; hop <= last; hop++) {
      if (this.#syncShare(hop) < SYNC_SHARE) continue
      let best = hop
      for (let near = hop; near <= Math.min(last, hop + HOPS); near++) {
        if (this.#syncShare(near) > this.#syncShare(best)) best = near
      }
      return best
    }
    return -1
  }

  #syncShare(hop: number): number {
    let sum = 0
    for (const [i, tone] of SYNC.entries()) sum += this.#shares[hop + i * HOPS]![tone]!
    return sum / SYNC.length
  }

  /** The symbol at a hop; -1 where there is none. */
  #symbol(hop: number): number {
    const shares = this.#shares[hop]
    if (!shares) return -1
    const tone = shares.reduce((best, share, i) => (share > shares[best]! ? i : best), 0)
    return shares[tone]! >= TONE_SHARE ? tone : -1
  }

  #symbols(hop: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.#symbol(hop + i * HOPS))
  }

  #read(hop: number): Transmission {
    const bytes: number[] = []
    const result = (quality: Transmission['quality']): Transmission => ({
      text: new TextDecoder().decode(Uint8Array.from(bytes)),
      quality,
      endHop: hop,
    })
    for (let crc = CHECKSUM_START; ;) {
      const [length, high, middle, low] = this.#symbols(hop, HEADER_NIBBLES)
      const nibbles = this.#symbols(hop + HEADER_NIBBLES * HOPS, 2 * Math.max(0, length!))
      if ([length, high, middle, low, ...nibbles].includes(-1)) return result('cut')
      const block = Uint8Array.from(
        { length: length! },
        (_, i) => (nibbles[2 * i]! << 4) | nibbles[2 * i + 1]!,
      )
      crc = checksum(crc, block)
      if (crc !== ((high! << 8) | (middle! << 4) | low!)) {
        return result(this.#newStartIn(hop, nibbles.length) ? 'cut' : 'damaged')
      }
      bytes.push(...block)
      hop += (HEADER_NIBBLES + nibbles.length) * HOPS
      if (length === 0) return result('whole')
    }
  }

  /** True when another transmission begins within the block at `hop`, so that this one was cut there. */
  #newStartIn(hop: number, nibbles: number): boolean {
    const next = this.#findSync(hop)
    return next >= 0 && next <= hop + (HEADER_NIBBLES + nibbles + LEAD_IN.length) * HOPS
  }

  /** True when tones follow where a cut transmission should have ended: then it was not cut but damaged. */
  #goesOn(sent: Transmission, nextSync: number): boolean {
    const until = nextSync < 0 ? this.#shares.length : nextSync - LEAD_IN.length * HOPS
    let hop = sent.endHop
    while (hop < until && this.#symbol(hop) >= 0) hop += HOPS
    let stray = 0
    for (; hop < until; hop += HOPS) if (this.#symbol(hop) >= 0) stray++
    return stray > MAX_STRAY_SYMBOLS
  }
}
