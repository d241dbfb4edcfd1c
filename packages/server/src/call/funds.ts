// Money while a call talks: the hold grows by a slice before the last one is used up, or the call ends inside it.
import { costCents } from '@saperly/kernel'
import { SLICE_SEC } from '../ledger/rate.ts'

/** How long before the end of what is held more is asked for, and the caller warned if there is none. */
export const EXTEND_AHEAD_SEC = 15
/** The call is cut this long before the held money would be used up, so that hanging up stays inside of it. */
export const CUT_AHEAD_SEC = 1

/** What is reserved before the carrier is asked: one slice, or the whole call if that is shorter. */
export function firstSliceCents(rateCentsPerMin: number, maxDurationSec: number): number {
  return costCents(Math.min(SLICE_SEC, maxDurationSec), rateCentsPerMin)
}

export interface Slice {
  /** Talking time that the hold covers when this step is due. */
  coveredSec: number
  /** Milliseconds after the answer at which to ask for more; null when the call can't last longer anyway. */
  extendAfterMs: number | null
  /** What to ask for then, and how far the hold reaches with it. */
  extendByCents: number
  nextCoveredSec: number
}

/** The slice that ends at `coveredSec`, and the one to ask for next. */
export function sliceAt(
  coveredSec: number,
  rateCentsPerMin: number,
  maxDurationSec: number,
): Slice {
  const nextSec = Math.min(coveredSec + SLICE_SEC, maxDurationSec)
  const more = nextSec > coveredSec
  return {
    coveredSec,
    extendAfterMs: more ? Math.max(0, coveredSec - EXTEND_AHEAD_SEC) * 1000 : null,
    // The difference of two roundings, so that the hold never falls short of the cost by a cent.
    extendByCents: costCents(nextSec, rateCentsPerMin) - costCents(coveredSec, rateCentsPerMin),
    nextCoveredSec: nextSec,
  }
}

/** Milliseconds after the answer at which a call ends that could get no more than `coveredSec`. */
export function cutAfterMs(coveredSec: number): number {
  return Math.max(0, coveredSec - CUT_AHEAD_SEC) * 1000
}

export interface FundsHooks {
  /** Milliseconds since the answer. */
  talkedMs: () => number
  /** Runs a step of the session after `delayMs`. */
  after: (delayMs: number, step: () => Promise<void> | void) => void
  /** Asks the ledger for more; false when it has none. */
  extend: (cents: number) => Promise<boolean>
  /** Brain and caller are to be told. */
  warn: (secondsLeft: number) => void
  cut: () => void
}

/** Keeps the hold of a talking call ahead of its cost, slice by slice, from the answer on. */
export function watchFunds(
  call: { rateCentsPerMin: number; maxDurationSec: number },
  hooks: FundsHooks,
  coveredSec = Math.min(SLICE_SEC, call.maxDurationSec),
): void {
  const slice = sliceAt(coveredSec, call.rateCentsPerMin, call.maxDurationSec)
  if (slice.extendAfterMs === null) return
  hooks.after(slice.extendAfterMs - hooks.talkedMs(), async () => {
    // A slice that costs nothing needs no posting.
    if (slice.extendByCents === 0 || (await hooks.extend(slice.extendByCents))) {
      return watchFunds(call, hooks, slice.nextCoveredSec)
    }
    hooks.warn(EXTEND_AHEAD_SEC)
    hooks.after(cutAfterMs(coveredSec) - hooks.talkedMs(), hooks.cut)
  })
}
