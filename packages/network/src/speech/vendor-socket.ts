// A websocket to a vendor's engine: JSON objects in, JSON objects and audio out, every way it can end as one short word.
import type { Clock } from '@saperly/kernel'
import { WebSocket, type ClientOptions, type RawData } from 'ws'
import { Timers } from '../sip/machine.ts'

/** How long a connection may take to be established, handshake included. */
export const CONNECT_LIMIT_MS = 2_000
/** How long a vendor may take to answer our close. */
const CLOSE_LIMIT_MS = 1_000
/** The largest message taken from a vendor. */
const MAX_MESSAGE_BYTES = 1024 * 1024
/** What may wait to be sent; at 8 kB of audio a second a vendor that takes nothing is given up long after its limits. */
const MAX_UNSENT_BYTES = 256 * 1024

/** One message of a vendor. Every field is unknown until it has been looked at. */
export type VendorMessage = Readonly<Record<string, unknown>>

export interface VendorSocketOptions {
  url: string
  /** May carry the key; they appear in no error and no log. */
  headers: Readonly<Record<string, string>>
  clock: Clock
  onOpen: () => void
  onMessage: (message: VendorMessage) => void
  /**
   * Called once, and nothing after it, unless `close` was called. One of `connect_timeout`, `connect_failed`,
   * `refused_STATUS`, `dropped`, `garbage`, `congested`.
   */
  onEnd: (code: string) => void
}

type State = 'connecting' | 'open' | 'ended'

export class VendorSocket {
  readonly #options: VendorSocketOptions
  readonly #socket: WebSocket
  readonly #timers: Timers<'connect'>
  #state: State = 'connecting'

  /** Connects at once. Throws SyntaxError when the url is none; the configuration has made sure that it is one. */
  constructor(options: VendorSocketOptions) {
    this.#options = options
    this.#timers = new Timers(options.clock)
    const client: ClientOptions & { closeTimeout: number } = {
      headers: options.headers,
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE_BYTES,
      followRedirects: false,
      closeTimeout: CLOSE_LIMIT_MS,
    }
    this.#socket = new WebSocket(options.url, client)
    this.#socket.on('open', () => this.#onOpen())
    this.#socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary))
    this.#socket.on('unexpected-response', (_, response) => {
      response.destroy()
      this.#end(`refused_${response.statusCode ?? 0}`)
    })
    this.#socket.on('error', () => this.#end(this.#lost))
    this.#socket.on('close', () => this.#end(this.#lost))
    this.#timers.start('connect', CONNECT_LIMIT_MS, () => this.#end('connect_timeout'))
  }

  get open(): boolean {
    return this.#state === 'open'
  }

  get ended(): boolean {
    return this.#state === 'ended'
  }

  /** Sends an object as text, or bytes as they are. Ignored unless open. */
  send(message: object | Uint8Array): void {
    if (this.#state !== 'open') return
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) return this.#end('congested')
    this.#socket.send(message instanceof Uint8Array ? message : JSON.stringify(message))
  }

  /** Gives the connection up, after a last message where there is one to say. `onEnd` is not called. */
  close(goodbye: object | null = null): void {
    if (goodbye) this.send(goodbye)
    this.#finish()
  }

  get #lost(): string {
    return this.#state === 'connecting' ? 'connect_failed' : 'dropped'
  }

  #onOpen(): void {
    if (this.#state !== 'connecting') return
    this.#state = 'open'
    this.#timers.stopAll()
    this.#options.onOpen()
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#state !== 'open') return
    const message = isBinary ? null : parse(data)
    if (message === null) return this.#end('garbage')
    this.#options.onMessage(message)
  }

  #end(code: string): void {
    if (this.#state === 'ended') return
    this.#finish()
    this.#options.onEnd(code)
  }

  #finish(): void {
    const before = this.#state
    this.#state = 'ended'
    this.#timers.stopAll()
    if (before === 'open' && this.#socket.readyState === WebSocket.OPEN) this.#socket.close()
    else this.#socket.terminate()
  }
}

/** A JSON object, or null. */
function parse(data: RawData): VendorMessage | null {
  const text = Buffer.isBuffer(data) ? data.toString('utf8') : ''
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as VendorMessage) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
