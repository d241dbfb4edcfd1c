// Ears over a model of sherpa-onnx: one that hears as the peer speaks, or one that hears an utterance as a whole.
import type { Log } from '@saperly/kernel'
import { SAMPLE_RATE } from './pcm.ts'
import type { Ears, EarsOptions } from './port.ts'
import { Resampler } from './resample.ts'
import type {
  OfflineRecognizer,
  OnlineRecognizer,
  SherpaOnlineStream,
  SherpaResult,
} from './sherpa-module.ts'

/** Silence behind an utterance, so that the model's last step is filled, milliseconds. */
const TAIL_MS = 500
/** What an offline model is given at most, samples of 8 kHz: 30 s, the longest utterance there is. */
const MAX_SAMPLES = 30 * SAMPLE_RATE
/** Where a model says nothing of its certainty. */
const UNKNOWN_CONFIDENCE = 0.5

/** Telephone audio as a model wants it. */
class Widening {
  readonly #rate: number
  readonly #resampler: Resampler

  constructor(sampleRate: number) {
    this.#rate = sampleRate
    this.#resampler = new Resampler(SAMPLE_RATE, sampleRate)
  }

  next(pcm: Int16Array): { samples: Float32Array; sampleRate: number } {
    const wide = this.#rate === SAMPLE_RATE ? pcm : this.#resampler.process(pcm)
    return { samples: Float32Array.from(wide, (s) => s / 32_768), sampleRate: this.#rate }
  }

  tail(): { samples: Float32Array; sampleRate: number } {
    return this.next(new Int16Array((TAIL_MS * SAMPLE_RATE) / 1000))
  }
}

export class SherpaOnlineEars implements Ears {
  readonly recognizer = 'free'
  readonly #recognizer: OnlineRecognizer
  readonly #sampleRate: number
  readonly #onEvent: EarsOptions['onEvent']
  #open: {
    utterance: number
    stream: SherpaOnlineStream
    audio: Widening
    partial: string
  } | null = null

  constructor(recognizer: OnlineRecognizer, sampleRate: number, options: EarsOptions) {
    this.#recognizer = recognizer
    this.#sampleRate = sampleRate
    this.#onEvent = options.onEvent
  }

  /** The model knows any words. */
  expect(): void {}

  start(utterance: number): void {
    const stream = this.#recognizer.createStream()
    this.#open = { utterance, stream, audio: new Widening(this.#sampleRate), partial: '' }
  }

  write(frame: Int16Array): void {
    const open = this.#open
    if (!open) return
    open.stream.acceptWaveform(open.audio.next(frame))
    if (!this.#decode(open.stream)) return
    const { text } = this.#recognizer.getResult(open.stream)
    // Told each time: that the model has taken a step is a sign of life.
    open.partial = text.trim()
    this.#onEvent({ type: 'partial', utterance: open.utterance, text: open.partial })
  }

  finish(): void {
    const open = this.#open
    this.#open = null
    if (!open) return
    open.stream.acceptWaveform(open.audio.tail())
    open.stream.inputFinished()
    this.#decode(open.stream)
    this.#onEvent(finalOf(open.utterance, this.#recognizer.getResult(open.stream)))
  }

  cancel(): void {
    this.#open = null
  }

  close(): void {
    this.cancel()
  }

  /** Takes every step that there is audio for; false when there was none. */
  #decode(stream: SherpaOnlineStream): boolean {
    let stepped = false
    while (this.#recognizer.isReady(stream)) {
      this.#recognizer.decode(stream)
      stepped = true
    }
    return stepped
  }
}

export class SherpaOfflineEars implements Ears {
  readonly recognizer = 'free'
  readonly #recognizer: OfflineRecognizer
  readonly #sampleRate: number
  readonly #onEvent: EarsOptions['onEvent']
  readonly #log: Log
  #open: { utterance: number; pcm: Int16Array; length: number } | null = null
  /** Counts utterances given up meanwhile: their text is not told. */
  #epoch = 0

  constructor(recognizer: OfflineRecognizer, sampleRate: number, options: EarsOptions, log: Log) {
    this.#recognizer = recognizer
    this.#sampleRate = sampleRate
    this.#onEvent = options.onEvent
    this.#log = log
  }

  /** The model knows any words. */
  expect(): void {}

  start(utterance: number): void {
    this.#epoch++
    this.#open = { utterance, pcm: new Int16Array(MAX_SAMPLES), length: 0 }
  }

  write(frame: Int16Array): void {
    const open = this.#open
    if (!open || open.length + frame.length > MAX_SAMPLES) return
    open.pcm.set(frame, open.length)
    open.length += frame.length
  }

  finish(): void {
    const open = this.#open
    this.#open = null
    if (open) void this.#decode(open.utterance, open.pcm.subarray(0, open.length))
  }

  cancel(): void {
    this.#epoch++
    this.#open = null
  }

  close(): void {
    this.cancel()
  }

  async #decode(utterance: number, pcm: Int16Array): Promise<void> {
    const epoch = this.#epoch
    const audio = new Widening(this.#sampleRate)
    const stream = this.#recognizer.createStream()
    stream.acceptWaveform(audio.next(pcm))
    try {
      const result = await this.#recognizer.decodeAsync(stream)
      if (epoch === this.#epoch) this.#onEvent(finalOf(utterance, result))
    } catch (error) {
      this.#log.error('speech.sherpa_decode_failed', {}, error)
      if (epoch === this.#epoch) this.#onEvent({ type: 'fault', utterance, code: 'decode_failed' })
    }
  }
}

function finalOf(
  utterance: number,
  result: SherpaResult,
): Parameters<EarsOptions['onEvent']>[0] & { type: 'final' } {
  const text = result.text.trim()
  const confidence = text === '' ? 0 : confidenceOf(result)
  return { type: 'final', utterance, text, noMatch: text === '', confidence }
}

/** The geometric mean of the tokens' probabilities. */
function confidenceOf({ ys_probs: online, ys_log_probs: offline }: SherpaResult): number {
  const logs = [...(online ?? []), ...(offline ?? [])].filter((value) => value <= 0)
  if (logs.length === 0) return UNKNOWN_CONFIDENCE
  return Math.exp(logs.reduce((sum, value) => sum + value, 0) / logs.length)
}
