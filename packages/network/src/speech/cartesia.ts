// Cartesia speaks: one websocket for all legs of the node, a context for each sentence, µ-law at 8 kHz with word times.
import type { Clock, Log } from '@saperly/kernel'
import { cancellation, generation, readCartesia, type CartesiaMessage } from './cartesia-wire.ts'
import { ChunkQueue } from './chunk-queue.ts'
import { EngineFault } from './engine.ts'
import type { AudioChunk, Mouth } from './port.ts'
import type { CartesiaSettings } from './settings.ts'
import { VendorSocket, type VendorMessage } from './vendor-socket.ts'

/** Sentences under way at once. */
const MAX_CONTEXTS = 256

export interface CartesiaDeps {
  clock: Clock
  log: Log
}

interface Context {
  queue: ChunkQueue
  request: object
}

export class CartesiaMouth implements Mouth {
  readonly wordTimes = 'exact'
  readonly #settings: CartesiaSettings
  readonly #deps: CartesiaDeps
  readonly #contexts = new Map<string, Context>()
  #socket: VendorSocket | null = null
  #lastContext = 0

  /** Connects with the first sentence, and again when the vendor has let go of an idle connection. */
  constructor(settings: CartesiaSettings, deps: CartesiaDeps) {
    this.#settings = settings
    this.#deps = deps
  }

  async *speak(
    text: string,
    voice: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<AudioChunk, void, void> {
    if (signal.aborted) return
    if (this.#contexts.size >= MAX_CONTEXTS) throw new EngineFault('busy')
    const id = `s${++this.#lastContext}`
    const { queue } = this.#begin(id, text, voice)
    const onAbort = (): void => queue.end()
    signal.addEventListener('abort', onAbort, { once: true })
    let silent = true
    try {
      for (let chunk = await queue.next(); chunk && !signal.aborted; chunk = await queue.next()) {
        silent = false
        yield chunk
      }
      if (silent && !signal.aborted) throw new EngineFault('no_audio')
    } finally {
      signal.removeEventListener('abort', onAbort)
      // What the vendor has not finished is not wanted any more.
      if (this.#contexts.delete(id)) this.#socket?.send(cancellation(id))
    }
  }

  close(): void {
    this.#socket?.close()
    this.#socket = null
    this.#failAll('closed')
  }

  #begin(id: string, text: string, voice: string | null): Context {
    const { voices, model } = this.#settings
    const known = voices.find((one) => one.id === voice) ?? voices[0]!
    const language = known.language.split('-', 1)[0] ?? 'en'
    const request = generation({ context: id, model, voice: known.id, language, text })
    const context = { queue: new ChunkQueue(), request }
    this.#contexts.set(id, context)
    if (this.#socket) this.#socket.send(request)
    else this.#connect()
    return context
  }

  #connect(): void {
    const { url, apiKey, version } = this.#settings
    const address = new URL(url)
    address.searchParams.set('cartesia_version', version)
    this.#socket = new VendorSocket({
      url: address.href,
      headers: { 'x-api-key': apiKey, 'cartesia-version': version },
      clock: this.#deps.clock,
      onOpen: () => {
        for (const { request } of this.#contexts.values()) this.#socket?.send(request)
      },
      onMessage: (message) => this.#onMessage(message),
      onEnd: (code) => {
        this.#socket = null
        this.#deps.log.info('speech.vendor_end', { vendor: 'cartesia', code })
        this.#failAll(code)
      },
    })
  }

  #onMessage(raw: VendorMessage): void {
    const message = readCartesia(raw)
    if (message) return this.#take(message)
    this.#socket?.close()
    this.#socket = null
    this.#failAll('malformed')
  }

  #take(message: CartesiaMessage): void {
    if (message.type === 'other') return
    if (message.type === 'error' && message.context === null) return this.#failAll(message.code)
    const id = message.context ?? ''
    const queue = this.#contexts.get(id)?.queue
    // A context that was cancelled may still speak for a moment.
    if (!queue) return
    switch (message.type) {
      case 'chunk':
        return queue.put(message.pcm)
      case 'timestamps':
        return queue.tell(message.words)
      case 'done':
        this.#contexts.delete(id)
        return queue.end()
      case 'error':
        this.#contexts.delete(id)
        return queue.fail(new EngineFault(message.code))
    }
  }

  #failAll(code: string): void {
    for (const { queue } of this.#contexts.values()) queue.fail(new EngineFault(code))
    this.#contexts.clear()
  }
}
