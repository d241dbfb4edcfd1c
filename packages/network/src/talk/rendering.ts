// One piece of text on its way from the mouth to the wire: rendered once, taken frame by frame.
import { Fault, untilCancelled, type Clock } from '@saperly/kernel'
import { silentFrame } from '../rtp/frame.ts'
import type { AudioChunk, EngineSwitch, Mouth, Word } from '../speech/port.ts'
import type { HeardBasis } from './port.ts'
import { FRAME_SAMPLES, msOf, samplesOf } from '../speech/pcm.ts'

/** No piece of 200 characters is longer; more than this is an engine gone wrong. */
const MAX_RENDERED_SAMPLES = samplesOf(60_000)
/** A resumed utterance goes back to the beginning of its word, but not by more than this. */
const MAX_REWIND_MS = 600
/** How long a character is spoken, where nothing better is known yet. */
const MS_PER_CHAR = 65
const FIRST_BUFFER_SAMPLES = 16_384

const EMPTY = new Int16Array(0)

/** How a piece is to be spoken. */
export interface RenderOptions {
  mouth: Mouth
  voice: string | null
  /** A part of its utterance has its audio: the voice stays. */
  begun: boolean
  clock: Clock
  /** Another engine speaks than was asked; `voice` asks for it again. */
  onSwitch: (change: EngineSwitch & { voice: string | null }) => void
}

type RenderingState = 'waiting' | 'rendering' | 'done' | 'failed'

/** The audio of one sentence or clause. */
export class Rendering {
  readonly text: string
  readonly words: Word[] = []
  /** How well the words' times are known, where the engine said it. */
  basis: HeardBasis | null = null
  readonly #abort = new AbortController()
  #state: RenderingState = 'waiting'
  #pcm: Int16Array = EMPTY
  #samples = 0
  #taken = 0
  #speechMs = 0
  #readyAtMs = 0

  constructor(text: string) {
    this.text = text
  }

  get state(): RenderingState {
    return this.#state
  }

  /** Milliseconds the mouth needed for its first audio. */
  get speechMs(): number {
    return this.#speechMs
  }

  /** Monotonic time of the first audio. */
  get readyAtMs(): number {
    return this.#readyAtMs
  }

  /** Some of its audio is there. */
  get audible(): boolean {
    return this.#samples > 0
  }

  get takenMs(): number {
    return msOf(this.#taken)
  }

  /** Length of the audio; estimated while it is still being rendered. */
  get totalMs(): number {
    const knownMs = msOf(this.#samples)
    return this.#state === 'done' ? knownMs : Math.max(knownMs, this.text.length * MS_PER_CHAR)
  }

  /** All that will ever come has been taken. */
  get played(): boolean {
    return this.#state === 'done' && this.#taken >= this.#samples
  }

  /** The engine failed, and what it gave before has been taken. */
  get broken(): boolean {
    return this.#state === 'failed' && this.#taken >= this.#samples
  }

  /**
   * Renders the text; settles when the last audio is there. Throws what the engine threw (a Fault, or Fault for an
   * engine that runs on without end) after noting the failure. An aborted rendering ends without an error.
   */
  async run({ mouth, voice, begun, clock, onSwitch }: RenderOptions): Promise<void> {
    if (this.#state !== 'waiting') return
    this.#state = 'rendering'
    const startedAtMs = clock.monotonicMs()
    const { signal } = this.#abort
    try {
      const chunks = mouth.speak(this.text.trim(), voice, signal, begun)[Symbol.asyncIterator]()
      // An engine that hangs must not hold up those behind it: the abort is not left to its good will.
      const next = (): Promise<IteratorResult<AudioChunk>> => untilCancelled(chunks.next(), signal)
      for (let step = await next(); !step.done; step = await next()) {
        if (this.#samples === 0) {
          this.#readyAtMs = clock.monotonicMs()
          this.#speechMs = Math.round(this.#readyAtMs - startedAtMs)
        }
        this.#take(step.value, onSwitch)
      }
      this.#state = 'done'
    } catch (error) {
      this.#state = 'failed'
      const cancelled = signal.aborted
      this.#abort.abort()
      if (!cancelled) throw error
    }
  }

  /** The next 160 samples (the last ones filled up with silence), or null when there are none now. */
  take(): Int16Array | null {
    const left = this.#samples - this.#taken
    if (left <= 0) return null
    if (left < FRAME_SAMPLES && this.#state === 'rendering') return null
    const end = Math.min(this.#samples, this.#taken + FRAME_SAMPLES)
    // What is there is never written again, so that a whole frame needs no copy.
    const there = this.#pcm.subarray(this.#taken, end)
    this.#taken = end
    return there.length === FRAME_SAMPLES ? there : filledUp(there)
  }

  /** Goes back to the beginning of the word that was being played. */
  rewindToWord(): void {
    const nowMs = this.takenMs
    const word = this.words.find(({ fromMs, toMs }) => fromMs < nowMs && nowMs < toMs)
    if (!word || nowMs - word.fromMs > MAX_REWIND_MS) return
    this.#taken = Math.max(0, samplesOf(word.fromMs))
  }

  /** Gives the audio back; words and length stay known. */
  release(): void {
    this.#pcm = EMPTY
  }

  abort(): void {
    this.#abort.abort()
    if (this.#state === 'waiting') this.#state = 'failed'
  }

  #take({ pcm, words, basis, switched }: AudioChunk, onSwitch: RenderOptions['onSwitch']): void {
    if (switched) onSwitch(switched)
    this.basis = basis ?? this.basis
    this.words.push(...words)
    this.#append(pcm)
  }

  #append(pcm: Int16Array): void {
    const needed = this.#samples + pcm.length
    if (needed > MAX_RENDERED_SAMPLES) {
      throw new Fault('mouth: rendering is too long', { retryable: false })
    }
    if (needed > this.#pcm.length) {
      const grown = new Int16Array(Math.max(needed, this.#pcm.length * 2, FIRST_BUFFER_SAMPLES))
      grown.set(this.#pcm.subarray(0, this.#samples))
      this.#pcm = grown
    }
    this.#pcm.set(pcm, this.#samples)
    this.#samples = needed
  }
}

function filledUp(samples: Int16Array): Int16Array {
  const frame = silentFrame()
  frame.set(samples)
  return frame
}
