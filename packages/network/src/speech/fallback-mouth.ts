// A mouth that outlives its engines' failures: where a voice doesn't begin in time, the next one says the sentence.
import { Cancelled, Fault, untilCancelled, type Clock, type Log } from '@saperly/kernel'
import type { Breaker } from './breaker.ts'
import { codeOf, EngineFault } from './engine.ts'
import type { AudioChunk, EngineSwitch, Mouth } from './port.ts'

/** A voice that gives no audio for so long is replaced, as long as another one is there. */
export const FIRST_AUDIO_LIMIT_MS = 1_500

/** One voice of one engine. */
export interface Speaker {
  /** Name of the engine. */
  readonly engine: string
  /** The engine's own id of the voice; null: its default. */
  readonly voice: string | null
  /** What asks for this voice again. */
  readonly id: string | null
  readonly mouth: Mouth
  /** Null: the node's own, which is never given up. */
  readonly breaker: Breaker | null
}

export interface Sentence {
  text: string
  signal: AbortSignal
  /** A part of the utterance has its audio already: the voice stays, whatever happens. */
  begun: boolean
}

/** What was asked for, and why it doesn't speak; null as long as it does. */
type Trouble = { from: string; reason: string } | null

export class FallbackMouth {
  readonly #clock: Clock
  readonly #log: Log

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /**
   * Says a sentence with the first speaker that can. `missing`: name of an engine that was asked for and isn't there.
   * Throws the Fault of the last one, and that of one which failed after its first audio.
   */
  async *speak(
    speakers: readonly Speaker[],
    sentence: Sentence,
    missing: string | null,
  ): AsyncGenerator<AudioChunk, void, void> {
    let trouble: Trouble = missing === null ? null : { from: missing, reason: 'not_configured' }
    const able = sentence.begun ? speakers.slice(0, 1) : speakers
    for (const [i, speaker] of able.entries()) {
      const last = i === able.length - 1
      if (!last && speaker.breaker?.allows() === false) {
        trouble ??= { from: speaker.engine, reason: 'circuit_open' }
        continue
      }
      const opened = await this.#open(speaker, sentence, !last)
      if ('chunks' in opened) return yield* this.#run(speaker, opened, trouble)
      if (sentence.signal.aborted) return
      trouble ??= { from: speaker.engine, reason: codeOf(opened.fault) }
      if (last) throw opened.fault
    }
    throw new EngineFault('no_engine')
  }

  /** Waits for the first chunk: what failed before it can still be said by another voice. */
  async #open(
    speaker: Speaker,
    { text, signal, begun }: Sentence,
    limited: boolean,
  ): Promise<Opened | { fault: Fault }> {
    const abort = new AbortController()
    const onAbort = (): void => abort.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const timer = limited
      ? this.#clock.schedule(FIRST_AUDIO_LIMIT_MS, () => abort.abort(new Cancelled(LATE)))
      : null
    const close = (): void => signal.removeEventListener('abort', onAbort)
    try {
      const chunks = speaker.mouth.speak(text, speaker.voice, abort.signal, begun)
      const iterator = chunks[Symbol.asyncIterator]()
      const first = await untilCancelled(iterator.next(), abort.signal)
      return { first, chunks: iterator, close }
    } catch (error) {
      close()
      abort.abort()
      const late = error instanceof Cancelled && error.reason === LATE
      if (!late && !(error instanceof Fault) && !(error instanceof Cancelled)) throw error
      const fault = error instanceof Fault ? error : new EngineFault(LATE)
      if (!signal.aborted) speaker.breaker?.failed()
      return { fault }
    } finally {
      timer?.cancel()
    }
  }

  async *#run(
    speaker: Speaker,
    { first, chunks, close }: Opened,
    trouble: Trouble,
  ): AsyncGenerator<AudioChunk, void, void> {
    const basis = speaker.mouth.wordTimes
    const switched = trouble && this.#switchOf(speaker, trouble)
    try {
      for (let step = first; !step.done; step = await chunks.next()) {
        const isFirst = step === first
        yield { ...step.value, basis, ...(isFirst && switched && { switched }) }
      }
      speaker.breaker?.worked()
    } catch (error) {
      if (error instanceof Fault) speaker.breaker?.failed()
      throw error
    } finally {
      close()
      await chunks.return?.()
    }
  }

  #switchOf(speaker: Speaker, { from, reason }: NonNullable<Trouble>): AudioChunk['switched'] {
    const told: EngineSwitch = { from, to: speaker.engine, reason }
    this.#log.warn('speech.switched', { part: 'speak', ...told })
    return { ...told, voice: speaker.id }
  }
}

const LATE = 'first_audio_late'

interface Opened {
  first: IteratorResult<AudioChunk>
  chunks: AsyncIterator<AudioChunk>
  close: () => void
}
