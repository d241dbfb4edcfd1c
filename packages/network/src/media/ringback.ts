// The tone that a caller hears while a target rings: 440 and 480 Hz, two seconds of sound and four of silence.
import { FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE } from '../rtp/frame.ts'

/** The precise tone plan of North America (ITU-T E.180 supplement 2). */
const HERTZ = [440, 480] as const
/** Peak of each of the two, about -19 dBm0. */
const PEAK = 2500
const SOUND_FRAMES = 2000 / FRAME_MS
const CYCLE_FRAMES = 6000 / FRAME_MS

export class Ringback {
  #frame = 0

  /** The next 20 ms; null in the pauses. */
  next(): Int16Array | null {
    const at = this.#frame
    this.#frame = (at + 1) % CYCLE_FRAMES
    if (at >= SOUND_FRAMES) return null
    return Int16Array.from({ length: FRAME_SAMPLES }, (_, i) => {
      const turns = (2 * Math.PI * (at * FRAME_SAMPLES + i)) / SAMPLE_RATE
      return Math.round(HERTZ.reduce((sum, hertz) => sum + PEAK * Math.sin(hertz * turns), 0))
    })
  }
}
