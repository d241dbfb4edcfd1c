// What bounds one outbound request: its clocks, its signal, and the typed errors that they break it off with.
import type { ClientRequest, IncomingMessage } from 'node:http'
import { cancelledBy, type Clock, type Timer } from '@saperly/kernel'

/** Bounds of one request. Milliseconds and bytes. */
export interface DialLimits {
  /** Until the connection (with TLS) stands; names are resolved within it. */
  connectMs: number
  /** Longest pause without a byte from the other side, the wait for the response's head included. */
  idleMs: number
  /** From the call to the last byte of the response. */
  wholeMs: number
  /** Bytes of the response's body. */
  maxBytes: number
}

export const DEFAULT_LIMITS: DialLimits = {
  connectMs: 5_000,
  idleMs: 10_000,
  wholeMs: 30_000,
  maxBytes: 1024 * 1024,
}

/**
 * Why a request came to nothing. `refused`: an address that policy forbids, or a URL that is none. `connection`: no
 * connection, or it broke. Never names the address, so that a message cannot be used to look into a network.
 */
export class DialError extends Error {
  override readonly name = 'DialError'
  readonly kind: 'refused' | 'timeout' | 'connection' | 'too_large'

  constructor(kind: DialError['kind'], message: string, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

export class Watch {
  readonly #clock: Clock
  readonly #limits: DialLimits
  readonly #outgoing: ClientRequest
  readonly #signal: AbortSignal
  #whole: Timer
  #connect: Timer | null
  #idle: Timer | null = null
  #incoming: IncomingMessage | null = null
  #reason: Error | null = null
  #ended = false

  constructor(clock: Clock, limits: DialLimits, outgoing: ClientRequest, signal: AbortSignal) {
    this.#clock = clock
    this.#limits = limits
    this.#outgoing = outgoing
    this.#signal = signal
    this.#whole = this.#within(limits.wholeMs)
    this.#connect = clock.schedule(limits.connectMs, () => this.#late('no connection in time'))
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  readonly #onAbort = (): void => this.breakOff(cancelledBy(this.#signal))

  connected(): void {
    this.#connect?.cancel()
    this.#connect = null
    this.heard()
  }

  answered(incoming: IncomingMessage): void {
    this.#incoming = incoming
    this.heard()
  }

  /** A byte came, or the connection stands: the pause starts anew. */
  heard(): void {
    this.#idle?.cancel()
    if (this.#ended) return
    this.#idle = this.#clock.schedule(this.#limits.idleMs, () => this.#late('nothing came in time'))
  }

  /** From now on the whole may take `wholeMs` more. */
  extend(wholeMs: number): void {
    if (this.#ended) return
    this.#whole.cancel()
    this.#whole = this.#within(wholeMs)
  }

  /** Ends the request with `reason`, which is what its reader then sees. */
  breakOff(reason: Error): void {
    this.#reason ??= reason
    const stream = this.#incoming ?? this.#outgoing
    stream.destroy(this.#reason)
  }

  /** What an error of the socket means to the caller. */
  explain(error: unknown): Error {
    if (this.#reason) return this.#reason
    if (error instanceof DialError) return error
    return new DialError('connection', 'the connection failed', error)
  }

  /** The request is over: gives back every timer and listener. */
  end(): void {
    this.#ended = true
    this.#whole.cancel()
    this.#connect?.cancel()
    this.#idle?.cancel()
    this.#signal.removeEventListener('abort', this.#onAbort)
  }

  #within(wholeMs: number): Timer {
    return this.#clock.schedule(wholeMs, () => this.#late('the response took too long'))
  }

  #late(what: string): void {
    this.breakOff(new DialError('timeout', what))
  }
}
