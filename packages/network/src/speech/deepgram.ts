// Deepgram Flux hears: one websocket per leg to /v2/listen, µ-law at 8 kHz, with the vendor's own ends of turns.
import type { Clock, Log } from '@saperly/kernel'
import { encodeG711 } from '../codec/g711.ts'
import { Timers } from '../sip/machine.ts'
import type { Expect } from '../talk/port.ts'
import { FluxTurns, readTurnInfo } from './flux-turns.ts'
import { FRAME_MS, FRAME_SAMPLES } from './pcm.ts'
import type { Ears, EarsOptions } from './port.ts'
import type { DeepgramSettings } from './settings.ts'
import { VendorSocket, type VendorMessage } from './vendor-socket.ts'

/** The vendor asks for audio in pieces of 80 ms. */
const FRAMES_PER_MESSAGE = 4
/** Audio kept while the connection is being made, frames; the oldest goes first. */
const MAX_WAITING_FRAMES = 750
/** Between utterances nothing is heard; this often a little silence keeps the connection. */
const IDLE_SILENCE_EVERY_MS = 4_000
/** Silence behind an utterance, frames: the vendor tells what it transcribed each 250 ms of audio. */
const TAIL_FRAMES = 16
/** The model has ended the turn: so much audio behind it is silence, and not waited for. */
const MODEL_END_GAP_MS = 400
/** Terms that are hinted to the vendor, and the length of one. */
const MAX_KEYTERMS = 50
const MAX_KEYTERM_CHARS = 100

const SILENCE = encodeG711('PCMU', new Int16Array(FRAME_SAMPLES))

/** `finishing`: the text has been asked for. */
type State = 'idle' | 'hearing' | 'finishing'

export interface DeepgramDeps {
  clock: Clock
  log: Log
}

export class DeepgramEars implements Ears {
  readonly recognizer = 'free'
  readonly endsTurns = true
  readonly #settings: DeepgramSettings
  readonly #options: EarsOptions
  readonly #deps: DeepgramDeps
  readonly #timers: Timers<'idle'>
  #socket: VendorSocket | null = null
  #turns = new FluxTurns()
  #keyterms: readonly string[]
  /** The connection knows the terms. */
  #configured = true
  #state: State = 'idle'
  #utterance = 0
  #waiting: Uint8Array[] = []
  /** Audio sent on this connection, and up to the end of the utterance, milliseconds. */
  #sentMs = 0
  #endMs = 0
  /** The vendor was told to end the turn. */
  #forced = false

  /** Connects at once, so that the first words needn't wait for it. */
  constructor(settings: DeepgramSettings, options: EarsOptions, deps: DeepgramDeps) {
    this.#settings = settings
    this.#options = options
    this.#deps = deps
    this.#timers = new Timers(deps.clock)
    this.#keyterms = keytermsOf(options.phrases)
    this.#connect()
  }

  expect(expect: Expect): void {
    const { phrases } = this.#options
    const wanted = keytermsOf([...phrases, ...(expect.phrases ?? []), ...(expect.hints ?? [])])
    if (wanted.join('\n') === this.#keyterms.join('\n')) return
    this.#keyterms = wanted
    this.#configured = false
    this.#configure()
  }

  start(utterance: number): void {
    this.#timers.stop('idle')
    this.#utterance = utterance
    this.#state = 'hearing'
    this.#forced = false
    this.#waiting = []
    if (!this.#socket) this.#connect()
    this.#turns.begin(this.#sentMs)
  }

  write(frame: Int16Array): void {
    if (this.#state !== 'hearing') return
    this.#waiting.push(encodeG711('PCMU', frame))
    if (this.#waiting.length > MAX_WAITING_FRAMES) this.#waiting.shift()
    if (this.#waiting.length >= FRAMES_PER_MESSAGE) this.#flush()
  }

  finish(): void {
    if (this.#state !== 'hearing') return
    this.#state = 'finishing'
    this.#flush()
    this.#endUtterance()
  }

  /** The vendor's turn is ended too, so that the next utterance begins a new one. */
  cancel(): void {
    if (this.#state !== 'idle' && this.#turns.ongoing) this.#force()
    this.#rest()
  }

  close(): void {
    this.#state = 'idle'
    this.#timers.stopAll()
    this.#socket?.close({ type: 'CloseStream' })
    this.#socket = null
  }

  #connect(): void {
    const { apiKey } = this.#settings
    this.#turns = new FluxTurns()
    this.#sentMs = 0
    this.#configured = true
    this.#socket = new VendorSocket({
      url: addressOf(this.#settings, this.#options.language, this.#keyterms),
      headers: { authorization: `Token ${apiKey}` },
      clock: this.#deps.clock,
      onOpen: () => this.#onOpen(),
      onMessage: (message) => this.#onMessage(message),
      onEnd: (code) => this.#onEnd(code),
    })
  }

  #configure(): void {
    if (this.#configured || !this.#socket?.open) return
    this.#configured = true
    this.#socket.send({ type: 'Configure', keyterms: this.#keyterms })
  }

  #onOpen(): void {
    this.#configure()
    if (this.#state === 'idle') return this.#rest()
    this.#flush()
    if (this.#state === 'finishing') this.#endUtterance()
  }

  #onEnd(code: string): void {
    this.#socket = null
    this.#timers.stopAll()
    if (this.#state === 'idle') {
      // The next utterance connects anew.
      return this.#deps.log.info('speech.vendor_idle_end', { vendor: 'deepgram', code })
    }
    this.#fault(code)
  }

  #fault(code: string): void {
    this.#state = 'idle'
    this.#options.onEvent({ type: 'fault', utterance: this.#utterance, code })
  }

  #onMessage(message: VendorMessage): void {
    if (message['type'] === 'Error') return this.#onVendorError(message['code'])
    if (message['type'] !== 'TurnInfo') return
    const info = readTurnInfo(message)
    if (!info) return this.#onVendorError('malformed')
    const news = this.#turns.apply(info)
    if (this.#state === 'idle') return
    const utterance = this.#utterance
    // Told without news too: it shows that the vendor hears.
    if (this.#state === 'hearing') {
      this.#options.onEvent({ type: 'partial', utterance, text: this.#turns.text })
    }
    if (news && info.event === 'EndOfTurn' && this.#state === 'hearing' && !this.#turns.ongoing) {
      this.#options.onEvent({ type: 'endOfTurn', utterance })
    }
    if (this.#state === 'finishing') this.#conclude()
  }

  #onVendorError(code: unknown): void {
    const word = typeof code === 'string' ? code.toLowerCase().replace(/[^a-z0-9]+/g, '_') : ''
    this.#socket?.close()
    this.#onEnd(`vendor_${word.slice(0, 40)}`)
  }

  #flush(): void {
    if (!this.#socket?.open) return
    const frames = this.#waiting.splice(0)
    for (let at = 0; at < frames.length; at += FRAMES_PER_MESSAGE) {
      this.#send(frames.slice(at, at + FRAMES_PER_MESSAGE))
    }
  }

  #send(frames: readonly Uint8Array[]): void {
    this.#socket?.send(Buffer.concat(frames))
    this.#sentMs += frames.length * FRAME_MS
  }

  /** All of its audio is sent. */
  #endUtterance(): void {
    if (!this.#socket?.open) return
    this.#endMs = this.#sentMs
    if (this.#conclude()) return
    this.#send(Array.from({ length: TAIL_FRAMES }, () => SILENCE))
  }

  /** Tells the text once it is sure; false when there is something to wait for. */
  #conclude(): boolean {
    const turns = this.#turns
    const known = turns.covers(this.#endMs - (turns.text === '' ? 0 : MODEL_END_GAP_MS))
    if (!turns.ongoing && known) {
      const { text, confidence } = turns
      const utterance = this.#utterance
      this.#rest()
      this.#options.onEvent({ type: 'final', utterance, text, noMatch: text === '', confidence })
      return true
    }
    // A turn ends with what is transcribed so far, so its last words have to be.
    if (turns.ongoing && turns.covers(this.#endMs)) this.#force()
    return false
  }

  #force(): void {
    if (this.#forced) return
    this.#forced = true
    this.#socket?.send({ type: 'ForceEndTurn' })
  }

  /** Nothing is heard until the next utterance. */
  #rest(): void {
    this.#state = 'idle'
    this.#waiting = []
    if (!this.#socket) return
    this.#timers.start('idle', IDLE_SILENCE_EVERY_MS, () => {
      if (this.#socket?.open) this.#send(Array.from({ length: 4 }, () => SILENCE))
      this.#rest()
    })
  }
}

function keytermsOf(terms: readonly string[]): string[] {
  const kept = terms.filter((term) => term !== '' && term.length <= MAX_KEYTERM_CHARS)
  return [...new Set(kept)].slice(0, MAX_KEYTERMS)
}

/** The address with what the connection is about. Keys travel in a header, never here. */
function addressOf(
  { url, model }: DeepgramSettings,
  language: string,
  keyterms: readonly string[],
): string {
  const address = new URL(url)
  const { searchParams } = address
  searchParams.set('model', model)
  searchParams.set('encoding', 'mulaw')
  searchParams.set('sample_rate', '8000')
  if (model.endsWith('-multi')) searchParams.set('language_hint', language.split('-', 1)[0] ?? '')
  for (const term of keyterms) searchParams.append('keyterm', term)
  return address.href
}
