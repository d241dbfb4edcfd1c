// How often one key may ask: the generic cell rate algorithm, one number a key.
import type { Clock } from '@saperly/kernel'

/** Keys remembered at once; beyond it the one that has been silent longest starts afresh. */
export const MAX_TRACKED_KEYS = 50_000

export class RateLimit {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #burstMs: number
  /** When the bucket of a key would be empty again, monotonic milliseconds. */
  readonly #emptyAtMs = new Map<string, number>()

  readonly #maxKeys: number

  /** @param perSec sustained requests a second @param burst requests that may come at once after a pause */
  constructor(clock: Clock, perSec: number, burst: number, maxKeys: number = MAX_TRACKED_KEYS) {
    this.#clock = clock
    this.#maxKeys = maxKeys
    this.#intervalMs = 1000 / perSec
    this.#burstMs = burst * this.#intervalMs
  }

  /** Counts one request: null when it may pass, else the seconds after which the next one may. */
  take(key: string): number | null {
    const nowMs = this.#clock.monotonicMs()
    const emptyAtMs = Math.max(this.#emptyAtMs.get(key) ?? 0, nowMs) + this.#intervalMs
    const waitMs = emptyAtMs - nowMs - this.#burstMs
    if (waitMs > 0) return waitMs / 1000
    this.#remember(key, emptyAtMs)
    return null
  }

  /** Keys stand in the order of their last request, so that the first is the one to forget. */
  #remember(key: string, emptyAtMs: number): void {
    this.#emptyAtMs.delete(key)
    this.#emptyAtMs.set(key, emptyAtMs)
    if (this.#emptyAtMs.size <= this.#maxKeys) return
    const [oldest] = this.#emptyAtMs.keys()
    if (oldest !== undefined) this.#emptyAtMs.delete(oldest)
  }
}
