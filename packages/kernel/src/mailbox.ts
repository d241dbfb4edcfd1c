// A bounded queue between one producer side and one consumer: how a session receives what happens to it.
import { assert } from './assert.ts'
import { cancelledBy } from './cancel.ts'

/** A bounded first-in-first-out mailbox. `put` never blocks: beyond the bound it refuses, and the caller decides. */
export class Mailbox<T> {
  readonly #items: T[] = []
  readonly #limit: number
  #taker: ((item: T) => void) | null = null

  constructor(limit: number) {
    assert(limit > 0, 'a mailbox needs a positive bound')
    this.#limit = limit
  }

  get size(): number {
    return this.#items.length
  }

  /** Adds an item; false when the mailbox is full (the item is not taken). */
  put(item: T): boolean {
    if (this.#taker) {
      const taker = this.#taker
      this.#taker = null
      taker(item)
      return true
    }
    if (this.#items.length >= this.#limit) return false
    this.#items.push(item)
    return true
  }

  /** The next item, waiting for it if need be; rejects with Cancelled when `signal` aborts. One taker at a time. */
  take(signal: AbortSignal): Promise<T> {
    assert(this.#taker === null, 'a mailbox has one taker')
    if (signal.aborted) return Promise.reject(cancelledBy(signal))
    const ready = this.#items.shift()
    if (ready !== undefined) return Promise.resolve(ready)
    return new Promise<T>((resolve, reject) => {
      const onAbort = (): void => {
        this.#taker = null
        reject(cancelledBy(signal))
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#taker = (item) => {
        signal.removeEventListener('abort', onAbort)
        resolve(item)
      }
    })
  }

  /** Empties the mailbox: everything that nobody will take any more. */
  takeAll(): T[] {
    return this.#items.splice(0)
  }
}
