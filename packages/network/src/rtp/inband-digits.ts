// Telephone keys heard in the sound itself (ITU-T Q.23, Q.24), for peers that have no other way of telling them.
//
// Every 10 ms the last 20 ms are measured at the eight tones with the Goertzel algorithm. A key sounds when one tone of
// each group stands out, both are about as loud as each other, most of the sound is in them, and none of it in their
// harmonics, of which a voice has plenty. It counts after 40 ms of it, once, until 30 ms have gone by without.
import { COLUMNS_HZ, KEYPAD, ROWS_HZ } from '../codec/keypad.ts'
import { digitOfEvent } from './dtmf.ts'
import { FRAME_SAMPLES, SAMPLE_RATE } from './frame.ts'

const WINDOW = FRAME_SAMPLES
const STEP = WINDOW / 2
/** Windows in a row that make a key, and that end it. */
const KEY_WINDOWS = 3
const END_WINDOWS = 3
/** Mean square of the quietest key that is believed: -40 dBFS. */
const MIN_POWER = 32_768 ** 2 / 1e4
/** How much louder the high tone may be than the low one, and the low one than the high one (as power): 6 and 9 dB. */
const MAX_HIGH_ABOVE_LOW = 10 ** 0.6
const MAX_LOW_ABOVE_HIGH = 10 ** 0.9
/** A tone against the next loudest of its group, as power: nearly 5 dB. */
const STANDS_OUT = 3
/** Least share of the sound's power in the two tones: pure tones 1.5 % off have three quarters, at 10 dB noise a tenth less. */
const MIN_SHARE = 0.55
/** Most power of a harmonic against its tone: -12 dB. The second one of a low tone lies among the high tones. */
const MAX_HARMONIC = 10 ** -1.2
const ROW_HARMONIC = 3
const COLUMN_HARMONIC = 2

export class InbandDigits {
  /** The last window and a half: two halves of a frame before this one are not needed. */
  readonly #recent = new Float64Array(WINDOW + STEP)
  #candidate: number | null = null
  #windows = 0
  /** The key that sounds and was told. */
  #sounding: number | null = null
  #without = 0

  /** Takes the next 20 ms; the digit that has just been recognised, or null. */
  hear(frame: Int16Array): string | null {
    this.#recent.copyWithin(0, WINDOW)
    this.#recent.set(frame, STEP)
    const first = this.#judge(keyIn(this.#recent.subarray(0, WINDOW)))
    const second = this.#judge(keyIn(this.#recent.subarray(STEP)))
    return first ?? second
  }

  #judge(key: number | null): string | null {
    if (key !== null && key === this.#sounding) {
      this.#without = 0
      return null
    }
    if (this.#sounding !== null && ++this.#without >= END_WINDOWS) this.#sounding = null
    this.#windows = key !== null && key === this.#candidate ? this.#windows + 1 : 1
    this.#candidate = key
    if (key === null || this.#windows < KEY_WINDOWS) return null
    this.#sounding = key
    this.#without = 0
    return digitOfEvent(key)
  }
}

/** Event code of the key that these 20 ms are full of, or null. */
function keyIn(window: Float64Array): number | null {
  let power = 0
  for (let i = 0; i < WINDOW; i++) power += window[i]! * window[i]!
  power /= WINDOW
  if (power < MIN_POWER) return null
  const row = loudest(window, ROWS_HZ)
  const column = row && loudest(window, COLUMNS_HZ)
  if (!column) return null
  const together = row.power + column.power
  if (together < MIN_SHARE * power) return null
  if (column.power > MAX_HIGH_ABOVE_LOW * row.power) return null
  if (row.power > MAX_LOW_ABOVE_HIGH * column.power) return null
  if (powerAt(window, ROW_HARMONIC * row.hertz) > MAX_HARMONIC * row.power) return null
  if (powerAt(window, COLUMN_HARMONIC * column.hertz) > MAX_HARMONIC * column.power) return null
  return KEYPAD[4 * row.index + column.index]!
}

interface Tone {
  index: number
  hertz: number
  power: number
}

/** The one tone of a group that stands out from the others; null when none does. */
function loudest(window: Float64Array, group: readonly number[]): Tone | null {
  let best: Tone | null = null
  let next = 0
  group.forEach((hertz, index) => {
    const power = powerAt(window, hertz)
    if (best === null || power > best.power) {
      next = best?.power ?? 0
      best = { index, hertz, power }
    } else next = Math.max(next, power)
  })
  return best !== null && (best as Tone).power >= STANDS_OUT * next ? best : null
}

/** Power of the window's part at a frequency, as the mean square of a sine that has it (Goertzel). */
function powerAt(window: Float64Array, hertz: number): number {
  const turn = 2 * Math.cos((2 * Math.PI * hertz) / SAMPLE_RATE)
  let last = 0
  let beforeLast = 0
  for (let i = 0; i < WINDOW; i++) {
    const now = window[i]! + turn * last - beforeLast
    beforeLast = last
    last = now
  }
  const energy = last * last + beforeLast * beforeLast - turn * last * beforeLast
  // A sine of amplitude A gives A·N/2 for the magnitude.
  return (2 * energy) / (WINDOW * WINDOW)
}
