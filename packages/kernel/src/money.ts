// Money: integer cents (USD) everywhere; rates are cents per minute, billed per second.
import { assert } from './assert.ts'

/** The cost of `seconds` (whole, >= 0) at `rateCentsPerMin` (whole, >= 0): ceil(seconds × rate / 60). */
export function costCents(seconds: number, rateCentsPerMin: number): number {
  assert(Number.isSafeInteger(seconds) && seconds >= 0, 'seconds must be a whole number >= 0')
  assert(Number.isSafeInteger(rateCentsPerMin) && rateCentsPerMin >= 0, 'rate must be whole, >= 0')
  return Math.ceil((seconds * rateCentsPerMin) / 60)
}

/** Milliseconds rounded up to whole billed seconds; never negative. */
export function billedSeconds(ms: number): number {
  assert(Number.isFinite(ms), 'duration must be finite')
  return Math.max(0, Math.ceil(ms / 1000))
}
