// The last frames that were heard, in memory of their own: a frame that is kept alive for a second is dear to the collector.
import { assert } from '@saperly/kernel'
import { FRAME_SAMPLES } from '../rtp/frame.ts'

export class FrameRing {
  readonly #samples: Int16Array
  readonly #capacity: number
  /** Frames that were put in. */
  #count = 0

  /** Keeps `capacity` frames. */
  constructor(capacity: number) {
    this.#capacity = capacity
    this.#samples = new Int16Array(capacity * FRAME_SAMPLES)
  }

  /** Frames that are kept. */
  get size(): number {
    return Math.min(this.#count, this.#capacity)
  }

  put(frame: Int16Array): void {
    this.#samples.set(frame, this.#place(this.#count++))
  }

  /** Copies of the last `count` frames, oldest first; at most `size`. */
  last(count: number): Int16Array[] {
    assert(count <= this.size, 'so many frames are not kept')
    return Array.from({ length: count }, (_, i) => {
      const at = this.#place(this.#count - count + i)
      return this.#samples.slice(at, at + FRAME_SAMPLES)
    })
  }

  #place(index: number): number {
    return (index % this.#capacity) * FRAME_SAMPLES
  }
}
