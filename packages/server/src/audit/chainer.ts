// Chains audit rows right after their commits, off everybody's path.
import { Cancelled, type Clock, Fault, type Log } from '@saperly/kernel'
import type { Store } from '../store/port.ts'

/** Rows that somebody else's process left unchained are found at the latest after this. */
const POLL_MS = 10_000
/** What is committed within this is chained in one go. */
const GATHER_MS = 50

export class AuditChainer {
  readonly #store: Store
  readonly #clock: Clock
  readonly #log: Log
  readonly #stop = new AbortController()
  #nap = new AbortController()
  #woken = false
  #running: Promise<void> | null = null

  constructor(deps: { store: Store; clock: Clock; log: Log }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#log = deps.log
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Something was committed. */
  wake(): void {
    this.#woken = true
    this.#nap.abort(new Cancelled('wake'))
  }

  /** Chains what is left and ends. */
  async close(): Promise<void> {
    this.#stop.abort(new Cancelled('shutdown'))
    this.wake()
    await this.#running
  }

  async #run(): Promise<void> {
    for (;;) {
      const last = this.#stop.signal.aborted
      this.#woken = false
      try {
        await this.#store.tables.audit.chain()
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        this.#log.warn('audit.chain.postponed')
      }
      if (last) return
      await this.#rest()
    }
  }

  /** Until something was committed, and a moment longer for what comes with it. */
  async #rest(): Promise<void> {
    this.#nap = new AbortController()
    if (!this.#woken && !this.#stop.signal.aborted) await this.#sleep(POLL_MS, this.#nap.signal)
    await this.#sleep(GATHER_MS, this.#stop.signal)
  }

  async #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(delayMs, signal)
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error
    }
  }
}
