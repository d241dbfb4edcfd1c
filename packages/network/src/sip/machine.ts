// State machines as total tables: every state × event has a cell.
import { assert } from '@saperly/kernel'
import type { Clock, Timer } from '@saperly/kernel'

/** Next state and what to do on the way; `ignored` is legal and changes nothing; `impossible` is a bug. */
export type Cell<S extends string, A extends string> =
  | readonly [next: S, ...actions: A[]]
  | 'ignored'
  | 'impossible'

export type Table<S extends string, E extends string, A extends string> = Readonly<
  Record<S, Readonly<Record<E, Cell<S, A>>>>
>

/** Runs one table. The state changes before the actions run, so an action may step again. */
export class Machine<S extends string, E extends string, A extends string> {
  readonly #table: Table<S, E, A>
  readonly #actions: Readonly<Record<A, () => void>>
  #state: S

  constructor(table: Table<S, E, A>, initial: S, actions: Readonly<Record<A, () => void>>) {
    this.#table = table
    this.#state = initial
    this.#actions = actions
  }

  get state(): S {
    return this.#state
  }

  step(event: E): void {
    const cell = this.#table[this.#state][event]
    assert(cell !== 'impossible', `${event} in state ${this.#state}`)
    if (cell === 'ignored') return
    const [next, ...actions]: readonly [S, ...A[]] = cell
    this.#state = next
    for (const action of actions) this.#actions[action]()
  }
}

/** Named timers of one owner, all cancelled together. */
export class Timers<N extends string> {
  readonly #clock: Clock
  readonly #running = new Map<N, Timer>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Starts (or starts anew) a timer. */
  start(name: N, delayMs: number, callback: () => void): void {
    this.stop(name)
    this.#running.set(
      name,
      this.#clock.schedule(delayMs, () => {
        this.#running.delete(name)
        callback()
      }),
    )
  }

  stop(name: N): void {
    this.#running.get(name)?.cancel()
    this.#running.delete(name)
  }

  stopAll(): void {
    for (const timer of this.#running.values()) timer.cancel()
    this.#running.clear()
  }
}

/** RFC 3261 section 17.1.1.1, milliseconds. */
export interface SipTimers {
  /** Round-trip estimate. */
  t1Ms: number
  /** Longest gap between two transmissions. */
  t2Ms: number
  /** Longest life of a message in the network. */
  t4Ms: number
}

export const SIP_TIMERS: SipTimers = { t1Ms: 500, t2Ms: 4000, t4Ms: 5000 }

/** 64 × T1: how long anything is tried (timers B, F, H, J, L, M). */
export function lifetimeMs(timers: SipTimers): number {
  return 64 * timers.t1Ms
}
