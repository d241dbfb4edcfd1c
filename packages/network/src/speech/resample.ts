// Sample rate conversion by a polyphase FIR: a Kaiser-windowed sinc, evaluated only where an output sample falls.
import { assert } from '@saperly/kernel'
import { Doubler, Halver } from './half-band.ts'
import { kaiserWindow } from './kaiser.ts'

/** Taps of the prototype per sample of the slower rate: 6 ms of support at 8 kHz, so 3 ms of delay. */
const TAPS_PER_SAMPLE = 48
/** Middle of the transition, as a share of the slower rate: 3.92 kHz at 8 kHz. */
const CUTOFF = 0.49
const MAX_RATE = 192_000
/** Products that are summed apart from each other: in one sum each addition would wait for the one before it. */
const SUMS = 4

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}

/** The low-pass prototype at `up` times the input rate, with a gain of `up` to make good for the stuffed zeros. */
function prototype(length: number, cutoff: number, gain: number): Float64Array {
  const middle = (length - 1) / 2
  return Float64Array.from({ length }, (_, i) => {
    const x = i - middle
    const sinc = x === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * x) / (Math.PI * x)
    return gain * sinc * kaiserWindow(x / middle)
  })
}

/** One stream on its way from one rate to another. Any chunking gives the same samples. */
interface Way {
  /** Output samples by which the result lags behind the input. */
  readonly delaySamples: number
  /** The next samples of the stream, converted; clipped to 16 bits. */
  process(input: Int16Array): Int16Array
}

/** Converts one stream; keeps its history between calls, so any chunking gives the same samples. */
export class Resampler implements Way {
  readonly #way: Way

  /** Rates in Hz, up to 192,000. */
  constructor(fromHz: number, toHz: number) {
    for (const hz of [fromHz, toHz]) {
      assert(Number.isSafeInteger(hz) && hz > 0 && hz <= MAX_RATE, `bad sample rate ${hz}`)
    }
    if (toHz === 2 * fromHz) this.#way = new Doubler()
    else if (fromHz === 2 * toHz) this.#way = new Halver()
    else this.#way = new Polyphase(fromHz, toHz)
  }

  get delaySamples(): number {
    return this.#way.delaySamples
  }

  process(input: Int16Array): Int16Array {
    return this.#way.process(input)
  }
}

/** Any ratio of rates. */
class Polyphase implements Way {
  readonly #up: number
  readonly #down: number
  /** Taps of each of the `up` phases, oldest sample first. */
  readonly #phases: Float64Array[]
  readonly #tapsPerPhase: number
  #history: Float64Array
  /** Position of the next output in units of 1 / (input rate x up), from the first sample not yet consumed. */
  #position = 0
  readonly delaySamples: number

  constructor(fromHz: number, toHz: number) {
    const divisor = greatestDivisor(fromHz, toHz)
    this.#up = toHz / divisor
    this.#down = fromHz / divisor
    const widest = Math.max(this.#up, this.#down)
    this.#tapsPerPhase = SUMS * Math.ceil((TAPS_PER_SAMPLE * widest) / this.#up / SUMS)
    const length = this.#tapsPerPhase * this.#up
    const taps = prototype(length, CUTOFF / widest, this.#up)
    this.#phases = Array.from({ length: this.#up }, (_, phase) =>
      Float64Array.from(
        { length: this.#tapsPerPhase },
        (_, k) => taps[phase + k * this.#up]!,
      ).reverse(),
    )
    this.#history = new Float64Array(this.#tapsPerPhase - 1)
    this.delaySamples = Math.round((length - 1) / 2 / this.#down)
  }

  process(input: Int16Array): Int16Array {
    const kept = this.#history.length
    const line = new Float64Array(kept + input.length)
    line.set(this.#history)
    line.set(input, kept)
    const end = input.length * this.#up
    const count = Math.max(0, Math.ceil((end - this.#position) / this.#down))
    const output = new Int16Array(count)
    for (let i = 0; i < count; i++) {
      output[i] = this.#at(line, Math.floor(this.#position / this.#up))
      this.#position += this.#down
    }
    this.#position -= end
    this.#history = line.slice(line.length - kept)
    return output
  }

  /** The output whose oldest sample stands at `from`. */
  #at(line: Float64Array, from: number): number {
    const taps = this.#phases[this.#position % this.#up]!
    let [a, b, c, d] = [0, 0, 0, 0]
    for (let k = 0, at = from; k < taps.length; k += SUMS, at += SUMS) {
      a += taps[k]! * line[at]!
      b += taps[k + 1]! * line[at + 1]!
      c += taps[k + 2]! * line[at + 2]!
      d += taps[k + 3]! * line[at + 3]!
    }
    return Math.max(-32768, Math.min(32767, Math.round(a + b + c + d)))
  }
}

/** Converts a whole recording; the filter's delay is taken out, so times stay what they were. */
export function resample(pcm: Int16Array, fromHz: number, toHz: number): Int16Array {
  if (fromHz === toHz) return pcm
  const resampler = new Resampler(fromHz, toHz)
  const tail = new Int16Array(Math.ceil((resampler.delaySamples * fromHz) / toHz) + 1)
  const padded = new Int16Array(pcm.length + tail.length)
  padded.set(pcm)
  const from = resampler.delaySamples
  return resampler.process(padded).slice(from, from + Math.round((pcm.length * toHz) / fromHz))
}
