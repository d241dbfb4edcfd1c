// What the ears are given: everything that came, once and in order, though not always one frame a turn.
//
// A recording needs one frame a turn and gets a made-up one when a packet is late. A recogniser is better served by
// waiting: it is given nothing for that turn, and two frames in a later one, so that no made-up sound gets between.
import { silentFrame } from './frame.ts'
import type { JitterBuffer, Taken } from './jitter.ts'

/** Turns that the ears may be behind; beyond it they hear what was made up. */
export const MAX_OWED = 5

export interface HeardTurn {
  /** The one frame of this turn for the recording. */
  recorded: Int16Array
  heard: readonly Taken[]
}

export class Hearing {
  readonly #jitter: JitterBuffer
  #owed = 0

  constructor(jitter: JitterBuffer) {
    this.#jitter = jitter
  }

  turn(nowMs: number): HeardTurn {
    const taken = this.#jitter.take(nowMs)
    if (taken.kind === 'paused' && this.#owed < MAX_OWED) {
      this.#owed++
      return { recorded: taken.frame, heard: [] }
    }
    const heard = [taken]
    // The peer fell silent: what was waited for was silence too.
    for (; taken.kind === 'silence' && this.#owed > 0; this.#owed--) {
      heard.push({ kind: 'silence', frame: silentFrame(), heldMs: 0 })
    }
    while (this.#jitter.hasSurplus(this.#owed > 0)) {
      heard.push(this.#jitter.take(nowMs))
      this.#owed = Math.max(0, this.#owed - 1)
    }
    return { recorded: taken.frame, heard }
  }
}
