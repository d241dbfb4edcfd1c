// Notices that nobody says anything: counts from the end of our speech, and tells once.
import { FRAME_MS } from '../speech/pcm.ts'

export class SilenceWatch {
  #timeoutMs: number | null = null
  #elapsedMs = 0

  /** Counts anew, and tells after `timeoutMs`; null: never. */
  arm(timeoutMs: number | null): void {
    this.#timeoutMs = timeoutMs
    this.#elapsedMs = 0
  }

  /** Something happened that is an answer of a kind, but not a turn (a key): counts anew. */
  restart(): void {
    this.#elapsedMs = 0
  }

  disarm(): void {
    this.#timeoutMs = null
  }

  /**
   * One frame has passed. `speaking`: we talk or are about to. `quiet`: no voice of the peer is being looked at.
   * Returns the seconds of silence when it is time to tell.
   */
  tick(speaking: boolean, quiet: boolean): number | null {
    this.#elapsedMs = speaking ? 0 : this.#elapsedMs + FRAME_MS
    const timeoutMs = this.#timeoutMs
    if (timeoutMs === null || speaking || !quiet || this.#elapsedMs < timeoutMs) return null
    this.disarm()
    return timeoutMs / 1000
  }
}
