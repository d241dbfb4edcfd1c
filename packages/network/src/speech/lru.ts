// A cache that forgets what was used longest ago, bounded by the summed size of what it holds.
import { assert } from '@saperly/kernel'

export class LruCache<V> {
  readonly #items = new Map<string, { value: V; size: number }>()
  readonly #maxSize: number
  #size = 0

  constructor(maxSize: number) {
    assert(maxSize > 0, 'a cache needs a positive bound')
    this.#maxSize = maxSize
  }

  get size(): number {
    return this.#size
  }

  get(key: string): V | undefined {
    const item = this.#items.get(key)
    if (!item) return undefined
    this.#items.delete(key)
    this.#items.set(key, item)
    return item.value
  }

  /** Keeps `value`, unless it alone is larger than the whole cache. */
  set(key: string, value: V, size: number): void {
    this.#remove(key)
    if (size > this.#maxSize) return
    this.#items.set(key, { value, size })
    this.#size += size
    for (const oldest of this.#items.keys()) {
      if (this.#size <= this.#maxSize) break
      this.#remove(oldest)
    }
  }

  #remove(key: string): void {
    const item = this.#items.get(key)
    if (!item) return
    this.#items.delete(key)
    this.#size -= item.size
  }
}
