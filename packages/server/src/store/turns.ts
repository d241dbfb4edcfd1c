// Who is next: one queue for each of many, served in turn, so that nobody's crowd keeps another waiting.
import { assert } from '@saperly/kernel'

/** Queues by name, each first in, first out, and all bounded together and each for itself. */
export class Turns<T> {
  /** In the order in which they are served; the one that was served goes to the end. */
  readonly #queues = new Map<string, T[]>()
  readonly #max: number
  readonly #maxEach: number
  #size = 0

  constructor(max: number, maxEach: number) {
    assert(max > 0 && maxEach > 0, 'queues need positive bounds')
    this.#max = max
    this.#maxEach = maxEach
  }

  get size(): number {
    return this.#size
  }

  /** Adds to the end of a queue; false when it or all of them are full (the item is not taken). */
  put(name: string, item: T): boolean {
    const queue = this.#queues.get(name) ?? []
    if (this.#size >= this.#max || queue.length >= this.#maxEach) return false
    queue.push(item)
    this.#queues.set(name, queue)
    this.#size++
    return true
  }

  /** Takes the first of the next queue whose first may go; null when there is none. */
  take(mayGo: (item: T) => boolean): T | null {
    for (const [name, queue] of this.#queues) {
      const item = queue[0]!
      if (!mayGo(item)) continue
      queue.shift()
      this.#size--
      this.#queues.delete(name)
      if (queue.length > 0) this.#queues.set(name, queue)
      return item
    }
    return null
  }
}
