// Work in lanes: so much at once over all, so much at once in each lane, and the lanes take turns.
import { assert } from '@saperly/kernel'

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
  #active = 0
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

  /** What may start now, or null. `done` must be called once, when it has ended. */
  next(): { item: T; done: () => void } | null {
    if (this.#active >= this.#maxActive) return null
    for (const [name, lane] of this.#lanes) {
      if (lane.active >= this.#maxPerLane) continue
      const item = lane.waiting.shift()
      if (item === undefined) continue
      lane.active++
      this.#active++
      this.#toTheBack(name, lane)
      return { item, done: () => this.#done(name, lane) }
    }
    return null
  }

  #toTheBack(name: string, lane: Lane<T>): void {
    this.#lanes.delete(name)
    this.#lanes.set(name, lane)
  }

  #done(name: string, lane: Lane<T>): void {
    assert(lane.active > 0, 'work ended twice')
    lane.active--
    this.#active--
    this.#size--
    if (lane.active === 0 && lane.waiting.length === 0) this.#lanes.delete(name)
  }
}
