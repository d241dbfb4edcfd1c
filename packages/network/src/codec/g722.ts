// G.722 at 64 kbit/s (ITU-T G.722): the lower sub-band's ADPCM, which carries the telephone band.
//
// G.722 splits 16 kHz sound into two bands of 8 kHz and codes each for itself: six bits for the lower, two for the upper.
// The sound of this network plane is the lower band already, so it is coded without the splitting filters: the upper
// band is sent as silence, and not listened to.

/** Bits of the upper band that let it die away: the smallest step, again and again. */
const UPPER_SILENCE = 0xc0
const MAX_LOG_SCALE = 18_432
const FIRST_STEP = 32
/** Taps of the predictor's zeros. */
const ZEROS = 6

/** Decision levels of the 60-level quantiser, in units of the step / 4096; the 30th interval is open. */
const DECISIONS = [
  0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023,
  1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
]
/** The interval, 1 to 30, of each multiple of the step / 4096; looking it up takes a third of the time of searching. */
const INTERVALS = Uint8Array.from({ length: DECISIONS.at(-1)! + 2 }, (_, reach) => {
  const interval = DECISIONS.findIndex((level, i) => i > 0 && level >= reach)
  return interval < 0 ? DECISIONS.length : interval
})
/** Output levels by code: of all six bits for what is heard, and of the upper four for the predictor. */
const LEVELS_64 = Int16Array.from([
  -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
  -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400,
  -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232,
  9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688,
  1360, 1040, 728, 432, 136, -432, -136,
])
const LEVELS_16 = Int16Array.from([
  0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200,
  0,
])
/** How the logarithm of the step changes with the upper four bits. */
const STEP_CHANGES = Int16Array.from([
  -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
])
/** 2048 times the n-th 32nd root of two: the step of a logarithm's fraction. */
const POWERS = Int16Array.from({ length: 32 }, (_, i) => Math.round(2048 * 2 ** (i / 32)))

function saturate(value: number): number {
  return value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value
}

/** What encoder and decoder know alike: the step of the quantiser, and what the next sample is likely to be. */
class LowerBand {
  step: number = FIRST_STEP
  /** The next sample, predicted. */
  prediction: number = 0
  #logScale = 0
  /** The part of the prediction that comes from the zeros. */
  #fromZeros = 0
  /** The last two samples, and the last two partial ones, newest first. */
  #sample1 = 0
  #sample2 = 0
  #partial1 = 0
  #partial2 = 0
  #pole1 = 0
  #pole2 = 0
  readonly #zeros = new Int32Array(ZEROS)
  /** Twice the last differences, newest first: the filter takes them so. */
  readonly #doubled = new Int32Array(ZEROS)

  /** Takes one sample's upper four bits; both sides do it with every sample. */
  adapt(code: number): void {
    const difference = (this.step * LEVELS_16[code]!) >> 15
    this.#scale(code)
    const partial = saturate(this.#fromZeros + difference)
    this.#adaptPoles(partial)
    this.#fromZeros = this.#adaptZeros(difference)
    this.#sample2 = this.#sample1
    this.#sample1 = saturate(this.prediction + difference)
    this.#partial2 = this.#partial1
    this.#partial1 = partial
    this.#predict()
  }

  #scale(code: number): void {
    const scale = ((this.#logScale * 127) >> 7) + STEP_CHANGES[code]!
    this.#logScale = scale < 0 ? 0 : scale > MAX_LOG_SCALE ? MAX_LOG_SCALE : scale
    const shift = 8 - (this.#logScale >> 11)
    const power = POWERS[(this.#logScale >> 6) & 31]!
    this.step = (shift < 0 ? power << -shift : power >> shift) << 2
  }

  #adaptPoles(partial: number): void {
    const like1 = partial < 0 === this.#partial1 < 0
    const like2 = partial < 0 === this.#partial2 < 0
    const slope = saturate(this.#pole1 << 2)
    const turned = like1 ? Math.min(-slope, 32_767) : slope
    const wanted2 = (like2 ? 128 : -128) + (turned >> 7) + ((this.#pole2 * 32_512) >> 15)
    const pole2 = wanted2 > 12_288 ? 12_288 : wanted2 < -12_288 ? -12_288 : wanted2
    const wanted1 = saturate((like1 ? 192 : -192) + ((this.#pole1 * 32_640) >> 15))
    const limit = saturate(15_360 - pole2)
    this.#pole2 = pole2
    this.#pole1 = wanted1 > limit ? limit : wanted1 < -limit ? -limit : wanted1
  }

  /** Moves the zeros by the signs of the last differences, lets the new one in, and gives their next prediction. */
  #adaptZeros(difference: number): number {
    const zeros = this.#zeros
    const doubled = this.#doubled
    const weight = difference === 0 ? 0 : 128
    const negative = difference < 0
    const newest = saturate(2 * difference)
    let sum = 0
    for (let i = ZEROS - 1; i >= 0; i--) {
      const change = doubled[i]! < 0 === negative ? weight : -weight
      // Leaks by a 256th, and so stays within 16 bits.
      const zero = change + ((zeros[i]! * 32_640) >> 15)
      const sample = i > 0 ? doubled[i - 1]! : newest
      zeros[i] = zero
      doubled[i] = sample
      sum += (zero * sample) >> 15
    }
    return saturate(sum)
  }

  #predict(): void {
    const fromPoles = saturate(
      ((this.#pole1 * saturate(2 * this.#sample1)) >> 15) +
        ((this.#pole2 * saturate(2 * this.#sample2)) >> 15),
    )
    this.prediction = saturate(fromPoles + this.#fromZeros)
  }
}

export class G722Encoder {
  readonly #band = new LowerBand()

  /** One byte per sample of 8 kHz PCM. */
  encode(pcm: Int16Array): Uint8Array {
    const payload = Buffer.allocUnsafe(pcm.length)
    for (let i = 0; i < pcm.length; i++) {
      const band = this.#band
      // The bands are half as loud as the sound that they make up.
      const error = saturate((pcm[i]! >> 1) - band.prediction)
      const code = quantise(error, band.step)
      band.adapt(code >> 2)
      payload[i] = UPPER_SILENCE | code
    }
    return payload
  }

  close(): void {}
}

export class G722Decoder {
  readonly #band = new LowerBand()

  samplesIn(payload: Uint8Array): number {
    return payload.length
  }

  /** One sample of 8 kHz PCM per byte. */
  decode(payload: Uint8Array): Int16Array {
    const pcm = new Int16Array(payload.length)
    const band = this.#band
    for (let i = 0; i < payload.length; i++) {
      const code = payload[i]! & 0x3f
      const sample = band.prediction + ((band.step * LEVELS_64[code]!) >> 15)
      pcm[i] = 2 * (sample > 16_383 ? 16_383 : sample < -16_384 ? -16_384 : sample)
      band.adapt(code >> 2)
    }
    return pcm
  }

  close(): void {}
}

/** The six bits of a difference: the first interval whose upper decision level reaches it. */
function quantise(error: number, step: number): number {
  const magnitude = error < 0 ? -error - 1 : error
  const reach = Math.ceil(((magnitude + 1) << 12) / step)
  const interval = INTERVALS[reach < INTERVALS.length ? reach : INTERVALS.length - 1]!
  if (error >= 0) return 62 - interval
  return interval < 3 ? 64 - interval : 34 - interval
}
