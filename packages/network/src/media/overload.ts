// Whether a media worker has as many legs as it can carry. It says so a while before anybody would hear it.
import type { WorkerLoad } from './load.ts'

/** Above this use of its event loop a worker is strained; below the second it is not. */
export const MAX_LOOP_USE = 0.7
const CALM_LOOP_USE = 0.6
/**
 * The same for the share of turns that come too late to be heard. A percentile would not do: one pause of 20 ms in each
 * second, as any busy machine has, delays two turns in a hundred, and nobody hears it.
 */
export const MAX_LATE_SHARE = 0.05
const CALM_LATE_SHARE = 0.03
/** Looks in a row that it takes to be believed, either way: a single pause of the machine is no load. */
export const STRAINED_LOOKS = 3
const CALM_LOOKS = 5
/** With fewer legs it is something else that keeps the machine busy, and refusing calls would not help. */
export const MIN_STRAINED_LEGS = 10

export class OverloadWatch {
  #overloaded = false
  /** Looks in a row that speak against the present verdict. */
  #against = 0

  get overloaded(): boolean {
    return this.#overloaded
  }

  /** Takes the next look, about one a second. */
  look(load: WorkerLoad): void {
    const against = this.#overloaded ? isCalm(load) : isStrained(load)
    this.#against = against ? this.#against + 1 : 0
    if (this.#against < (this.#overloaded ? CALM_LOOKS : STRAINED_LOOKS)) return
    this.#overloaded = !this.#overloaded
    this.#against = 0
  }
}

function isStrained({ legs, loopUse, lateShare }: WorkerLoad): boolean {
  return legs >= MIN_STRAINED_LEGS && (loopUse > MAX_LOOP_USE || lateShare > MAX_LATE_SHARE)
}

function isCalm({ legs, loopUse, lateShare }: WorkerLoad): boolean {
  if (legs < MIN_STRAINED_LEGS) return true
  return loopUse < CALM_LOOP_USE && lateShare < CALM_LATE_SHARE
}
