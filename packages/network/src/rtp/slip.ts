// Pacing slip: how late the turns of a wheel were, as a histogram, so that percentiles cost next to nothing to keep.

const BUCKET_MS = 0.25
/** Anything later counts as this late. */
export const MAX_SLIP_MS = 100
/** What a usual jitter buffer has to spare: a packet that is sent later may be a packet lost at the far end. */
export const LATE_MS = 20
const BUCKETS = MAX_SLIP_MS / BUCKET_MS

export interface SlipWindow {
  turns: number
  p50Ms: number
  p99Ms: number
  /** Share of the turns that came later than {@link LATE_MS}, 0–1. */
  lateShare: number
}

export class SlipMeter {
  readonly #buckets = new Uint32Array(BUCKETS + 1)
  #turns = 0
  #late = 0

  /** One turn came `lateMs` after its time. */
  record(lateMs: number): void {
    const bucket = Math.min(BUCKETS, Math.max(0, Math.floor(lateMs / BUCKET_MS)))
    this.#buckets[bucket]!++
    this.#turns++
    if (lateMs > LATE_MS) this.#late++
  }

  /** The turns since the last window: upper bounds of their percentiles, to a quarter of a millisecond. */
  window(): SlipWindow {
    const turns = this.#turns
    const window = {
      turns,
      p50Ms: this.#percentile(0.5),
      p99Ms: this.#percentile(0.99),
      lateShare: turns === 0 ? 0 : this.#late / turns,
    }
    this.#buckets.fill(0)
    this.#turns = 0
    this.#late = 0
    return window
  }

  #percentile(share: number): number {
    let wanted = this.#turns * share
    if (wanted === 0) return 0
    for (let bucket = 0; bucket <= BUCKETS; bucket++) {
      wanted -= this.#buckets[bucket]!
      if (wanted <= 0) return Math.min(MAX_SLIP_MS, (bucket + 1) * BUCKET_MS)
    }
    return MAX_SLIP_MS
  }
}
