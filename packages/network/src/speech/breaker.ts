// A circuit breaker: an engine that failed often of late is left alone for a while, then tried once.
import type { Clock } from '@saperly/kernel'
import { Machine, type Table } from '../sip/machine.ts'

/** So many failures within the window open the circuit. */
export const MAX_FAILURES = 3
export const FAILURE_WINDOW_MS = 60_000
/** How long an engine is left alone. */
export const OPEN_MS = 30_000
/** A trial of which nothing was heard for so long is over. */
const TRIAL_LIMIT_MS = 10_000

/** `trial`: one use is under way, and decides. */
type State = 'closed' | 'open' | 'trial'
type Event = 'failed' | 'failedOften' | 'worked' | 'cooled'
type Action = 'wait' | 'forget'

const TABLE: Table<State, Event, Action> = {
  closed: {
    failed: 'ignored',
    failedOften: ['open', 'wait'],
    worked: 'ignored',
    cooled: 'impossible',
  },
  // Uses that began before still report.
  open: { failed: 'ignored', failedOften: 'ignored', worked: 'ignored', cooled: ['trial'] },
  trial: {
    failed: ['open', 'wait'],
    failedOften: ['open', 'wait'],
    worked: ['closed', 'forget'],
    cooled: ['trial'],
  },
}

export class Breaker {
  readonly #clock: Clock
  readonly #machine: Machine<State, Event, Action>
  #failuresMs: number[] = []
  /** Monotonic time before which no (further) trial begins. */
  #notBeforeMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#machine = new Machine<State, Event, Action>(TABLE, 'closed', {
      wait: () => (this.#notBeforeMs = clock.monotonicMs() + OPEN_MS),
      forget: () => (this.#failuresMs = []),
    })
  }

  get state(): State {
    return this.#machine.state
  }

  /** Whether the engine may be used now. A yes must be followed by `worked` or `failed`; the first after a rest is the trial. */
  allows(): boolean {
    if (this.#machine.state === 'closed') return true
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#notBeforeMs) return false
    this.#notBeforeMs = nowMs + TRIAL_LIMIT_MS
    this.#machine.step('cooled')
    return true
  }

  worked(): void {
    this.#machine.step('worked')
  }

  failed(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#failuresMs = this.#failuresMs.filter((atMs) => nowMs - atMs < FAILURE_WINDOW_MS)
    this.#failuresMs.push(nowMs)
    this.#machine.step(this.#failuresMs.length >= MAX_FAILURES ? 'failedOften' : 'failed')
  }
}
