// How good a leg sounds: losses, jitter, delay, and an estimated mean opinion score by the E-model (ITU-T G.107).
//
// The simplified model for planning: everything but delay, codec and loss is at its default. R begins at 93.2; delay
// takes 0.024 per millisecond, and 0.11 more for each beyond 177.3 (the usual fit of G.107's curves); the codec and what
// is lost take Ie,eff = Ie + (95 - Ie) * Ppl / (Ppl / BurstR + Bpl), with random loss (BurstR = 1).
import { FRAME_MS } from './frame.ts'

const BEST_R = 93.2
const DELAY_PER_MS = 0.024
const LONG_DELAY_MS = 177.3
const LONG_DELAY_PER_MS = 0.11
/** What is taken for the peer's jitter buffer, which tells nothing of itself. */
const PEER_BUFFER_MS = 40
/** R from which a line is better by a class of user satisfaction (G.107 annex B). */
const CLASSES = [50, 60, 70, 80, 90]

/** Equipment impairment and robustness against loss, with concealment (G.113 appendix I, for G.711 with its Appendix I). */
interface Impairment {
  ie: number
  bpl: number
}

const G711: Impairment = { ie: 0, bpl: 25.1 }
/** The recommendation has no figures of other codecs for this scale; they conceal at least as well, and sound better. */
const IMPAIRMENTS: Readonly<Record<string, Impairment | undefined>> = { PCMU: G711, PCMA: G711 }

/** Counts of one stream since its beginning; the difference of two is an interval. */
export interface StreamFigures {
  packetsSent: number
  packetsReceived: number
  packetsLost: number
  /** Received, but too late to be played. */
  packetsLate: number
  /** 20 ms frames that had to be made up. */
  framesConcealed: number
  /** Sum of the jitter (RFC 3550) as it was at each packet, and of how many. */
  jitterSumMs: number
  jitterPackets: number
  /** The jitter buffer's delay, now. */
  bufferMs: number
  /** What the peer last reported of our stream. Null: nothing. */
  peer: PeerFigures | null
  /** Null until the peer's reports have told it. */
  roundTripMs: number | null
}

export interface PeerFigures {
  /** May be negative, when duplicates outnumber losses. */
  packetsLost: number
  /** How many of ours it could have had by then. */
  packetsExpected: number
  jitterMs: number
}

/** One leg's quality over an interval or the whole call; percentages of packets, mean opinion scores from 1 to 4.5. */
export interface QualityReport {
  codec: string
  packetsSent: number
  packetsReceived: number
  packetsLost: number
  packetsLate: number
  framesConcealed: number
  lossInPercent: number
  /** This and what else the peer alone knows: null when it sent no reports. */
  lossOutPercent: number | null
  jitterMs: number
  jitterOutMs: number | null
  roundTripMs: number | null
  /** As the peer is heard here; null when nothing came. */
  mos: number | null
  /** As we are heard there. */
  mosOut: number | null
}

export const NO_FIGURES: StreamFigures = {
  packetsSent: 0,
  packetsReceived: 0,
  packetsLost: 0,
  packetsLate: 0,
  framesConcealed: 0,
  jitterSumMs: 0,
  jitterPackets: 0,
  bufferMs: 0,
  peer: null,
  roundTripMs: null,
}

/** The transmission rating R, 0–100: one-way delay in ms, loss as a share (0–1) of the packets. */
export function rating(codec: string, delayMs: number, loss: number): number {
  const { ie, bpl } = IMPAIRMENTS[codec] ?? G711
  const percent = 100 * Math.min(1, Math.max(0, loss))
  const equipment = ie + (95 - ie) * (percent / (percent + bpl))
  const long = Math.max(0, delayMs - LONG_DELAY_MS)
  const delay = DELAY_PER_MS * delayMs + LONG_DELAY_PER_MS * long
  return Math.min(100, Math.max(0, BEST_R - delay - equipment))
}

/** The mean opinion score that belongs to R (G.107 annex B): 1 to 4.5. */
export function mosOf(r: number): number {
  if (r <= 0) return 1
  if (r >= 100) return 4.5
  return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
}

/** How many of the classes of user satisfaction the rating has passed: 0 (nearly all dissatisfied) to 5. */
export function satisfaction(r: number): number {
  return CLASSES.filter((from) => r >= from).length
}

/** What happened between two moments of one stream, and the worse rating of its two directions. */
export function assess(
  codec: string,
  from: StreamFigures,
  to: StreamFigures,
): { report: QualityReport; r: number } {
  const packetsReceived = to.packetsReceived - from.packetsReceived
  const packetsLost = Math.max(0, to.packetsLost - from.packetsLost)
  const packetsLate = to.packetsLate - from.packetsLate
  const wayMs = (to.roundTripMs ?? 0) / 2 + FRAME_MS
  const expected = packetsReceived + packetsLost
  const lossIn = share(packetsLost, expected)
  const rIn = rating(codec, wayMs + to.bufferMs, share(packetsLost + packetsLate, expected))
  const lossOut = lossOfPeer(from.peer, to.peer)
  const rOut = lossOut === null ? null : rating(codec, wayMs + PEER_BUFFER_MS, lossOut)
  const report = {
    codec,
    packetsSent: to.packetsSent - from.packetsSent,
    packetsReceived,
    packetsLost,
    packetsLate,
    framesConcealed: to.framesConcealed - from.framesConcealed,
    lossInPercent: rounded(100 * lossIn),
    lossOutPercent: lossOut === null ? null : rounded(100 * lossOut),
    jitterMs: rounded(
      share(to.jitterSumMs - from.jitterSumMs, to.jitterPackets - from.jitterPackets),
    ),
    jitterOutMs: to.peer && rounded(to.peer.jitterMs),
    roundTripMs: to.roundTripMs === null ? null : rounded(to.roundTripMs),
    mos: expected === 0 ? null : rounded(mosOf(rIn)),
    mosOut: rOut === null ? null : rounded(mosOf(rOut)),
  }
  return { report, r: Math.min(rIn, rOut ?? rIn) }
}

function lossOfPeer(from: PeerFigures | null, to: PeerFigures | null): number | null {
  if (to === null) return null
  const expected = to.packetsExpected - (from?.packetsExpected ?? 0)
  // No report since `from`: nothing is known of the interval.
  if (expected <= 0) return null
  return Math.min(1, Math.max(0, share(to.packetsLost - (from?.packetsLost ?? 0), expected)))
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
