// UDP as a port: the system's sockets in production, another network in simulation.
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { Fault } from '@saperly/kernel'
import { forFamily, fromSystem } from '../address.ts'

/**
 * `data` is the socket's own again when this returns: who keeps something of it keeps a copy. `ageMs`: how long it had been
 * here before it was read, as far as that is known.
 */
export type OnDatagram = (data: Uint8Array, address: string, port: number, ageMs: number) => void

/** One bound, unconnected socket. */
export interface Datagrams {
  readonly port: number
  /** Fire and forget: what can't be sent is lost, as on any network. */
  send(data: Uint8Array, port: number, address: string): void
  /** Resolves when the socket is gone. Idempotent. */
  close(): Promise<void>
}

export interface Udp {
  /** Binds `port` (0: any) of a literal IP address. Rejects with a retryable Fault when it is taken. */
  bind(address: string, port: number, onDatagram: OnDatagram): Promise<Datagrams>
  /** Reads what has come to its sockets, where they don't tell it by themselves; whoever keeps time calls it. */
  sweep?(): void
}

export const systemUdp: Udp = {
  bind: (address, port, onDatagram) =>
    new Promise((resolve, reject) => {
      const family = isIPv6(address) ? 6 : 4
      const socket = createSocket({
        type: family === 6 ? 'udp6' : 'udp4',
        // Addresses are literal: asking the resolver would cost a thread-pool round trip for each packet.
        lookup: (host, _options, callback) => callback(null, host, family),
      })
      const refuse = (cause: Error): void => {
        socket.close()
        reject(new Fault('cannot bind a UDP port', { cause, retryable: true }))
      }
      socket.once('error', refuse)
      socket.once('listening', () => {
        socket.off('error', refuse)
        // A later error concerns one datagram (port unreachable and the like); RTP lives with losses.
        socket.on('error', () => {})
        resolve(new SystemDatagrams(socket, family))
      })
      socket.on('message', (data, from) => {
        onDatagram(data, family === 6 ? fromSystem(from.address) : from.address, from.port, 0)
      })
      socket.bind({ address, port, exclusive: true })
    }),
}

class SystemDatagrams implements Datagrams {
  readonly port: number
  readonly #socket: Socket
  readonly #family: 4 | 6
  #closed: Promise<void> | null = null

  constructor(socket: Socket, family: 4 | 6) {
    this.#family = family
    this.#socket = socket
    this.port = socket.address().port
  }

  send(data: Uint8Array, port: number, address: string): void {
    // A failed send is reported as an `error` event of the socket: a lost packet.
    if (this.#closed === null) this.#socket.send(data, port, forFamily(address, this.#family))
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => this.#socket.close(() => resolve()))
    return this.#closed
  }
}
