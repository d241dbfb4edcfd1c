// The clock of one process: its timers die with it, and are counted while it lives.
import { type Clock, cancelledBy, deferred, type Deferred, type Timer } from '@saperly/kernel'

export class LifeClock implements Clock {
  readonly #clock: Clock
  readonly #live = new Set<Timer>()
  #dead = false
  /** What fell due while the process was paused; null while it runs. */
  #held: (() => void)[] | null = null
  #resumed: Deferred<void> | null = null

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
    let cancelled = false
    const timer = this.#clock.schedule(delayMs, () => {
      const fire = (): void => {
        if (cancelled) return
        this.#live.delete(timer)
        callback()
      }
      if (this.#held) this.#held.push(fire)
      else fire()
    })
    this.#live.add(timer)
    return {
      cancel: () => {
        cancelled = true
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

  get paused(): boolean {
    return this.#held !== null
  }

  /** SIGSTOP: time goes on, and the process does not. */
  pause(): void {
    this.#held ??= []
    this.#resumed ??= deferred<void>()
  }

  /** SIGCONT: what fell due meanwhile happens now, one after the other. */
  resume(): void {
    for (const fire of this.#held ?? []) this.#clock.schedule(0, fire)
    this.#held = null
    this.#resumed?.resolve()
    this.#resumed = null
  }

  /** Resolves at once while the process runs, else when it goes on. */
  async running(): Promise<void> {
    while (this.#resumed) await this.#resumed.promise
  }

  /** The process is gone. */
  kill(): void {
    this.#dead = true
    for (const timer of this.#live) timer.cancel()
    this.#live.clear()
    this.#held = null
  }
}
