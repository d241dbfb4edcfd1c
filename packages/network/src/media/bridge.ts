// Two legs of one worker, joined: while the target rings its peer hears that, and once joined each hears the other.
//
// A bridge takes the place of the talking part of each leg, so that everything else of a leg (holds, recordings, its
// media timeout) stays as it is: the peer's recording has what the peer hears on its right side, as before.
import { Machine } from '../sip/machine.ts'
import type { Table } from '../sip/machine.ts'
import type { Talk, TalkCommand } from '../talk/port.ts'
import { LATE_FRAME } from '../rtp/frame.ts'
import { Ringback } from './ringback.ts'

/** Frames that wait to be sent on, beyond which the oldest is lost: a stall or a hold shall not delay what follows. */
export const MAX_WAITING_FRAMES = 10
/** A frame that isn't there after so many turns will not come: the far side has nothing to say. */
const MAX_LATE_TURNS = 10
/** A frame whose samples are all below this is a pause, where a delay can be made up for unheard. */
const QUIET_PEAK = 200

/** What a leg lets a bridge do with it. */
export interface Bridgeable {
  /** Puts another talking part in the place of the present one, which `make` is given. */
  replaceTalk(make: (talk: Talk) => Talk): void
  /** Queues digits on the wire; `done` is called when they have been sent, or at once when they can't be. */
  sendDigits(digits: string, done: () => void): void
}

type State = 'apart' | 'ringing' | 'joined'
type Event = 'ring' | 'join' | 'part'
type Action = 'ring' | 'join' | 'part'

/** A joined bridge is for good: the talking parts are closed, so there is nothing to go back to. */
export const BRIDGE_TABLE: Table<State, Event, Action> = {
  apart: { ring: ['ringing', 'ring'], join: ['joined', 'join'], part: 'ignored' },
  ringing: { ring: 'ignored', join: ['joined', 'join'], part: ['apart', 'part'] },
  joined: { ring: 'ignored', join: 'ignored', part: 'ignored' },
}

export class Bridge {
  readonly #machine: Machine<State, Event, Action>

  constructor(peer: Bridgeable, target: Bridgeable) {
    const toPeer = new Crossing()
    const toTarget = new Crossing()
    let own: Talk | null = null
    this.#machine = new Machine<State, Event, Action>(BRIDGE_TABLE, 'apart', {
      ring: () => {
        target.replaceTalk(() => new Relay(null, toPeer, () => {}))
        peer.replaceTalk((talk) => {
          own = talk
          return new Ringing(talk, toPeer)
        })
      },
      join: () => {
        target.replaceTalk((talk) => {
          talk.close()
          return new Relay(toTarget, toPeer, (digit) => peer.sendDigits(digit, () => {}))
        })
        peer.replaceTalk((talk) => {
          talk.close()
          return new Relay(toPeer, toTarget, (digit) => target.sendDigits(digit, () => {}))
        })
      },
      part: () => peer.replaceTalk((talk) => own ?? talk),
    })
  }

  /** The peer hears the target ring, or what it sends before it answers, wherever nothing is said to it. */
  ring(): void {
    this.#machine.step('ring')
  }

  /** Ends the talking of both legs; from now on each hears the other, digits included. */
  join(): void {
    this.#machine.step('join')
  }

  /** The target did not answer: the peer's own talking goes on alone. */
  part(): void {
    this.#machine.step('part')
  }
}

/** Sound on its way from one leg to the other. */
class Crossing {
  readonly #waiting: Int16Array[] = []
  #sounded = false
  #lateTurns = MAX_LATE_TURNS

  /** Whether anything but silence has come. */
  get sounded(): boolean {
    return this.#sounded
  }

  push(frame: Int16Array): void {
    const quiet = frame.every((sample) => Math.abs(sample) < QUIET_PEAK)
    this.#sounded ||= !quiet
    if (quiet && this.#waiting.length > 0) return
    this.#waiting.push(frame)
    if (this.#waiting.length > MAX_WAITING_FRAMES) this.#waiting.shift()
  }

  /**
   * The next frame. Where it is late, the lateness is passed on, so that a bridge sounds like a line that is no worse than
   * its two halves; null once nothing is to be expected any more.
   */
  take(): Int16Array | null {
    const frame = this.#waiting.shift()
    if (frame === undefined) return this.#lateTurns++ < MAX_LATE_TURNS ? LATE_FRAME : null
    this.#lateTurns = 0
    return frame
  }
}

/** A leg that says what comes from the other (null: nothing), and gives what it hears to the other. */
class Relay implements Talk {
  readonly #from: Crossing | null
  readonly #to: Crossing
  readonly #press: (digit: string) => void

  constructor(from: Crossing | null, to: Crossing, press: (digit: string) => void) {
    this.#from = from
    this.#to = to
    this.#press = press
  }

  hear(frame: Int16Array): void {
    this.#to.push(frame)
  }

  play(): Int16Array | null {
    return this.#from?.take() ?? null
  }

  digit(digit: string): void {
    this.#press(digit)
  }

  command(): void {}

  close(): void {}
}

/** A peer that is still talked with, and hears the target ring in between. */
class Ringing implements Talk {
  readonly #talk: Talk
  readonly #early: Crossing
  readonly #tone = new Ringback()

  constructor(talk: Talk, early: Crossing) {
    this.#talk = talk
    this.#early = early
  }

  hear(frame: Int16Array, at: number): void {
    this.#talk.hear(frame, at)
  }

  play(at: number): Int16Array | null {
    const tone = this.#tone.next()
    const early = this.#early.take()
    return this.#talk.play(at) ?? (this.#early.sounded ? early : tone)
  }

  digit(digit: string, at: number): void {
    this.#talk.digit(digit, at)
  }

  command(command: TalkCommand): void {
    this.#talk.command(command)
  }

  close(): void {
    this.#talk.close()
  }
}

/** A leg that has nobody to talk with yet: it hears nothing and is silent. */
export function muteTalk(): Talk {
  return { hear: () => {}, play: () => null, digit: () => {}, command: () => {}, close: () => {} }
}
