// What a minute costs: cents per minute by destination prefix (longest match) and the connection's mode.
import { assert } from '@saperly/kernel'

export interface RateEntry {
  /** E.164 digits with plus, e.g. `+44`; the longest matching prefix decides. */
  prefix: string
  manualCentsPerMin: number
  hostedCentsPerMin: number
}

/** Where no prefix matches (contract section 3). */
export const DEFAULT_RATE = { manualCentsPerMin: 13, hostedCentsPerMin: 26 } as const

/** How much is held at a time: the cost of one slice of talking. */
export const SLICE_SEC = 60

export class RateDeck {
  readonly #byPrefix = new Map<string, RateEntry>()
  #longest = 0

  constructor(entries: readonly RateEntry[]) {
    for (const entry of entries) {
      assert(/^\+\d{1,15}$/.test(entry.prefix), 'a rate prefix is + and 1 to 15 digits')
      this.#byPrefix.set(entry.prefix, entry)
      this.#longest = Math.max(this.#longest, entry.prefix.length)
    }
  }

  /** Cents per minute for a call to or from `e164` on a connection of this mode. */
  rateFor(e164: string, mode: 'manual' | 'hosted'): number {
    const entry = this.#match(e164) ?? DEFAULT_RATE
    return mode === 'manual' ? entry.manualCentsPerMin : entry.hostedCentsPerMin
  }

  /** Whether the operator has priced this destination; live calls go nowhere else (contract, DestinationNotAllowed). */
  isPriced(e164: string): boolean {
    return this.#match(e164) !== null
  }

  #match(e164: string): RateEntry | null {
    for (let length = Math.min(this.#longest, e164.length); length > 1; length--) {
      const entry = this.#byPrefix.get(e164.slice(0, length))
      if (entry) return entry
    }
    return null
  }
}
