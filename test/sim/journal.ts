// What happened in one simulation, line by line, and which invariants were seen broken.
import { createHash } from 'node:crypto'
import type { Clock } from '@saperly/kernel'

/** More than this says no more; the end is what matters. */
const MAX_LINES = 400_000

/** The invariants of the design that are looked at. */
export type Invariant =
  | 'no INVITE without consent and a hold'
  | 'a hold is resolved once'
  | 'settled is at most held'
  | 'a call ends inside of what is held'
  | 'the bill is the sum of its postings'
  | 'the balance is the sum of the postings and not negative'
  | 'one terminal event per call'
  | 'nothing is spoken before the disclosure'
  | 'an idempotency key makes one call'
  | 'nothing is left behind'
  | 'events replay to the stored state'
  | 'nothing happens on a call after its end'
  | 'a call of a living process comes to its end'
  | 'the audit chain is whole'
  | 'a call outlives a short outage'

export interface Violation {
  invariant: Invariant
  what: string
  at: number
}

export class Journal {
  readonly lines: string[] = []
  readonly violations: Violation[] = []
  readonly #clock: Clock
  readonly #hash = createHash('sha256')

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(what: string): void {
    const line = `${this.#clock.monotonicMs()} ${what}`
    this.#hash.update(line)
    if (this.lines.length < MAX_LINES) this.lines.push(line)
  }

  broken(invariant: Invariant, what: string): void {
    this.violations.push({ invariant, what, at: this.#clock.monotonicMs() })
    this.note(`BROKEN ${invariant}: ${what}`)
  }

  /** Of everything noted; equal for two runs that went the same way. */
  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}
