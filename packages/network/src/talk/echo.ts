// Is what comes back our own speech? Compares what is heard with what was sent, at a quarter of the rate.
import { FRAME_SAMPLES } from '../speech/pcm.ts'
import { levelDb } from './activity.ts'

const DECIMATION = 4
const FRAME = FRAME_SAMPLES / DECIMATION
/** Frames that are compared: one alone is too short to be known again. */
const COMPARED_FRAMES = 3
/** Longest way of an echo, frames: 320 ms. */
const MAX_DELAY_FRAMES = 16
/** An echo is weaker than what was sent by at least this much; a voice as loud as ours is nobody's echo. */
const MIN_LOSS_DB = 10
/** Likeness, -1 to 1, from which it is one. */
const LIKENESS = 0.5
/** We say nothing below this level, dBFS. */
const SILENT_DB = -60

const WINDOW = FRAME * COMPARED_FRAMES
const KEPT = FRAME * (MAX_DELAY_FRAMES + COMPARED_FRAMES)

/** Follows one leg: `sent` and `isEcho` once each per 20 ms. */
export class EchoGuard {
  /** Newest last, both. */
  readonly #ours = new Float64Array(KEPT)
  readonly #theirs = new Float64Array(WINDOW)
  readonly #levels: number[] = []

  /** What goes out in these 20 ms; null for silence. */
  sent(frame: Int16Array | null): void {
    push(this.#ours, frame)
    this.#levels.push(frame ? levelDb(frame) : -Infinity)
    if (this.#levels.length > MAX_DELAY_FRAMES + COMPARED_FRAMES) this.#levels.shift()
  }

  /** Whether the next frame, in which a voice was found if `voiced`, is our own speech come back. */
  isEcho(frame: Int16Array, voiced: boolean): boolean {
    push(this.#theirs, frame)
    if (!voiced) return false
    const ourDb = Math.max(-Infinity, ...this.#levels)
    if (ourDb < SILENT_DB || levelDb(frame) > ourDb - MIN_LOSS_DB) return false
    return this.#likeness() >= LIKENESS
  }

  /** Best correlation with anything that was sent. */
  #likeness(): number {
    const ours = this.#ours
    const theirs = this.#theirs
    const theirEnergy = energyOf(theirs)
    let ourEnergy = energyOf(ours.subarray(0, WINDOW))
    let best = 0
    for (let from = 0; from + WINDOW <= KEPT; from++) {
      let product = 0
      for (let i = 0; i < WINDOW; i++) product += theirs[i]! * ours[from + i]!
      if (product > 0) best = Math.max(best, product / Math.sqrt(theirEnergy * ourEnergy + 1))
      ourEnergy += (ours[from + WINDOW] ?? 0) ** 2 - ours[from]! ** 2
    }
    return best
  }
}

function energyOf(samples: Float64Array): number {
  let sum = 0
  for (let i = 0; i < samples.length; i++) sum += samples[i]! ** 2
  return sum
}

/** Shifts a frame in at the end, each four samples as their mean. */
function push(ring: Float64Array, frame: Int16Array | null): void {
  ring.copyWithin(0, FRAME)
  const end = ring.length - FRAME
  for (let i = 0; i < FRAME; i++) {
    let sum = 0
    for (let j = 0; frame && j < DECIMATION; j++) sum += frame[i * DECIMATION + j]!
    ring[end + i] = sum / DECIMATION
  }
}
