// The greeting as a length and a silence: voice frames become one stretch of speech as long as its pauses are short.
import { FRAME_MS } from '../speech/pcm.ts'

/** One stretch of speech, in milliseconds of media since the answer. */
export interface Stretch {
  fromMs: number
  /** End of its last voice. */
  toMs: number
  /** Voice in it, without the pauses. */
  voicedMs: number
}

export interface GreetingRules {
  onsetMs: number
  blipMs: number
  /** Silence that ends a stretch of this length. */
  endsAfterMs: (lengthMs: number) => number
}

export class Greeting {
  readonly #rules: GreetingRules
  #stretch: Stretch | null = null
  #nowMs = 0
  #runMs = 0
  #ended = false

  constructor(rules: GreetingRules) {
    this.#rules = rules
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** What is being said, or was said last; null before the first. */
  get stretch(): Readonly<Stretch> | null {
    return this.#stretch
  }

  /** The stretch is over: enough silence followed. */
  get ended(): boolean {
    return this.#ended
  }

  get lengthMs(): number {
    return this.#stretch ? this.#stretch.toMs - this.#stretch.fromMs : 0
  }

  get silenceMs(): number {
    return this.#nowMs - (this.#stretch?.toMs ?? 0)
  }

  /** The next 20 ms. `lateMs`: so much longer than the voice its detector went on. */
  observe(voiced: boolean, lateMs: number): void {
    this.#nowMs += FRAME_MS
    if (voiced) return this.#voiced()
    if (this.#runMs > 0 && this.#stretch && !this.#ended) {
      this.#stretch.toMs = Math.max(this.#stretch.fromMs, this.#stretch.toMs - lateMs)
    }
    this.#runMs = 0
    this.#silent()
  }

  #voiced(): void {
    this.#runMs += FRAME_MS
    if (this.#runMs < this.#rules.onsetMs) return
    const first = this.#runMs - FRAME_MS < this.#rules.onsetMs
    const newMs = first ? this.#runMs : FRAME_MS
    if (!this.#stretch || this.#ended) {
      this.#stretch = { fromMs: this.#nowMs - this.#runMs, toMs: this.#nowMs, voicedMs: 0 }
      this.#ended = false
    }
    this.#stretch.toMs = this.#nowMs
    this.#stretch.voicedMs += newMs
  }

  #silent(): void {
    if (!this.#stretch || this.#ended) return
    if (this.silenceMs < this.#rules.endsAfterMs(this.lengthMs)) return
    if (this.#stretch.voicedMs < this.#rules.blipMs) this.#stretch = null
    else this.#ended = true
  }
}
