// Time as a port: real in production, simulated in tests. Nothing else in the house reads a clock.
import { assert } from './assert.ts'
import { cancelledBy } from './cancel.ts'

/** A pending callback; `cancel` is idempotent. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock time, milliseconds since the epoch. May jump. */
  now(): number
  /** Monotonic milliseconds with a fraction; only differences mean anything. */
  monotonicMs(): number
  /** Runs `callback` once after `delayMs` (>= 0). The owner must cancel it or let it fire. */
  schedule(delayMs: number, callback: () => void): Timer
  /** Resolves after `delayMs`, or rejects with Cancelled as soon as `signal` aborts. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>
}

/** How long a single timer of the platform may be (setTimeout overflows above it). */
const MAX_DELAY_MS = 2 ** 31 - 1

function sleepOn(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(cancelledBy(signal))
    const onAbort = (): void => {
      timer.cancel()
      reject(cancelledBy(signal))
    }
    const timer = clock.schedule(delayMs, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** The machine's own clock. `pending()` counts live timers, so that a test can prove none leaked. */
export class SystemClock implements Clock {
  #pending = 0

  now(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  schedule(delayMs: number, callback: () => void): Timer {
    assert(delayMs >= 0 && delayMs <= MAX_DELAY_MS, `timer of ${delayMs} ms is out of range`)
    let live = true
    this.#pending++
    const done = (): boolean => {
      if (!live) return false
      live = false
      this.#pending--
      return true
    }
    const handle = setTimeout(() => {
      if (done()) callback()
    }, delayMs)
    return {
      cancel: () => {
        if (done()) clearTimeout(handle)
      },
    }
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  pending(): number {
    return this.#pending
  }
}

/** `clock` with a time of day that goes on evenly from now, whatever the machine's is set to meanwhile. */
export function evenClock(clock: Clock): Clock {
  const startedAt = clock.now()
  const startedMs = clock.monotonicMs()
  return {
    now: () => startedAt + Math.floor(clock.monotonicMs() - startedMs),
    monotonicMs: () => clock.monotonicMs(),
    schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
    sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
  }
}

interface SimTimer {
  atMs: number
  order: number
  callback: () => void
  live: boolean
}

/**
 * Simulated time: stands still until `advance` is called, then fires due timers one at a time in order of
 * deadline, letting every microtask (and `setImmediate`) drain between two of them, so runs repeat exactly.
 */
export class SimClock implements Clock {
  /** Monotonic. */
  #nowMs = 0
  /** The time of day at the start, and what somebody has set it by since. */
  #wallMs: number
  #order = 0
  #timers: SimTimer[] = []

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs
  }

  now(): number {
    return this.#wallMs + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  /** Somebody sets the time of day by `ms`, either way; timers and the monotonic clock know nothing of it. */
  jump(ms: number): void {
    this.#wallMs += ms
  }

  schedule(delayMs: number, callback: () => void): Timer {
    assert(delayMs >= 0 && delayMs <= MAX_DELAY_MS, `timer of ${delayMs} ms is out of range`)
    const timer: SimTimer = {
      atMs: this.#nowMs + delayMs,
      order: this.#order++,
      callback,
      live: true,
    }
    let at = this.#timers.length
    while (at > 0 && this.#timers[at - 1]!.atMs > timer.atMs) at--
    this.#timers.splice(at, 0, timer)
    return {
      cancel: () => {
        if (!timer.live) return
        timer.live = false
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  pending(): number {
    return this.#timers.length
  }

  /** Moves time forward by `ms`, firing what falls due on the way. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await drain()
    while (this.#timers.length > 0 && this.#timers[0]!.atMs <= untilMs) {
      const timer = this.#timers.shift()!
      timer.live = false
      this.#nowMs = Math.max(this.#nowMs, timer.atMs)
      timer.callback()
      await drain()
    }
    this.#nowMs = untilMs
  }
}

/** Lets every queued microtask run. */
export function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
