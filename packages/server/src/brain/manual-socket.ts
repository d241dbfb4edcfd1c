// The websocket side of manual mode: who may come in, the life of each socket, and the switchboard that it is part of.
import { STATUS_CODES, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  failure,
  isPlausibleId,
  MANUAL_PING_INTERVAL_SEC,
  MANUAL_PROTOCOL,
  MAX_FRAME_BYTES,
  retryAfterOf,
  statusOf,
  type Failure,
  type ServerFrame,
} from '@saperly/contract'
import { fail, Fault, ok, type Clock, type Ids, type Log, type Result } from '@saperly/kernel'
import { WebSocketServer, type RawData, type WebSocket } from 'ws'
import type { ConnectionRow, Tables } from '../store/port.ts'
import { bearerOf, isSecretOf } from './manual-bearer.ts'
import type { Switchboards } from './switchboards.ts'

/** Sockets of one connection. */
export const MAX_SOCKETS_PER_CONNECTION = 16
/** Newcomers whose secret is being looked up at once. */
const MAX_ARRIVING = 256
/** Bytes that may wait to be sent to one brain; one that reads more slowly than it is told is cut off. */
export const MAX_QUEUED_BYTES = 1024 * 1024
/** How long a socket may take to answer our close. */
const CLOSE_LIMIT_MS = 1_000
const PATH = /^(?:\/v2)?\/manual\/([^/?]+)$/

const CODE = { goingAway: 1001, unsupported: 1003, policy: 1008 } as const

export interface ManualSocketsDeps {
  connections: Pick<Tables['connections'], 'findById'>
  boards: Switchboards
  clock: Clock
  ids: Ids
  log: Log
  /** Sockets of all connections; one more is refused. */
  maxSockets: number
}

export class ManualSockets {
  readonly #deps: ManualSocketsDeps
  readonly #open = new Map<WebSocket, { connectionId: string; closed: Promise<void> }>()
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(MANUAL_PROTOCOL) ? MANUAL_PROTOCOL : false),
  })
  #arriving = 0
  #closed = false

  constructor(deps: ManualSocketsDeps) {
    this.#deps = deps
    this.#server.on('wsClientError', (error, socket) => {
      this.#refuse(socket, failure('MalformedRequest', { message: error.message }))
    })
  }

  /** Sockets that are open. */
  get open(): number {
    return this.#open.size
  }

  /** Takes an upgrade of `GET /manual/:connectionId`. False when the path is another one: then nothing was done. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const [path = ''] = (request.url ?? '').split('?')
    const id = PATH.exec(path)?.[1]
    if (id === undefined) return false
    socket.on('error', () => socket.destroy())
    void this.#admit(request, id).then((admitted) => {
      if (!admitted.ok) return this.#refuse(socket, admitted.failure)
      this.#server.handleUpgrade(request, socket, head, (ws) => this.#welcome(ws, id))
    })
    return true
  }

  /** Closes the sockets of a connection that was deleted or is no longer manual. */
  disconnect(connectionId: string): void {
    for (const [ws, { connectionId: its }] of this.#open) {
      if (its === connectionId) ws.close(CODE.policy, 'the connection is gone')
    }
  }

  /** Closes the sockets of connections that have gone without a word to this process. */
  async recheck(): Promise<void> {
    for (const id of new Set([...this.#open.values()].map(({ connectionId }) => connectionId))) {
      const row = await this.#deps.connections.findById(id)
      if (row?.mode !== 'manual' || row.deletedAt !== null) this.disconnect(id)
    }
  }

  /** Refuses newcomers, closes every socket, and resolves when the last one is closed. */
  async closeAll(): Promise<void> {
    this.#closed = true
    const patience = this.#deps.clock.schedule(CLOSE_LIMIT_MS, () => {
      for (const ws of this.#open.keys()) ws.terminate()
    })
    for (const ws of this.#open.keys()) ws.close(CODE.goingAway, 'the server is shutting down')
    await Promise.all([...this.#open.values()].map(({ closed }) => closed))
    patience.cancel()
  }

  async #admit(request: IncomingMessage, id: string): Promise<Result<ConnectionRow, Failure>> {
    if (this.#closed) return fail(failure('Unavailable', { reason: 'shutting down' }))
    if (this.#open.size >= this.#deps.maxSockets || this.#arriving >= MAX_ARRIVING) {
      return fail(failure('Unavailable', { reason: 'too many sockets' }))
    }
    const secret = bearerOf(request.headers)
    if (secret === null) {
      return fail(failure('Unauthorized', { message: 'a bearer mc_… is required' }))
    }
    this.#arriving++
    try {
      const row = isPlausibleId(id) ? await this.#deps.connections.findById(id) : null
      if (row?.mode !== 'manual' || row.deletedAt !== null) {
        return fail(failure('ConnectionNotFound', { id }))
      }
      if (!isSecretOf(row, secret, this.#deps.clock.now())) {
        return fail(
          failure('Unauthorized', { message: 'this is not the secret of the connection' }),
        )
      }
      const active = this.#deps.boards.socketsOf(id)
      if (active < MAX_SOCKETS_PER_CONNECTION) return ok(row)
      return fail(failure('ConcurrencyLimited', { limit: MAX_SOCKETS_PER_CONNECTION, active }))
    } catch (error) {
      const traceId = this.#deps.ids.next('req')
      this.#deps.log.error('manual_admission_failed', { traceId }, error)
      if (error instanceof Fault && error.retryable) {
        return fail(failure('Unavailable', { reason: 'the database is away' }))
      }
      return fail(failure('InternalError', { traceId }))
    } finally {
      this.#arriving--
    }
  }

  #welcome(ws: WebSocket, connectionId: string): void {
    if (this.#closed) return ws.terminate()
    const { boards, ids } = this.#deps
    const line = ids.next('req')
    const stopPinging = this.#keepAlive(ws)
    const closed = new Promise<void>((done) => {
      ws.once('close', () => {
        stopPinging()
        this.#open.delete(ws)
        boards.close(connectionId, line)
        done()
      })
    })
    this.#open.set(ws, { connectionId, closed })
    // A breach of the protocol or a broken connection: `close` follows, and that is where it is dealt with.
    ws.on('error', (error) => this.#deps.log.debug('manual_socket_error', { name: error.name }))
    ws.on('message', (data, isBinary) => {
      if (isBinary) ws.close(CODE.unsupported, 'frames are text')
      else board.hear(line, textOf(data))
    })
    const board = boards.open(connectionId, line, (frame) => this.#send(ws, frame))
  }

  #send(ws: WebSocket, frame: ServerFrame): void {
    if (ws.readyState !== ws.OPEN) return
    ws.send(JSON.stringify(frame))
    if (ws.bufferedAmount > MAX_QUEUED_BYTES) {
      this.#deps.log.warn('manual_socket_too_slow', { queuedBytes: ws.bufferedAmount })
      ws.terminate()
    }
  }

  /** Pings; a socket that has not answered by the next ping is dropped. Answers how to stop. */
  #keepAlive(ws: WebSocket): () => void {
    const intervalMs = MANUAL_PING_INTERVAL_SEC * 1000
    let answered = true
    ws.on('pong', () => (answered = true))
    const beat = (): void => {
      if (!answered) return ws.terminate()
      answered = false
      ws.ping()
      timer = this.#deps.clock.schedule(intervalMs, beat)
    }
    let timer = this.#deps.clock.schedule(intervalMs, beat)
    return () => timer.cancel()
  }

  #refuse(socket: Duplex, refusal: Failure): void {
    const status = statusOf(refusal)
    const body = JSON.stringify(refusal)
    const retryAfter = retryAfterOf(refusal)
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${this.#deps.ids.next('req')}`,
      ...(retryAfter === null ? [] : [`retry-after: ${retryAfter}`]),
      'connection: close',
    ]
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8')
  return Buffer.from(data as Buffer).toString('utf8')
}
