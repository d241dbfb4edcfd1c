// The sockets of the HTTP port. There is always room for one more: the one that has been idle for longest makes it.
//
// Idle: no request of it is under way, be it that it has had its answer or that it never asked. Somebody who opens
// thousands and says nothing so takes them from himself, and from nobody who asks. Sockets that were upgraded are no
// longer ours: who takes an upgrade bounds them.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface ClientSocketLimits {
  /** Sockets at once. */
  open: number
  /** Of them with a request under way, streams included. Less than `open`, so that a newcomer can be told of it. */
  busy: number
}

export class ClientSockets {
  readonly #limits: ClientSocketLimits
  readonly #open = new Set<Socket>()
  /** In the order in which they became idle. */
  readonly #idle = new Set<Socket>()
  /** Requests under way by socket; several where the client does not wait for its answers. */
  readonly #busy = new Map<Socket, number>()
  #evicted = 0

  constructor(server: Server, limits: ClientSocketLimits) {
    this.#limits = limits
    server.on('connection', (socket: Socket) => this.#opened(socket))
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#asked(request.socket, response),
    )
    server.on('upgrade', (_request, socket) => this.#forget(socket as Socket))
  }

  get open(): number {
    return this.#open.size
  }

  /** Idle sockets that were closed to make room, since the start. */
  get evicted(): number {
    return this.#evicted
  }

  /** More requests are under way than may be: the one that asks is to be sent away. */
  get full(): boolean {
    return this.#busy.size > this.#limits.busy
  }

  #opened(socket: Socket): void {
    if (this.#open.size >= this.#limits.open && !this.#makeRoom()) return void socket.destroy()
    this.#open.add(socket)
    this.#idle.add(socket)
    socket.once('close', () => this.#forget(socket))
  }

  #makeRoom(): boolean {
    for (const longest of this.#idle) {
      this.#forget(longest)
      longest.destroy()
      this.#evicted++
      return true
    }
    return false
  }

  #asked(socket: Socket, response: ServerResponse): void {
    if (!this.#open.has(socket)) return
    this.#idle.delete(socket)
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1)
    response.once('close', () => this.#answered(socket))
  }

  #answered(socket: Socket): void {
    const left = (this.#busy.get(socket) ?? 0) - 1
    if (left > 0) return void this.#busy.set(socket, left)
    this.#busy.delete(socket)
    if (this.#open.has(socket)) this.#idle.add(socket)
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket)
    this.#idle.delete(socket)
    this.#busy.delete(socket)
  }
}
