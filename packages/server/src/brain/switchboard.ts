// The open sockets of one manual connection in this process, and the desks that they serve: the one of this process,
// and those of others that carry calls of the connection. To a brain it all looks like one desk.
import {
  type BrainFrame,
  MANUAL_PROTOCOL,
  parseBrainFrame,
  type ReadyFrame,
  type ServerFrame,
} from '@saperly/contract'
import { complaint } from './desk.ts'

/** Requests whose desk is remembered; a later answer to an older one counts as stale. */
const MAX_REQUESTS = 4_096

type OwnedCall = ReadyFrame['calls'][number]

/** A desk as the switchboard reaches it. */
export interface DeskEnd {
  opened(line: string): void
  closed(line: string): void
  heard(line: string, frame: BrainFrame): void
}

interface Socket {
  send: (frame: ServerFrame) => void
  /** By desk, and there by call: what the brain was told that this socket owns. */
  owned: Map<string, Map<string, OwnedCall>>
  /** The last `ready` as it was sent, or null. */
  ready: string | null
}

/** The desk of this process; what nobody else knows of is its to refuse. */
export const HERE = 'here'

export class Switchboard {
  readonly connectionId: string
  readonly #sockets = new Map<string, Socket>()
  readonly #desks = new Map<string, DeskEnd>()
  /** Which desk asked this, oldest first. */
  readonly #requests = new Map<string, string>()
  readonly #calls = new Map<string, string>()

  constructor(connectionId: string) {
    this.connectionId = connectionId
  }

  get sockets(): readonly string[] {
    return [...this.#sockets.keys()]
  }

  get desks(): number {
    return this.#desks.size
  }

  has(desk: string): boolean {
    return this.#desks.has(desk)
  }

  /** A socket has opened: `ready` is the first that it is sent. */
  open(line: string, send: (frame: ServerFrame) => void): void {
    const socket: Socket = { send, owned: new Map(), ready: null }
    this.#sockets.set(line, socket)
    this.#desks.get(HERE)?.opened(line)
    if (socket.ready === null) this.#sendReady(socket)
    for (const [key, desk] of this.#desks) if (key !== HERE) desk.opened(line)
  }

  close(line: string): void {
    if (!this.#sockets.delete(line)) return
    for (const desk of this.#desks.values()) desk.closed(line)
  }

  /** A desk comes in, and is told of every socket. */
  join(key: string, desk: DeskEnd): void {
    this.#desks.set(key, desk)
    for (const line of this.#sockets.keys()) desk.opened(line)
  }

  /** A desk is gone, with its calls. */
  leave(key: string): void {
    this.#desks.delete(key)
    for (const socket of this.#sockets.values()) socket.owned.delete(key)
    for (const [callId, desk] of this.#calls) if (desk === key) this.#calls.delete(callId)
    for (const [requestId, desk] of this.#requests) {
      if (desk === key) this.#requests.delete(requestId)
    }
  }

  /** What a desk has to say on a line. */
  deliver(key: string, line: string, frame: ServerFrame): void {
    const socket = this.#sockets.get(line)
    if (!socket) return
    if (frame.type === 'error') return socket.send(frame)
    const owned = socket.owned.get(key) ?? new Map<string, OwnedCall>()
    socket.owned.set(key, owned)
    if (frame.type === 'ready') {
      owned.clear()
      for (const call of frame.calls) this.#own(owned, key, call)
      return this.#sendReady(socket)
    }
    const { callId } = frame
    this.#remember(frame.requestId, key)
    this.#calls.set(callId, key)
    if (frame.type === 'inbound_call' || frame.type === 'outbound_call') {
      const direction = frame.type === 'inbound_call' ? 'inbound' : 'outbound'
      owned.set(callId, { callId, from: frame.from, to: frame.to, direction })
    }
    if (frame.type === 'call_ended') {
      owned.delete(callId)
      this.#calls.delete(callId)
    }
    socket.send(frame)
  }

  /** A text frame from one of the sockets: to the desk that it answers, or the complaint about it. */
  hear(line: string, text: string): void {
    const read = parseBrainFrame(text)
    const complain = (...args: Parameters<typeof complaint>): void =>
      this.#sockets.get(line)?.send(complaint(...args))
    if (!read.ok) {
      return complain('InvalidDirective', read.failure.requestId, read.failure.message)
    }
    const frame = read.value
    const known =
      frame.kind === 'answer' ? this.#requests.get(frame.requestId) : this.#calls.get(frame.callId)
    const desk = this.#desks.get(known ?? HERE)
    if (desk) return desk.heard(line, frame)
    if (frame.kind === 'answer') {
      return complain('StaleRequest', frame.requestId, 'this request does not wait for an answer')
    }
    complain('InvalidDirective', null, 'callId names no live call of this connection')
  }

  #own(owned: Map<string, OwnedCall>, key: string, call: OwnedCall): void {
    owned.set(call.callId, call)
    this.#calls.set(call.callId, key)
  }

  #remember(requestId: string, key: string): void {
    this.#requests.delete(requestId)
    this.#requests.set(requestId, key)
    const [oldest] = this.#requests.keys()
    if (this.#requests.size > MAX_REQUESTS && oldest !== undefined) this.#requests.delete(oldest)
  }

  /** What the socket owns at all desks; nothing when it has been told just that. */
  #sendReady(socket: Socket): void {
    const calls = [...socket.owned.values()].flatMap((owned) => [...owned.values()])
    const { connectionId } = this
    const frame: ReadyFrame = { type: 'ready', protocol: MANUAL_PROTOCOL, connectionId, calls }
    const text = JSON.stringify(frame)
    if (text === socket.ready) return
    socket.ready = text
    socket.send(frame)
  }
}
