// The pacer: one wheel of absolute deadlines per worker gives every leg its turn each 20 ms, spread over four 5 ms slots.
//
// An interval timer drifts (13 ms a second were measured), so every deadline is counted from the start of the wheel.
// A wheel that comes late catches up by at most three frames; beyond that, frames are skipped and the legs are told,
// so that their timestamps follow real time. The wheel stands still while it has no legs.
import type { Clock, Timer } from '@saperly/kernel'
import { FRAME_MS } from './frame.ts'
import { SlipMeter } from './slip.ts'

export const SLOT_MS = 5
const SLOTS = FRAME_MS / SLOT_MS
export const MAX_CATCH_UP_FRAMES = 3
/** A wheel that is so many slots late has been stalled. */
const LATE_SLOTS = 2

/**
 * One leg's turn. `skipped` frames were left out before this one. Returns true when nobody would miss a turn
 * (silence was sent): the pacer then takes back what `hasten` gave in advance.
 */
export type Turn = (skipped: number) => boolean

export interface Beat {
  /**
   * Moves an idle leg's turn to the next slot, at most 15 ms early, so that speech which has just become ready goes out
   * at once. What the leg is ahead of time is taken back by leaving out one idle turn.
   */
  hasten(): void
  cancel(): void
}

interface Entry {
  turn: Turn
  slot: number
  live: boolean
  skipped: number
  /** Slots by which this leg has its turns early; below 2 × SLOTS. */
  aheadSlots: number
  idle: boolean
}

export class Pacer {
  readonly #clock: Clock
  readonly #beforeTurns: () => void
  readonly #slots: Entry[][] = Array.from({ length: SLOTS }, () => [])
  /** How late the turns come. */
  readonly slip: SlipMeter = new SlipMeter()
  #timer: Timer | null = null
  #startMs = 0
  /** Number of the next slot to run, counted from the start. */
  #next = 0
  #size = 0
  #running = false
  #yielded = false

  /** @param beforeTurns called before the turns of each slot, once for all slots that are due. */
  constructor(clock: Clock, beforeTurns: () => void = () => undefined) {
    this.#clock = clock
    this.#beforeTurns = beforeTurns
  }

  get size(): number {
    return this.#size
  }

  /** Gives `turn` a slot, the emptiest one; the first turn comes within 20 ms. */
  add(turn: Turn): Beat {
    const sizes = this.#slots.map((entries) => entries.length)
    const slot = sizes.indexOf(Math.min(...sizes))
    const entry: Entry = { turn, slot, live: true, skipped: 0, aheadSlots: 0, idle: true }
    this.#slots[slot]!.push(entry)
    if (this.#size++ === 0 && !this.#running) this.#start()
    return { hasten: () => this.#hasten(entry), cancel: () => this.#cancel(entry) }
  }

  #start(): void {
    this.#startMs = this.#clock.monotonicMs()
    this.#next = 0
    this.#arm()
  }

  #arm(): void {
    const dueMs = this.#startMs + this.#next * SLOT_MS - this.#clock.monotonicMs()
    // Rounded up, since timers of whole milliseconds would otherwise fire before the deadline.
    this.#timer = this.#clock.schedule(Math.max(0, Math.ceil(dueMs)), () => this.#run())
  }

  #run(): void {
    this.#timer = null
    const due = Math.floor((this.#clock.monotonicMs() - this.#startMs) / SLOT_MS)
    if (due - this.#next >= LATE_SLOTS && !this.#yielded) return this.#yield()
    this.#yielded = false
    this.#skipTo(due)
    this.#running = true
    this.#beforeTurns()
    while (this.#next <= due) {
      const dueMs = this.#startMs + this.#next * SLOT_MS
      const slot = this.#next++ % SLOTS
      // A copy, because turns may end legs, begin them, or move them.
      for (const entry of this.#slots[slot]!.slice()) {
        if (!entry.live) continue
        this.slip.record(this.#clock.monotonicMs() - dueMs)
        takeTurn(entry)
      }
    }
    this.#running = false
    if (this.#size > 0) this.#arm()
  }

  /** After a stall the sockets are read first: what they hold came in time, and would be missed by the turns. */
  #yield(): void {
    this.#yielded = true
    this.#timer = this.#clock.schedule(0, () => this.#run())
  }

  /** Leaves out whole frames, of every leg alike, until no more than the catch-up remains. */
  #skipTo(due: number): void {
    const behind = due - this.#next + 1
    const frames = Math.ceil((behind - MAX_CATCH_UP_FRAMES * SLOTS) / SLOTS)
    if (frames <= 0) return
    this.#next += frames * SLOTS
    for (const entries of this.#slots) for (const entry of entries) entry.skipped += frames
  }

  #hasten(entry: Entry): void {
    const early = (entry.slot - (this.#next % SLOTS) + SLOTS) % SLOTS
    if (!entry.live || !entry.idle) return
    // Somebody waits for this very turn: it must not be the one that is taken back.
    entry.idle = false
    if (early === 0 || entry.aheadSlots >= SLOTS) return
    this.#leave(entry)
    entry.slot = this.#next % SLOTS
    entry.aheadSlots += early
    this.#slots[entry.slot]!.push(entry)
  }

  #cancel(entry: Entry): void {
    if (!entry.live) return
    entry.live = false
    this.#leave(entry)
    if (--this.#size > 0) return
    this.#timer?.cancel()
    this.#timer = null
  }

  #leave(entry: Entry): void {
    const entries = this.#slots[entry.slot]!
    entries.splice(entries.indexOf(entry), 1)
  }
}

function takeTurn(entry: Entry): void {
  if (entry.idle && entry.aheadSlots >= SLOTS) {
    entry.aheadSlots -= SLOTS
    return
  }
  const skipped = entry.skipped
  entry.skipped = 0
  entry.idle = entry.turn(skipped)
}
