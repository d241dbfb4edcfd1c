// The speech service of a media worker: the engine itself runs in the speech worker, at the other end of a port.
import { Fault } from '@saperly/kernel'
import type { Expect } from '../talk/port.ts'
import type { FromSpeech, SpeechPort, ToSpeech } from './messages.ts'
import type { AudioChunk, Ears, EarsEvent, EarsOptions, Mouth, SpeechService } from './port.ts'

/** How far the engine may lag behind one listener, frames: 5 s. Then its utterance is given up. */
const MAX_LAG_FRAMES = 250
/** Sentences asked for at once. */
const MAX_SPEECHES = 512

/** Connects to the engine behind `port`. Until it has said what it is, the humblest is assumed. */
export function createRemoteSpeech(port: SpeechPort): SpeechService {
  return new RemoteSpeech(port)
}

class RemoteSpeech implements SpeechService {
  readonly mouth: Mouth
  readonly #port: SpeechPort
  readonly #ears = new Map<number, RemoteEars>()
  readonly #speeches = new Map<number, Speech>()
  #lastId = 0
  #closed = false
  #hello: { recognizer: 'phrases' | 'free'; wordTimes: Mouth['wordTimes'] } = {
    recognizer: 'phrases',
    wordTimes: 'estimated',
  }

  constructor(port: SpeechPort) {
    this.#port = port
    port.on('message', (message) => this.#receive(message as FromSpeech))
    port.on('close', () => this.#lose())
    const hello = (): Mouth['wordTimes'] => this.#hello.wordTimes
    this.mouth = {
      get wordTimes() {
        return hello()
      },
      speak: (text, voice, signal, begun = false) => this.#speak(text, voice, signal, begun),
    }
  }

  openEars(options: EarsOptions): Ears {
    const id = ++this.#lastId
    const ears = new RemoteEars(id, options.onEvent, {
      recognizer: () => this.#hello.recognizer,
      post: (message, transfer) => this.#post(message, transfer),
      forget: () => this.#ears.delete(id),
    })
    this.#ears.set(id, ears)
    const { engine = null, language, phrases } = options
    this.#post({ type: 'open', ears: id, engine, language, phrases })
    if (this.#closed) ears.lose()
    return ears
  }

  async close(): Promise<void> {
    this.#port.close()
    this.#lose()
  }

  #post(message: ToSpeech, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.#closed) this.#port.postMessage(message, transfer)
  }

  async *#speak(
    text: string,
    voice: string | null,
    signal: AbortSignal,
    begun: boolean,
  ): AsyncGenerator<AudioChunk, void, void> {
    if (signal.aborted) return
    if (this.#closed) throw new Fault('speech engine is gone', { retryable: true })
    if (this.#speeches.size >= MAX_SPEECHES) {
      throw new Fault('speech engine has too much to say', { retryable: true })
    }
    const id = ++this.#lastId
    const speech = new Speech()
    const onAbort = (): void => speech.end()
    this.#speeches.set(id, speech)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#post({ type: 'speak', speech: id, text, voice, begun })
    try {
      for (;;) {
        const chunk = await speech.next()
        if (!chunk) return
        yield chunk
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      if (this.#speeches.delete(id)) this.#post({ type: 'hush', speech: id })
    }
  }

  #receive(message: FromSpeech): void {
    switch (message.type) {
      case 'hello':
        this.#hello = message
        return
      case 'taken':
        return this.#ears.get(message.ears)?.taken(message.frames)
      case 'heard':
        return this.#ears.get(message.ears)?.heard(message.event)
      case 'chunk':
        return this.#speeches.get(message.speech)?.put(message.chunk)
      case 'spoken':
        return this.#finished(message.speech)?.end()
      case 'failed':
        return this.#finished(message.speech)?.fail(
          new Fault(message.message, { retryable: message.retryable }),
        )
    }
  }

  /** The engine is done with a speech: there is nothing left to hush. */
  #finished(id: number): Speech | undefined {
    const speech = this.#speeches.get(id)
    this.#speeches.delete(id)
    return speech
  }

  /** The other end has gone: what was asked of it ends with a fault. */
  #lose(): void {
    if (this.#closed) return
    this.#closed = true
    for (const ears of this.#ears.values()) ears.lose()
    for (const speech of this.#speeches.values()) {
      speech.fail(new Fault('speech engine is gone', { retryable: true }))
    }
    this.#speeches.clear()
  }
}

/** Chunks on their way from the port to whoever iterates over them. */
class Speech {
  readonly #chunks: AudioChunk[] = []
  #end: { fault: Fault | null } | null = null
  #wake: (() => void) | null = null

  put(chunk: AudioChunk): void {
    this.#chunks.push(chunk)
    this.#wake?.()
  }

  end(): void {
    this.#end ??= { fault: null }
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

interface EarsLink {
  recognizer: () => 'phrases' | 'free'
  post: (message: ToSpeech, transfer?: readonly ArrayBuffer[]) => void
  forget: () => void
}

/** `failing`: the utterance is lost already; it ends with a fault when it is finished. */
type EarsState = 'idle' | 'open' | 'failing' | 'finishing'

class RemoteEars implements Ears {
  readonly #id: number
  readonly #onEvent: (event: EarsEvent) => void
  readonly #link: EarsLink
  #state: EarsState = 'idle'
  #utterance = 0
  #lag = 0
  #code = ''

  constructor(id: number, onEvent: (event: EarsEvent) => void, link: EarsLink) {
    this.#id = id
    this.#onEvent = onEvent
    this.#link = link
  }

  get recognizer(): 'phrases' | 'free' {
    return this.#link.recognizer()
  }

  expect(expect: Expect): void {
    this.#link.post({ type: 'expect', ears: this.#id, expect })
  }

  start(utterance: number): void {
    this.#utterance = utterance
    this.#state = this.#code === 'lost' ? 'failing' : 'open'
    this.#link.post({ type: 'start', ears: this.#id, utterance })
  }

  write(frame: Int16Array): void {
    if (this.#state !== 'open') return
    if (this.#lag >= MAX_LAG_FRAMES) {
      this.#link.post({ type: 'cancel', ears: this.#id })
      this.#state = 'failing'
      this.#code = 'late'
      return
    }
    this.#lag++
    const pcm = frame.slice()
    this.#link.post({ type: 'frame', ears: this.#id, pcm }, [pcm.buffer])
  }

  finish(): void {
    if (this.#state === 'failing') return this.#fail()
    if (this.#state !== 'open') return
    this.#state = 'finishing'
    this.#link.post({ type: 'finish', ears: this.#id })
  }

  cancel(): void {
    this.#state = 'idle'
    this.#link.post({ type: 'cancel', ears: this.#id })
  }

  close(): void {
    this.#state = 'idle'
    this.#link.forget()
    this.#link.post({ type: 'close', ears: this.#id })
  }

  taken(frames: number): void {
    this.#lag -= frames
  }

  heard(event: EarsEvent): void {
    if (event.type === 'switched') return this.#onEvent(event)
    // What comes for an utterance that was cancelled meanwhile is of no use.
    if (this.#state === 'idle' || event.utterance !== this.#utterance) return
    if (event.type === 'final' || event.type === 'fault') this.#state = 'idle'
    this.#onEvent(event)
  }

  lose(): void {
    this.#code = 'lost'
    if (this.#state === 'open') this.#state = 'failing'
    if (this.#state === 'finishing') this.#fail()
  }

  #fail(): void {
    this.#state = 'idle'
    this.#onEvent({ type: 'fault', utterance: this.#utterance, code: this.#code })
  }
}
