// One order for everything that happens to a call: steps run alone, one after the other, until the call is over.
import { assert, type Clock, deferred, type Deferred, Mailbox, type Timer } from '@saperly/kernel'

/** Steps that may wait. Events are paced by the media clock and answers by their taker, so this is far beyond use. */
export const MAX_WAITING_STEPS = 10_000

interface Step {
  run: () => unknown
  /** Resolves with whether it was run. */
  done: Deferred<boolean>
}

export class Steps {
  readonly #clock: Clock
  readonly #waiting = new Mailbox<Step>(MAX_WAITING_STEPS)
  readonly #timers = new Set<Timer>()
  #over = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Queues a step. Resolves with whether it was run: one that comes after the end, or that failed the call, was not. */
  add(run: () => unknown): Promise<boolean> {
    const done = deferred<boolean>()
    if (this.#over) done.resolve(false)
    else assert(this.#waiting.put({ run, done }), 'a call has more waiting steps than it can have')
    return done.promise
  }

  /** What the step answers, or `whenOver` when the call ended first. */
  async ask<T>(run: () => T | Promise<T>, whenOver: T): Promise<T> {
    let answer = whenOver
    await this.add(async () => {
      answer = await run()
    })
    return answer
  }

  /** Queues a step `delayMs` from now. */
  after(delayMs: number, run: () => unknown): void {
    const timer = this.#clock.schedule(Math.max(0, delayMs), () => {
      this.#timers.delete(timer)
      void this.add(run)
    })
    this.#timers.add(timer)
  }

  /** Runs steps until `over`; rejects with what a step threw, or Cancelled. Steps left over are not run. */
  async runUntil(over: () => boolean, signal: AbortSignal): Promise<void> {
    try {
      while (!over()) {
        const { run, done } = await this.#waiting.take(signal)
        try {
          await run()
          done.resolve(true)
        } finally {
          done.resolve(false)
        }
      }
    } finally {
      this.#over = true
      for (const timer of this.#timers) timer.cancel()
      for (const { done } of this.#waiting.takeAll()) done.resolve(false)
    }
  }
}
