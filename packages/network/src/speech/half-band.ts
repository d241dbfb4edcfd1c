// Twice the rate, or half of it, by a half-band filter: every second tap of it is zero and the others come in pairs, so
// that a sample costs a sixth of what the general way of `resample.ts` asks for.
import { kaiserWindow } from './kaiser.ts'

/** Pairs of taps beside the middle one: -75 dB at 4.6 kHz and 300–3400 Hz untouched, at 8 kHz. */
const PAIRS = 18
/** Samples before and after the middle that a sample of the faster rate looks at. */
const REACH = 2 * PAIRS - 1

/** `TAPS[k]` stands 2k + 1 samples of the faster rate from the middle, on either side. The middle one is a half. */
const TAPS = Float64Array.from({ length: PAIRS }, (_, k) => {
  const x = 2 * k + 1
  return (Math.sin((Math.PI * x) / 2) / (Math.PI * x)) * kaiserWindow(x / (REACH + 1))
})

/** What both ways have in common: a line of samples that goes on from call to call. */
class Line {
  /** Samples kept from the call before, then those of the present one. */
  samples: Float64Array
  readonly #kept: number

  constructor(kept: number) {
    this.#kept = kept
    this.samples = new Float64Array(kept)
  }

  /** Puts `input` behind what is kept. */
  add(input: Int16Array): Float64Array {
    const wanted = this.#kept + input.length
    if (this.samples.length < wanted) {
      const longer = new Float64Array(wanted)
      longer.set(this.samples.subarray(0, this.#kept))
      this.samples = longer
    }
    const { samples } = this
    for (let i = 0, at = this.#kept; i < input.length; i++, at++) samples[at] = input[i]!
    return samples
  }

  /** Keeps the end of what was added. */
  keep(added: number): void {
    this.samples.copyWithin(0, added, added + this.#kept)
  }
}

/** To twice the rate: each sample goes through as it is, and one is put between every two. */
export class Doubler {
  /** Output samples by which the result lags behind the input. */
  readonly delaySamples: number = 2 * PAIRS
  readonly #line = new Line(2 * PAIRS)

  process(input: Int16Array): Int16Array {
    const line = this.#line.add(input)
    const output = new Int16Array(2 * input.length)
    for (let i = 0, out = 0; i < input.length; i++, out += 2) {
      // The sample that goes through stands at i + PAIRS; the one behind it is between that and the next.
      let sum = 0
      for (let k = 0, left = i + PAIRS, right = i + PAIRS + 1; k < PAIRS; k++, left--, right++) {
        sum += TAPS[k]! * (line[left]! + line[right]!)
      }
      output[out] = line[i + PAIRS]!
      output[out + 1] = clipped(2 * sum)
    }
    this.#line.keep(input.length)
    return output
  }
}

/** To half of the rate. */
export class Halver {
  /** Output samples by which the result lags behind the input. */
  readonly delaySamples: number = PAIRS
  readonly #line = new Line(4 * PAIRS)
  /** The next sample of the input is one that falls away. */
  #odd = false

  process(input: Int16Array): Int16Array {
    const line = this.#line.add(input)
    const first = this.#odd ? 1 : 0
    const count = Math.max(0, Math.ceil((input.length - first) / 2))
    const output = new Int16Array(count)
    for (let out = 0, middle = first + 2 * PAIRS; out < count; out++, middle += 2) {
      let sum = 0.5 * line[middle]!
      for (
        let k = 0, left = middle - 1, right = middle + 1;
        k < PAIRS;
        k++, left -= 2, right += 2
      ) {
        sum += TAPS[k]! * (line[left]! + line[right]!)
      }
      output[out] = clipped(sum)
    }
    if (input.length % 2 === 1) this.#odd = !this.#odd
    this.#line.keep(input.length)
    return output
  }
}

function clipped(sample: number): number {
  return Math.max(-32768, Math.min(32767, Math.round(sample)))
}
