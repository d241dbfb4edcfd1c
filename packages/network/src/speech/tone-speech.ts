// The tone pair as an engine: a mouth that says any text in tones, and ears that read it back, word for word.
import { Fault } from '@saperly/kernel'
import type { AudioChunk, Ears, EarsOptions, Mouth } from './port.ts'
import { renderTones } from './tone.ts'
import { ToneDecoder } from './tone-decoder.ts'

const MAX_SPEAK_CHARS = 500
/** What is left of certainty when only the beginning of a transmission was heard. */
const CUT_CONFIDENCE = 0.5

export const toneMouth: Mouth = {
  wordTimes: 'exact',
  async *speak(
    text: string,
    _voice: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<AudioChunk> {
    if (text.length > MAX_SPEAK_CHARS) {
      throw new Fault('text is too long to be spoken at once', { retryable: false })
    }
    if (signal.aborted) return
    yield renderTones(text)
  },
}

export class ToneEars implements Ears {
  readonly recognizer = 'free'
  readonly #onEvent: EarsOptions['onEvent']
  #open: { utterance: number; decoder: ToneDecoder; overflowed: boolean } | null = null

  constructor(options: EarsOptions) {
    this.#onEvent = options.onEvent
  }

  /** Tones say what they say; nothing has to be expected. */
  expect(): void {}

  start(utterance: number): void {
    this.#open = { utterance, decoder: new ToneDecoder(), overflowed: false }
  }

  write(frame: Int16Array): void {
    if (this.#open && !this.#open.decoder.write(frame)) this.#open.overflowed = true
  }

  finish(): void {
    const open = this.#open
    this.#open = null
    if (!open) return
    const { utterance } = open
    if (open.overflowed) return this.#onEvent({ type: 'fault', utterance, code: 'too_long' })
    const { text, quality } = open.decoder.finish()
    const confidence = text === '' ? 0 : quality === 'whole' ? 1 : CUT_CONFIDENCE
    this.#onEvent({ type: 'final', utterance, text, noMatch: text === '', confidence })
  }

  cancel(): void {
    this.#open = null
  }

  close(): void {
    this.cancel()
  }
}
