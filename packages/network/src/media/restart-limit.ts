// How often something that crashes may be started again.
import type { Clock } from '@saperly/kernel'

/** What crashes more often than this in a minute is not started again. */
const MAX_RESTARTS = 5
const RESTART_WINDOW_MS = 60_000

export class RestartLimit {
  readonly #clock: Clock
  #times: number[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts a restart; false when there were too many of late. */
  allows(): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#times = this.#times.filter((atMs) => nowMs - atMs < RESTART_WINDOW_MS)
    this.#times.push(nowMs)
    return this.#times.length <= MAX_RESTARTS
  }
}
