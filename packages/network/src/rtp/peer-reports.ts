// What the peer's RTCP tells of us: how many of our packets it lost, its jitter, and the round trip (RFC 3550 section 6.4).
import { SAMPLES_PER_MS } from './frame.ts'
import type { PeerFigures } from './quality.ts'
import type { ReportBlock } from './rtcp.ts'

/** Our last sender reports, any of which a block may answer. */
const KEPT_REPORTS = 4
/** A longer round trip is a mistake of somebody's clock. */
const MAX_ROUND_TRIP_MS = 10_000
/** Weight of a new round trip against the ones before. */
const SMOOTHING = 0.25

export class PeerReports {
  readonly #sent: { middle: number; atMs: number }[] = []
  #figures: PeerFigures | null = null
  #roundTripMs: number | null = null

  get figures(): PeerFigures | null {
    return this.#figures
  }

  get roundTripMs(): number | null {
    return this.#roundTripMs
  }

  /** A sender report of ours went out; `middle` is what a block will quote of it. */
  sent(middle: number, nowMs: number): void {
    this.#sent.push({ middle, atMs: nowMs })
    if (this.#sent.length > KEPT_REPORTS) this.#sent.shift()
  }

  /** Takes a block about our stream, of which `packetsSent` had gone out by `nowMs` (monotonic). */
  receive(block: ReportBlock, packetsSent: number, nowMs: number): void {
    const jitterMs = block.jitter / SAMPLES_PER_MS
    this.#figures = { packetsLost: block.packetsLost, packetsExpected: packetsSent, jitterMs }
    // Counted between our own two looks at our own clock, so that a clock that is set in between does no harm.
    const answered = this.#sent.find(({ middle }) => middle === block.lastSenderReport)
    if (answered === undefined) return
    const roundTripMs = nowMs - answered.atMs - (block.delaySinceLastReport / 65_536) * 1000
    if (roundTripMs > MAX_ROUND_TRIP_MS) return
    const measured = Math.max(0, roundTripMs)
    const before = this.#roundTripMs ?? measured
    this.#roundTripMs = before + SMOOTHING * (measured - before)
  }
}
