// What the ears are given: everything that came, once and in order, though not always one frame a turn.
//
// A recogniser is best served by waiting when a packet is late: it is given nothing for that turn, and two frames in a
// later one, so that no made-up sound gets between. A recording needs one frame a turn: it gets a silent one for the
// wait, and from then on the frames a little later, all of them, until the peer pauses.
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
  /** Frames that the ears have had and the recording has not, at most as many as turns were waited. */
  readonly #unrecorded: Int16Array[] = []

  constructor(jitter: JitterBuffer) {
    this.#jitter = jitter
  }

  turn(nowMs: number): HeardTurn {
    const taken = this.#jitter.take(nowMs)
    if (taken.kind === 'paused' && this.#owed < MAX_OWED) {
      this.#owed++
      return { recorded: this.#record([]), heard: [] }
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
    return { recorded: this.#record(heard), heard }
  }

  /** The next frame of the recording. */
  #record(heard: readonly Taken[]): Int16Array {
    const sound = heard.filter(({ kind }) => kind !== 'silence')
    this.#unrecorded.push(...sound.map(({ frame }) => frame))
    this.#unrecorded.splice(0, Math.max(0, this.#unrecorded.length - MAX_OWED - 1))
    return this.#unrecorded.shift() ?? silentFrame()
  }
}
