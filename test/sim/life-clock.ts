// The clock of one process: its timers die with it, and are counted while it lives.
import { type Clock, cancelledBy, type Timer } from '@saperly/kernel'

export class LifeClock implements Clock {
  readonly #clock: Clock
  readonly #live = new Set<Timer>()
  #dead = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Timers that have neither fired nor been cancelled. */
  get pending(): number {
    return this.#live.size
  }

  now(): number {
    return this.#clock.now()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  schedule(delayMs: number, callback: () => void): Timer {
    if (this.#dead) return { cancel: () => {} }
    const timer = this.#clock.schedule(delayMs, () => {
      this.#live.delete(timer)
      callback()
    })
    this.#live.add(timer)
    return {
      cancel: () => {
        this.#live.delete(timer)
        timer.cancel()
      },
    }
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(cancelledBy(signal))
      const onAbort = (): void => {
        timer.cancel()
        reject(cancelledBy(signal))
      }
      const timer = this.schedule(delayMs, () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The process is gone. */
  kill(): void {
    this.#dead = true
    for (const timer of this.#live) timer.cancel()
    this.#live.clear()
  }
}
