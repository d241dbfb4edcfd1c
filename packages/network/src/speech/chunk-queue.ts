// Audio on its way from an engine that pushes it to whoever iterates over it.
import { Fault } from '@saperly/kernel'
import type { AudioChunk, Pcm, Word } from './port.ts'

/** More than a minute of it is an engine gone wrong, samples. */
const MAX_SAMPLES = 8_000 * 60

export class ChunkQueue {
  readonly #chunks: AudioChunk[] = []
  /** Words told before their audio, or behind it. */
  #words: Word[] = []
  #samples = 0
  #end: { fault: Fault | null } | null = null
  #wake: (() => void) | null = null

  get ended(): boolean {
    return this.#end !== null
  }

  /** Audio; words that were told already go with it. */
  put(pcm: Pcm): void {
    if (this.#end || pcm.length === 0) return
    this.#samples += pcm.length
    if (this.#samples > MAX_SAMPLES) {
      return this.fail(new Fault('speech engine speaks without end', { retryable: false }))
    }
    this.#chunks.push({ pcm, words: this.#words })
    this.#words = []
    this.#wake?.()
  }

  /** Words whose audio has come or is to come. */
  tell(words: readonly Word[]): void {
    this.#words.push(...words)
  }

  end(): void {
    if (this.#end) return
    if (this.#words.length > 0 && this.#samples > 0) {
      this.#chunks.push({ pcm: new Int16Array(0), words: this.#words })
    }
    this.#end = { fault: null }
    this.#wake?.()
  }

  fail(fault: Fault): void {
    this.#end ??= { fault }
    this.#wake?.()
  }

  /** The next chunk, null at the end. Throws the engine's Fault. */
  async next(): Promise<AudioChunk | null> {
    while (this.#chunks.length === 0 && !this.#end) {
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    const chunk = this.#chunks.shift()
    if (chunk) return chunk
    if (this.#end?.fault) throw this.#end.fault
    return null
  }
}
