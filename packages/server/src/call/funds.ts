// Money while a call talks: the hold grows by a slice before the last one is used up, or the call ends inside it.
//
// Two things keep a call inside of what is held, and neither waits for the other. The ledger is asked for the next slice
// ahead of time, for as long as it takes; and a fuse burns, which only an answer makes longer. When the fuse is at its
// end the network is told to hang up, whatever the session or the database are waiting for. Both go by the monotonic
// clock: somebody who sets the time of day moves neither.
import { Cancelled, type Clock, costCents, type Timer } from '@saperly/kernel'
import { SLICE_SEC } from '../ledger/rate.ts'

/** How long before the end of what is held more is asked for, and the caller warned if there is none. */
export const EXTEND_AHEAD_SEC = 15
/** A ledger that has not answered by then has nothing for the call, as far as the caller is told. */
export const WARN_AHEAD_SEC = 8
/** The call is cut this long before the held money would be used up, so that hanging up stays inside of it. */
export const CUT_AHEAD_SEC = 1

/** What is reserved before the carrier is asked: one slice, or the whole call if that is shorter. */
export function firstSliceCents(rateCentsPerMin: number, maxDurationSec: number): number {
  return costCents(firstSliceSec(maxDurationSec), rateCentsPerMin)
}

function firstSliceSec(maxDurationSec: number): number {
  return Math.min(SLICE_SEC, maxDurationSec)
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

/** How many milliseconds of talk `heldCents` cover; all of them when talking costs nothing. */
export function coveredMs(heldCents: number, rateCentsPerMin: number): number {
  return rateCentsPerMin === 0 ? Infinity : Math.floor((heldCents * 60) / rateCentsPerMin) * 1000
}

/** Milliseconds after the answer at which a call ends that could get no more than `coveredSec`. */
export function cutAfterMs(coveredSec: number): number {
  return Math.max(0, coveredSec - CUT_AHEAD_SEC) * 1000
}

export interface FundsHooks {
  /** Asks the ledger for more, for as long as it takes or until `signal` aborts; false when it has none. */
  extend: (cents: number, signal: AbortSignal) => Promise<boolean>
  /** Brain and caller are to be told. */
  warn: (secondsLeft: number) => void
  /** The call is to be hung up, now. */
  cut: (cause: 'insufficient_funds' | 'max_duration') => void
  /** Asking failed for a reason that is not the money's. */
  failed: (error: unknown) => void
}

/** Keeps the hold of a talking call ahead of its cost, slice by slice, from the answer on. Made at the answer. */
export class Funds {
  readonly #clock: Clock
  readonly #call: { rateCentsPerMin: number; maxDurationSec: number }
  readonly #hooks: FundsHooks
  readonly #answeredMs: number
  readonly #over = new AbortController()
  readonly #timers = new Set<Timer>()
  #coveredSec: number
  #fuse: Timer | null = null
  #warned = false
  #asking: Promise<void> = Promise.resolve()

  constructor(
    clock: Clock,
    call: { rateCentsPerMin: number; maxDurationSec: number },
    hooks: FundsHooks,
  ) {
    this.#clock = clock
    this.#call = call
    this.#hooks = hooks
    this.#answeredMs = clock.monotonicMs()
    this.#coveredSec = firstSliceSec(call.maxDurationSec)
    this.#goOn()
  }

  /** Milliseconds since the answer. */
  get talkedMs(): number {
    return this.#clock.monotonicMs() - this.#answeredMs
  }

  /** Of `measuredMs`, what was held for: a process that was stopped can't hang up, and what comes after that is ours. */
  coveredOf(measuredMs: number): number {
    return Math.min(measuredMs, this.#coveredSec * 1000)
  }

  /** Nothing is asked for or cut any more; resolves when nothing is under way. Idempotent. */
  async stop(): Promise<void> {
    this.#end()
    await this.#asking
  }

  #end(): void {
    this.#over.abort(new Cancelled('call ended'))
    this.#fuse?.cancel()
    for (const timer of this.#timers) timer.cancel()
  }

  /** From one slice to the next. */
  #goOn(): void {
    const { rateCentsPerMin, maxDurationSec } = this.#call
    const slice = sliceAt(this.#coveredSec, rateCentsPerMin, maxDurationSec)
    this.#fuse?.cancel()
    this.#fuse = null
    if (slice.extendAfterMs === null) return this.#burn(maxDurationSec * 1000, 'max_duration')
    this.#burn(cutAfterMs(slice.coveredSec), 'insufficient_funds')
    this.#at(slice.extendAfterMs, () => {
      this.#asking = this.#ask(slice)
    })
    this.#at((slice.coveredSec - WARN_AHEAD_SEC) * 1000, () => {
      if (this.#coveredSec === slice.coveredSec) this.#warn()
    })
  }

  #burn(afterMs: number, cause: 'insufficient_funds' | 'max_duration'): void {
    this.#fuse = this.#clock.schedule(this.#until(afterMs), () => {
      // Whatever the ledger says from here on comes too late.
      this.#end()
      this.#hooks.cut(cause)
    })
  }

  async #ask(slice: Slice): Promise<void> {
    try {
      // A slice that costs nothing needs no posting.
      const { extendByCents: cents } = slice
      const granted = cents === 0 || (await this.#hooks.extend(cents, this.#over.signal))
      if (this.#over.signal.aborted) return
      if (!granted) return this.#warn()
      this.#coveredSec = slice.nextCoveredSec
      this.#warned = false
      this.#goOn()
    } catch (error) {
      if (!(error instanceof Cancelled)) this.#hooks.failed(error)
    }
  }

  #warn(): void {
    if (this.#warned) return
    this.#warned = true
    this.#hooks.warn(Math.max(0, Math.round(this.#coveredSec - this.talkedMs / 1000)))
  }

  #at(afterMs: number, run: () => void): void {
    const timer = this.#clock.schedule(this.#until(afterMs), () => {
      this.#timers.delete(timer)
      run()
    })
    this.#timers.add(timer)
  }

  #until(afterMs: number): number {
    return Math.max(0, afterMs - this.talkedMs)
  }
}
