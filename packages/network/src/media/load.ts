// How busy a media worker is: its legs, its event loop, how late its turns come, and what was lost on its lines.
import type { StreamFigures } from '../rtp/quality.ts'
import type { SlipWindow } from '../rtp/slip.ts'

/** One media worker, over about the last second; packets and frames since it began. */
export interface WorkerLoad {
  legs: number
  /** Share of the time in which its event loop was busy, 0–1. */
  loopUse: number
  /** Lateness of turns, milliseconds. */
  slipP50Ms: number
  slipP99Ms: number
  /** Share of the turns that came too late for the far end's jitter buffer, 0–1. */
  lateShare: number
  packetsSent: number
  packetsReceived: number
  packetsLost: number
  packetsLate: number
  framesConcealed: number
}

/** Of a whole media plane. */
export interface PlaneLoad {
  workers: readonly WorkerLoad[]
  /** No worker can take a leg more without harm to those it has. */
  overloaded: boolean
}

/** What of a stream is summed up. */
export type Totals = Pick<
  WorkerLoad,
  'packetsSent' | 'packetsReceived' | 'packetsLost' | 'packetsLate' | 'framesConcealed'
>

export const NO_TOTALS: Totals = {
  packetsSent: 0,
  packetsReceived: 0,
  packetsLost: 0,
  packetsLate: 0,
  framesConcealed: 0,
}

export function addFigures(totals: Totals, figures: StreamFigures): Totals {
  return {
    packetsSent: totals.packetsSent + figures.packetsSent,
    packetsReceived: totals.packetsReceived + figures.packetsReceived,
    packetsLost: totals.packetsLost + figures.packetsLost,
    packetsLate: totals.packetsLate + figures.packetsLate,
    framesConcealed: totals.framesConcealed + figures.framesConcealed,
  }
}

export function workerLoad(
  legs: number,
  loopUse: number,
  slip: SlipWindow,
  totals: Totals,
): WorkerLoad {
  const { p50Ms: slipP50Ms, p99Ms: slipP99Ms, lateShare } = slip
  return { legs, loopUse, slipP50Ms, slipP99Ms, lateShare, ...totals }
}
