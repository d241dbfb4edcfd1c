// The engine's end of a port: does what one media worker asks, for all of its legs.
import { Fault } from '@saperly/kernel'
import type { Log } from '@saperly/kernel'
import type { FromSpeech, SpeechPort, ToSpeech } from './messages.ts'
import type { Ears, SpeechService } from './port.ts'

/** Frames are acknowledged in batches of this many. */
const ACK_FRAMES = 25

interface Listener {
  ears: Ears
  unacknowledged: number
}

/** Serves `port` until it closes. */
export function serveSpeech(
  port: SpeechPort,
  service: SpeechService,
  recognizer: 'phrases' | 'free',
  log: Log,
): void {
  new SpeechServer(port, service, recognizer, log)
}

class SpeechServer {
  readonly #port: SpeechPort
  readonly #service: SpeechService
  readonly #log: Log
  readonly #listeners = new Map<number, Listener>()
  readonly #speeches = new Map<number, AbortController>()

  constructor(port: SpeechPort, service: SpeechService, recognizer: 'phrases' | 'free', log: Log) {
    this.#port = port
    this.#service = service
    this.#log = log
    port.on('message', (message) => this.#receive(message as ToSpeech))
    port.on('close', () => this.#close())
    this.#post({ type: 'hello', recognizer, wordTimes: service.mouth.wordTimes })
  }

  #post(message: FromSpeech): void {
    this.#port.postMessage(message)
  }

  #receive(message: ToSpeech): void {
    switch (message.type) {
      case 'open': {
        const { ears, engine, language, phrases } = message
        const opened = this.#service.openEars({
          engine,
          language,
          phrases,
          onEvent: (event) => this.#post({ type: 'heard', ears, event }),
        })
        this.#listeners.set(ears, { ears: opened, unacknowledged: 0 })
        return
      }
      case 'speak':
        return void this.#speak(message)
      case 'hush':
        return this.#speeches.get(message.speech)?.abort()
      case 'frame':
        return this.#hear(message.ears, message.pcm)
      case 'expect':
        return this.#listeners.get(message.ears)?.ears.expect(message.expect)
      case 'start':
        return this.#listeners.get(message.ears)?.ears.start(message.utterance)
      case 'finish':
        return this.#listeners.get(message.ears)?.ears.finish()
      case 'cancel':
        return this.#listeners.get(message.ears)?.ears.cancel()
      case 'close':
        this.#listeners.get(message.ears)?.ears.close()
        this.#listeners.delete(message.ears)
        return
    }
  }

  #hear(id: number, pcm: Int16Array): void {
    const listener = this.#listeners.get(id)
    if (!listener) return
    listener.ears.write(pcm)
    if (++listener.unacknowledged < ACK_FRAMES) return
    this.#post({ type: 'taken', ears: id, frames: listener.unacknowledged })
    listener.unacknowledged = 0
  }

  async #speak({ speech, text, voice, begun }: ToSpeech & { type: 'speak' }): Promise<void> {
    const abort = new AbortController()
    this.#speeches.set(speech, abort)
    try {
      for await (const chunk of this.#service.mouth.speak(text, voice, abort.signal, begun)) {
        this.#post({ type: 'chunk', speech, chunk })
      }
      this.#post({ type: 'spoken', speech })
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      this.#log.warn('speech.not_spoken', { reason: error.message })
      this.#post({ type: 'failed', speech, message: error.message, retryable: error.retryable })
    } finally {
      this.#speeches.delete(speech)
    }
  }

  #close(): void {
    for (const { ears } of this.#listeners.values()) ears.close()
    this.#listeners.clear()
    for (const abort of this.#speeches.values()) abort.abort()
  }
}
