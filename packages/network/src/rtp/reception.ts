// What we know about the stream we receive: sequence, losses and jitter (RFC 3550 appendices A.1, A.3 and A.8).
import type { ReportBlock } from './rtcp.ts'
import { SAMPLES_PER_MS } from './frame.ts'

/** A larger step in sequence numbers is a restart of the sender, not a loss. */
const MAX_SEQUENCE_STEP = 3000
const MAX_LOST = 0x7fffff

export class Reception {
  #ssrc: number | null = null
  #firstSequence = 0
  #highestSequence = 0
  #receivedInStream = 0
  #received = 0
  #lostBefore = 0
  #expectedAtReport = 0
  #receivedAtReport = 0
  #lastTransit: number | null = null
  #jitter = 0
  #jitterSum = 0
  #jitterPackets = 0

  get received(): number {
    return this.#received
  }

  /** Over all sources of the leg; never negative, though duplicates may hide losses. */
  get lost(): number {
    return this.#lostBefore + Math.max(0, this.#expected() - this.#receivedInStream)
  }

  get jitterMs(): number {
    return this.#jitter / SAMPLES_PER_MS
  }

  /** The jitter as it was at each packet, summed up, and at how many: means over intervals can be made of it. */
  get jitterSum(): { ms: number; packets: number } {
    return { ms: this.#jitterSum / SAMPLES_PER_MS, packets: this.#jitterPackets }
  }

  /**
   * Counts a valid packet. `nowMs` (monotonic) is its arrival where that tells of jitter, null where it doesn't: the
   * packets of a telephone event all carry the timestamp of its beginning.
   */
  count(packet: { ssrc: number; sequence: number; timestamp: number }, nowMs: number | null): void {
    this.#received++
    const step = (packet.sequence - this.#highestSequence) & 0xffff
    const back = 0x10000 - step
    const restarted = step > MAX_SEQUENCE_STEP && back > MAX_SEQUENCE_STEP
    if (packet.ssrc !== this.#ssrc || restarted) this.#restart(packet.ssrc, packet.sequence)
    else if (step <= MAX_SEQUENCE_STEP) this.#highestSequence += step
    this.#receivedInStream++
    if (nowMs !== null) this.#measureJitter(packet.timestamp, nowMs)
  }

  /** The report block about this source since the last one, or null when nothing has been received. */
  report(): Omit<ReportBlock, 'lastSenderReport' | 'delaySinceLastReport'> | null {
    if (this.#ssrc === null) return null
    const expected = this.#expected() - this.#expectedAtReport
    const lost = expected - (this.#receivedInStream - this.#receivedAtReport)
    this.#expectedAtReport = this.#expected()
    this.#receivedAtReport = this.#receivedInStream
    return {
      ssrc: this.#ssrc,
      fractionLost: lost > 0 ? Math.min(255, Math.floor((lost * 256) / expected)) : 0,
      packetsLost: Math.min(MAX_LOST, this.#expected() - this.#receivedInStream),
      highestSequence: this.#highestSequence >>> 0,
      jitter: Math.floor(this.#jitter),
    }
  }

  #expected(): number {
    return this.#ssrc === null ? 0 : this.#highestSequence - this.#firstSequence + 1
  }

  #restart(ssrc: number, sequence: number): void {
    this.#lostBefore = this.lost
    this.#ssrc = ssrc
    this.#firstSequence = sequence
    this.#highestSequence = sequence
    this.#receivedInStream = 0
    this.#expectedAtReport = 0
    this.#receivedAtReport = 0
    this.#lastTransit = null
  }

  #measureJitter(timestamp: number, nowMs: number): void {
    const transit = Math.round(nowMs * SAMPLES_PER_MS) - timestamp
    if (this.#lastTransit !== null) {
      // `| 0` takes the difference modulo 2^32, so that a wrap of the timestamp is no jitter.
      const change = Math.abs((transit - this.#lastTransit) | 0)
      this.#jitter += (change - this.#jitter) / 16
      this.#jitterSum += this.#jitter
      this.#jitterPackets++
    }
    this.#lastTransit = transit
  }
}
