// What one trunk may carry: calls begun per second and calls at one time, with a short queue before each new one.
import { assert } from '@saperly/kernel'
import type { Clock, Timer } from '@saperly/kernel'

/** How long a call may wait for its turn, milliseconds; then it is refused. */
export const TURN_LIMIT_MS = 2_000
/** Calls that may wait for one trunk; one more is refused at once. */
export const MAX_WAITING = 200

/** Which limit stood in the way. */
export type Limit = 'callsPerSec' | 'maxCalls'

/** A place on a trunk, or in its queue. `release` gives either back; only the first call counts. */
export interface Ticket {
  release(): void
}

interface Waiting {
  deadlineMs: number
  answer: (refusal: Limit | null) => void
  ticket: Place
}

type Place = Ticket & { state: 'waiting' | 'taken' | 'over' }

export class TrunkLimits {
  readonly #clock: Clock
  readonly #maxCalls: number
  /** As many starts as may be in one window, oldest first. */
  readonly #starts: number[] = []
  readonly #perWindow: number
  readonly #windowMs: number
  readonly #queue: Waiting[] = []
  #calls = 0
  #timer: Timer | null = null

  /** Null sets no limit. `callsPerSec` may be a fraction: 0.5 is one call in two seconds. */
  constructor(clock: Clock, limits: { callsPerSec: number | null; maxCalls: number | null }) {
    const { callsPerSec, maxCalls } = limits
    assert(callsPerSec === null || callsPerSec > 0, 'a trunk without calls per second')
    this.#clock = clock
    this.#maxCalls = maxCalls ?? Number.POSITIVE_INFINITY
    this.#perWindow =
      callsPerSec === null ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(callsPerSec))
    this.#windowMs = callsPerSec === null ? 0 : (this.#perWindow / callsPerSec) * 1000
  }

  /** Calls on the trunk now, both ways. */
  get calls(): number {
    return this.#calls
  }

  /** Calls that wait for their turn. */
  get waiting(): number {
    return this.#queue.length
  }

  /** Asks for a call's turn; `answer` hears null when it has come, else what refused it, and is never called after `release`. */
  take(answer: (refusal: Limit | null) => void): Ticket {
    const ticket = this.#place('waiting')
    if (this.#queue.length >= MAX_WAITING) {
      ticket.state = 'over'
      answer(this.#obstacle() ?? 'callsPerSec')
      return ticket
    }
    const deadlineMs = this.#clock.monotonicMs() + TURN_LIMIT_MS
    this.#queue.push({ deadlineMs, answer, ticket })
    this.#advance()
    return ticket
  }

  /** A call that comes in counts like any other, but doesn't wait, and how often they come is the carrier's affair. */
  takeIncoming(): Ticket | null {
    if (this.#calls >= this.#maxCalls) return null
    this.#calls++
    return this.#place('taken')
  }

  /** Forgets whoever waits. */
  close(): void {
    for (const { ticket } of this.#queue.splice(0)) ticket.state = 'over'
    this.#timer?.cancel()
    this.#timer = null
  }

  #place(state: 'waiting' | 'taken'): Place {
    const place: Place = { state, release: () => this.#release(place) }
    return place
  }

  #release(place: Place): void {
    const { state } = place
    place.state = 'over'
    if (state === 'waiting') {
      const at = this.#queue.findIndex(({ ticket }) => ticket === place)
      if (at >= 0) this.#queue.splice(at, 1)
    } else if (state === 'taken') this.#calls--
    if (state !== 'over') this.#advance()
  }

  /** What keeps the next call from beginning now. */
  #obstacle(): Limit | null {
    if (this.#calls >= this.#maxCalls) return 'maxCalls'
    return this.#nextStartMs() > this.#clock.monotonicMs() ? 'callsPerSec' : null
  }

  /** When the rate allows another start. */
  #nextStartMs(): number {
    if (this.#starts.length < this.#perWindow) return Number.NEGATIVE_INFINITY
    return this.#starts[0]! + this.#windowMs
  }

  /** Lets in whom it can, refuses who has waited too long, and sets the timer for the next change. */
  #advance(): void {
    this.#timer?.cancel()
    this.#timer = null
    const nowMs = this.#clock.monotonicMs()
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      const obstacle = this.#obstacle()
      if (obstacle !== null && nowMs < head.deadlineMs) return this.#wait(head, obstacle, nowMs)
      this.#queue.shift()
      if (obstacle === null) this.#begin(head, nowMs)
      else head.ticket.state = 'over'
      head.answer(obstacle)
    }
  }

  #begin({ ticket }: Waiting, nowMs: number): void {
    ticket.state = 'taken'
    this.#calls++
    if (this.#perWindow === Number.POSITIVE_INFINITY) return
    this.#starts.push(nowMs)
    if (this.#starts.length > this.#perWindow) this.#starts.shift()
  }

  #wait({ deadlineMs }: Waiting, obstacle: Limit, nowMs: number): void {
    const untilMs = obstacle === 'maxCalls' ? deadlineMs : Math.min(deadlineMs, this.#nextStartMs())
    // Rounded up, since a timer may fire a fraction of a millisecond early.
    const delayMs = Math.max(1, Math.ceil(untilMs - nowMs))
    this.#timer = this.#clock.schedule(delayMs, () => this.#advance())
  }
}
