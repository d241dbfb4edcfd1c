// Watches how a leg sounds: tells an interval when it sounds better or worse than last told, and the whole call at its end.
import { FRAME_MS } from '../rtp/frame.ts'
import { assess, NO_FIGURES, satisfaction, type StreamFigures } from '../rtp/quality.ts'
import type { MediaQuality } from './port.ts'

export const QUALITY_INTERVAL_MS = 10_000
/** Intervals told of one leg: a line that swings for longer says nothing new. */
export const MAX_INTERVALS_TOLD = 60
const BEST = 5

export class QualityWatch {
  codec = ''
  #turnsLeft = QUALITY_INTERVAL_MS / FRAME_MS
  #before = NO_FIGURES
  /** Class of satisfaction that whoever listens knows of; a good line is taken for granted. */
  #known = BEST
  #told = 0

  /** To be called once a turn: whether an interval has passed. */
  due(): boolean {
    if (--this.#turnsLeft > 0) return false
    this.#turnsLeft = QUALITY_INTERVAL_MS / FRAME_MS
    return true
  }

  /** What is to be told of the interval that ends with these figures; null when that is nothing new. */
  interval(now: StreamFigures): MediaQuality | null {
    const { report, r } = assess(this.codec, this.#before, now)
    this.#before = now
    // On hold, or with the media lost, there is nothing to be judged.
    if (report.packetsReceived === 0 || this.#told >= MAX_INTERVALS_TOLD) return null
    const reached = satisfaction(r)
    if (reached === this.#known) return null
    this.#known = reached
    this.#told++
    return { span: 'interval', ...report }
  }

  /** The whole call; null when there was no media at all. */
  whole(now: StreamFigures): MediaQuality | null {
    if (now.packetsSent + now.packetsReceived === 0) return null
    return { span: 'call', ...assess(this.codec, NO_FIGURES, now).report }
  }
}
