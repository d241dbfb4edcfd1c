// Work in lanes: so much at once over all, so much at once in each lane, the lanes take turns, and slow ones have less.
import { assert } from '@saperly/kernel'

/** Slow lanes that are remembered; one more is taken for a good one until it shows again. */
const MAX_SLOW = 10_000

interface Lane<T> {
  waiting: T[]
  active: number
}

/** A fair, bounded choice of what to start next. It starts nothing itself. */
export class Lanes<T> {
  /** In the order of their turn. A lane is here while it has anything waiting or active. */
  readonly #lanes = new Map<string, Lane<T>>()
  readonly #maxActive: number
  readonly #maxPerLane: number
  readonly #slow = new Set<string>()
  #active = 0
  #slowActive = 0
  #size = 0

  constructor(maxActive: number, maxPerLane: number) {
    assert(maxActive > 0 && maxPerLane > 0, 'lanes need positive bounds')
    this.#maxActive = maxActive
    this.#maxPerLane = maxPerLane
  }

  /** Waiting and active together. */
  get size(): number {
    return this.#size
  }

  add(name: string, item: T): void {
    const lane = this.#lanes.get(name) ?? { waiting: [], active: 0 }
    lane.waiting.push(item)
    this.#lanes.set(name, lane)
    this.#size++
  }

  /** Lanes that have as much as could be started at once. */
  full(): string[] {
    return [...this.#lanes].flatMap(([name, { waiting, active }]) =>
      waiting.length + active >= this.#maxPerLane ? [name] : [],
    )
  }

  /** A slow lane has one at a time, and all of them together half of what there is. */
  slow(name: string, isSlow: boolean): void {
    if (!isSlow) this.#slow.delete(name)
    else if (this.#slow.size < MAX_SLOW) this.#slow.add(name)
  }

  /** What may start now, or null. `done` must be called once, when it has ended. */
  next(): { item: T; done: () => void } | null {
    if (this.#active >= this.#maxActive) return null
    for (const [name, lane] of this.#lanes) {
      const slow = this.#slow.has(name)
      if (lane.active >= (slow ? 1 : this.#maxPerLane)) continue
      if (slow && this.#slowActive >= Math.max(1, this.#maxActive / 2)) continue
      const item = lane.waiting.shift()
      if (item === undefined) continue
      lane.active++
      this.#active++
      if (slow) this.#slowActive++
      this.#toTheBack(name, lane)
      return { item, done: () => this.#done(name, lane, slow) }
    }
    return null
  }

  #toTheBack(name: string, lane: Lane<T>): void {
    this.#lanes.delete(name)
    this.#lanes.set(name, lane)
  }

  #done(name: string, lane: Lane<T>, slow: boolean): void {
    assert(lane.active > 0, 'work ended twice')
    lane.active--
    this.#active--
    if (slow) this.#slowActive--
    this.#size--
    if (lane.active === 0 && lane.waiting.length === 0) this.#lanes.delete(name)
  }
}
