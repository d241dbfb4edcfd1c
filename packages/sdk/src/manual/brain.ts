// A brain at work: the calls of one connection, from the line to the handlers and back.
import { ManualProtocolError } from '../errors.ts'
import type { ErrorFrame, ManualEvent, ReadyFrame } from '../generated/manual.ts'
import { ManualCall } from './call.ts'
import { ManualLine, type ServerFrame, type WebSocketConstructor } from './line.ts'

export interface BrainOptions {
  connectionId: string
  /** `mc_…`, as the answer to creating the connection showed it. */
  secret: string
  /**
   * Called for every call, before its first event: put handlers on it with `call.on`. Its events wait for the promise
   * that this returns, so don't wait in here for something to happen on the call.
   */
  onCall: (call: ManualCall) => unknown
  /**
   * A handler threw, or the platform could not follow a directive; the call goes on. Without this it is an unhandled
   * rejection, and does what the runtime does with those.
   */
  onError?: ((error: unknown, call: ManualCall | null) => void) | undefined
  /** Closes the brain. */
  signal?: AbortSignal | undefined
  /** Where the runtime has no global `WebSocket` (Node before 22): the class of the `ws` package, for one. */
  WebSocket?: WebSocketConstructor | undefined
}

export interface LineSettings {
  url: string
  WebSocket: WebSocketConstructor
  maxRetries: number
}

export class Brain {
  readonly #options: BrainOptions
  readonly #line: ManualLine
  readonly #calls = new Map<string, ManualCall>()
  #closed: Promise<void> = Promise.resolve()

  private constructor(options: BrainOptions, { url, WebSocket, maxRetries }: LineSettings) {
    this.#options = options
    this.#line = new ManualLine({
      url,
      secret: options.secret,
      WebSocket,
      maxRetries,
      onFrame: (frame) => this.#take(frame),
      onError: (error) => this.#report(error, null),
    })
  }

  /** Resolves when the platform is ready to send calls; from then on a broken socket is opened again. */
  static async connect(options: BrainOptions, settings: LineSettings): Promise<Brain> {
    options.signal?.throwIfAborted()
    const brain = new Brain(options, settings)
    const stop = (): void => brain.#line.close()
    options.signal?.addEventListener('abort', stop, { once: true })
    const { closed } = await brain.#line.open()
    brain.#closed = closed.finally(() => options.signal?.removeEventListener('abort', stop))
    return brain
  }

  /** The live calls. */
  get calls(): readonly ManualCall[] {
    return [...this.#calls.values()]
  }

  /** Resolves when the brain was closed, by `close` or its signal. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /** Closes the socket; its calls go to another one of the connection, or to its webhook. */
  async close(): Promise<void> {
    this.#line.close()
    for (const call of this.#calls.values()) call.dropAll('closed')
    this.#calls.clear()
    await this.#closed
  }

  #take(frame: ServerFrame): void {
    if (frame.type === 'ready') return this.#takeOver(frame)
    if (frame.type === 'error') return this.#complain(frame)
    this.#callOf(frame)?.handle(frame)
    if (frame.type === 'call_ended') this.#calls.delete(frame.callId)
  }

  /** What the socket owns now. Calls that are not among them have ended or gone elsewhere meanwhile. */
  #takeOver({ calls }: ReadyFrame): void {
    const owned = new Set(calls.map(({ callId }) => callId))
    for (const [id, call] of this.#calls) {
      if (owned.has(id)) continue
      call.dropAll('call_ended')
      this.#calls.delete(id)
    }
    this.#owned = new Map(calls.map((call) => [call.callId, call]))
  }

  #owned = new Map<string, ReadyFrame['calls'][number]>()

  /** The call of an event; a new one is opened. Null for what comes after its end. */
  #callOf(event: ManualEvent): ManualCall | null {
    const known = this.#calls.get(event.callId)
    if (known) return known
    const opening = event.type === 'inbound_call' || event.type === 'outbound_call' ? event : null
    const parties = opening
      ? { ...opening, direction: directionOf(opening.type) }
      : this.#owned.get(event.callId)
    if (!parties) return null
    const callId = event.callId
    const call: ManualCall = new ManualCall(parties, opening, {
      answer: (requestId, directives) => this.#line.send({ requestId, directives }),
      act: (directives) => this.#line.send({ callId, directives }),
      onError: (error) => this.#report(error, call),
    })
    this.#calls.set(callId, call)
    call.openWith(this.#open(call))
    return call
  }

  async #open(call: ManualCall): Promise<void> {
    try {
      await this.#options.onCall(call)
    } catch (error) {
      this.#report(error, call)
    }
  }

  #complain({ _tag, requestId, message }: ErrorFrame): void {
    const call = this.calls.find((one) => requestId !== null && one.isDropped(requestId)) ?? null
    // Too late is no fault when the answer had been dropped: the two crossed.
    if (_tag === 'StaleRequest' && call) return
    this.#report(new ManualProtocolError(_tag, requestId, message), call)
  }

  #report(error: unknown, call: ManualCall | null): void {
    if (this.#options.onError) this.#options.onError(error, call)
    else void Promise.reject(error)
  }
}

function directionOf(type: 'inbound_call' | 'outbound_call'): 'inbound' | 'outbound' {
  return type === 'inbound_call' ? 'inbound' : 'outbound'
}
