// What the ears are given: everything that came, once and in order, though not always one frame a turn.
//
// A recogniser is best served by waiting when a packet is late: it is given nothing for that turn, and two frames in a
// later one, so that no made-up sound gets between. A recording needs one frame a turn: for the wait it gets what
// concealment makes up, and from then on the frames a little later, all of them, until the peer pauses. Each of the two
// is concealed by itself, since they miss different frames.
import { Concealer, NOTHING, type Piece } from './concealment.ts'
import type { JitterBuffer, Taken } from './jitter.ts'

/** Turns that the ears may be behind; beyond it they hear what was made up. */
export const MAX_OWED = 5

export interface Heard {
  kind: Taken['kind']
  frame: Int16Array
  /** How long the frame waited in the jitter buffer; 0 when nothing was received for it. */
  heldMs: number
}

export interface HeardTurn {
  /** The one frame of this turn for the recording; null when there is none. */
  recorded: Int16Array | null
  heard: readonly Heard[]
}

export class Hearing {
  readonly #jitter: JitterBuffer
  readonly #forEars = new Concealer()
  readonly #forRecording = new Concealer()
  #owed = 0
  /** Frames that the ears have had and the recording has not, at most as many as turns were waited. */
  readonly #unrecorded: Piece[] = []
  /** A frame was left out of the recording since the last one. */
  #leftOut = false

  constructor(jitter: JitterBuffer) {
    this.#jitter = jitter
  }

  /** `recording`: somebody keeps a recording. */
  turn(nowMs: number, recording: boolean): HeardTurn {
    const taken = this.#jitter.take(nowMs)
    const heard: Heard[] = []
    const give = (one: Taken): void => {
      if (recording && one.kind !== 'silence') this.#unrecorded.push(one)
      heard.push({ kind: one.kind, heldMs: one.heldMs, frame: this.#forEars.render(one) })
    }
    if (taken.kind === 'paused' && this.#owed < MAX_OWED) {
      this.#owed++
    } else {
      give(taken)
      // The peer fell silent: what was waited for was silence too.
      for (; taken.kind === 'silence' && this.#owed > 0; this.#owed--) give(taken)
      while (this.#jitter.hasSurplus(this.#owed > 0)) {
        give(this.#jitter.take(nowMs))
        this.#owed = Math.max(0, this.#owed - 1)
      }
    }
    return { recorded: recording ? this.#record() : null, heard }
  }

  /** The next frame of the recording. */
  #record(): Int16Array {
    const surplus = this.#unrecorded.length - MAX_OWED
    if (surplus > 1) {
      this.#unrecorded.splice(0, surplus - 1)
      this.#leftOut = true
    }
    const piece = this.#unrecorded.shift() ?? NOTHING
    const joined = piece.joined && !this.#leftOut
    this.#leftOut = false
    return this.#forRecording.render(joined ? piece : { ...piece, joined })
  }
}
