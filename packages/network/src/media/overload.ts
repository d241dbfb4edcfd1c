// Whether a media worker has as many legs as it can carry. It says so a while before anybody would hear it.
import type { WorkerLoad } from './load.ts'

/** Above this use of its event loop, or with turns this late, a worker is strained; below the second pair it is not. */
export const MAX_LOOP_USE = 0.7
const CALM_LOOP_USE = 0.6
/** A jitter buffer has 20 ms to spare; a turn later than that is a packet lost at the far end. */
export const MAX_SLIP_P99_MS = 15
const CALM_SLIP_P99_MS = 8
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

function isStrained({ legs, loopUse, slipP99Ms }: WorkerLoad): boolean {
  return legs >= MIN_STRAINED_LEGS && (loopUse > MAX_LOOP_USE || slipP99Ms > MAX_SLIP_P99_MS)
}

function isCalm({ legs, loopUse, slipP99Ms }: WorkerLoad): boolean {
  if (legs < MIN_STRAINED_LEGS) return true
  return loopUse < CALM_LOOP_USE && slipP99Ms < CALM_SLIP_P99_MS
}
