// The socket to the platform: opened, kept, opened again with back-off; frames that can't go out wait for the next one.
import { ConnectionError, ManualProtocolError, SaperlyError } from '../errors.ts'
import {
  BEARER_SUBPROTOCOL_PREFIX,
  type Directive,
  type ErrorFrame,
  MANUAL_PROTOCOL,
  type ManualEvent,
  type ReadyFrame,
} from '../generated/manual.ts'
import { backOffMs } from '../retry.ts'
import { sleep } from '../wait.ts'

/** The part of a WebSocket that is used here: the browser's, Node's, Deno's, Bun's and the `ws` package's have it. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(data: string): void
  close(code?: number, reason?: string): void
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

export type BrainFrame =
  | { requestId: string; directives: readonly Directive[] }
  | { callId: string; directives: readonly Directive[] }

export type ServerFrame = ReadyFrame | ErrorFrame | ManualEvent

/** Frames that wait while there is no socket; beyond that the oldest is dropped: its call is long past it. */
const MAX_WAITING = 1024
/** From opening the socket to its first frame. */
const READY_LIMIT_MS = 10_000

export interface LineOptions {
  url: string
  secret: string
  WebSocket: WebSocketConstructor
  /** How often the first connection is tried again; later ones are tried until the line is closed. */
  maxRetries: number
  onFrame: (frame: ServerFrame) => void
  onError: (error: unknown) => void
}

export class ManualLine {
  readonly #options: LineOptions
  readonly #stop = new AbortController()
  readonly #waiting: BrainFrame[] = []
  #socket: WebSocketLike | null = null
  #ready = false

  constructor(options: LineOptions) {
    this.#options = options
  }

  /** Opens the line. Resolves at the first `ready`, with the promise of its end. */
  open(): Promise<{ closed: Promise<void> }> {
    return new Promise((resolve, reject) => {
      const closed = this.#keepOpen(() => resolve({ closed }))
      closed.catch(reject)
    })
  }

  send(frame: BrainFrame): void {
    if (this.#ready) return this.#socket?.send(JSON.stringify(frame))
    this.#waiting.push(frame)
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift()
  }

  close(): void {
    this.#stop.abort(new SaperlyError('the line was closed'))
    this.#socket?.close(1000)
  }

  /** One socket after another. Resolves when the line is closed, rejects when it never opened. */
  async #keepOpen(onReady: () => void): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    let everReady = false
    while (!signal.aborted) {
      const end = await this.#oneSocket(() => {
        everReady = true
        failures = 0
        onReady()
      })
      if (signal.aborted) break
      if (!everReady && failures >= this.#options.maxRetries) throw end
      await sleep(backOffMs(failures++), signal).catch(() => undefined)
    }
    if (!everReady) throw new SaperlyError('the line was closed before it was open')
  }

  /** The life of one socket. Resolves when it is closed, with the reason as far as it is known. */
  #oneSocket(onReady: () => void): Promise<ConnectionError> {
    const { url, secret, WebSocket, onFrame, onError } = this.#options
    return new Promise((resolve) => {
      const protocols = [MANUAL_PROTOCOL, `${BEARER_SUBPROTOCOL_PREFIX}${secret}`]
      const socket = new WebSocket(url, protocols)
      this.#socket = socket
      let cause: unknown
      const patience = setTimeout(() => socket.close(4000, 'not ready in time'), READY_LIMIT_MS)
      socket.onerror = (event: { message?: unknown; error?: unknown }) => {
        cause = event.error ?? event.message
      }
      socket.onclose = (event: { code?: number; reason?: unknown }) => {
        clearTimeout(patience)
        this.#ready = false
        this.#socket = null
        resolve(closedBecause(event, cause))
      }
      socket.onmessage = (event: { data: unknown }) => {
        if (this.#stop.signal.aborted) return
        const frame = read(event.data)
        if (frame === null) return onError(unreadable())
        if (frame.type === 'ready') {
          clearTimeout(patience)
          this.#beReady(socket)
          onReady()
        }
        onFrame(frame)
      }
    })
  }

  #beReady(socket: WebSocketLike): void {
    this.#ready = true
    for (const frame of this.#waiting.splice(0)) socket.send(JSON.stringify(frame))
  }
}

function read(data: unknown): ServerFrame | null {
  if (typeof data !== 'string') return null
  try {
    const frame = JSON.parse(data) as ServerFrame | null
    return typeof frame?.type === 'string' ? frame : null
  } catch {
    return null
  }
}

function unreadable(): ManualProtocolError {
  return new ManualProtocolError('UnreadableFrame', null, 'the platform sent an unreadable frame')
}

function closedBecause(
  { code, reason }: { code?: number; reason?: unknown },
  cause: unknown,
): ConnectionError {
  const said = [code, typeof reason === 'string' ? reason : ''].filter(Boolean).join(' ')
  const why = cause instanceof Error ? cause.message : typeof cause === 'string' ? cause : said
  return new ConnectionError(`the manual socket was closed${why === '' ? '' : `: ${why}`}`, {
    cause,
  })
}
