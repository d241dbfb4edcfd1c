// How SIP messages travel: the transport interface, and UDP with one unconnected socket. Connections: stream-transport.ts.
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { Fault, assert } from '@saperly/kernel'
import { forFamily, fromSystem } from '../address.ts'
import { udpHop } from './hop.ts'
import type { Endpoint, Hop, Protocol } from './hop.ts'

export type { Endpoint, Hop, Protocol } from './hop.ts'

/** Bytes in and out, one whole message at a time: framing and connections stay behind it. */
export interface Transport {
  /** What others reach us at, by the first of our protocols. */
  readonly local: Endpoint
  /** What others reach us at by that protocol; null when it isn't carried. */
  at(protocol: Protocol): Endpoint | null
  /** Whether a message to that hop needs no new connection. A hop that a connection of the peer was is no more after it. */
  holds(hop: Hop): boolean
  /** Sends one message; `failed` is called at most once, later, when it was refused or its connection was lost. */
  send(data: Buffer, to: Hop, failed: (error: Error) => void): void
  /** Sets the one receiver. A hop that a message came from leads back over the same connection. */
  receive(receiver: (data: Buffer, from: Hop) => void): void
  /** Gives the sockets back. Idempotent. */
  close(): Promise<void>
}

/** The receiver's buffer of the system, bytes: room for a burst of some thousand messages. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

/** One UDP socket. Made by {@link openUdp}. */
class UdpTransport implements Transport {
  readonly local: Endpoint
  readonly #socket: Socket
  readonly #family: 4 | 6
  #receiver: (data: Buffer, from: Hop) => void = () => {}
  #closing: Promise<void> | null = null

  constructor(socket: Socket, local: Endpoint, family: 4 | 6) {
    this.#family = family
    this.local = local
    this.#socket = socket
    // An unconnected socket reports nothing that concerns one message; a listener keeps the process alive.
    socket.on('error', () => {})
    socket.on('message', (data, from) => {
      this.#receiver(data, udpHop({ address: fromSystem(from.address), port: from.port }))
    })
  }

  at(protocol: Protocol): Endpoint | null {
    return protocol === 'UDP' ? this.local : null
  }

  holds({ protocol }: Hop): boolean {
    return protocol === 'UDP'
  }

  send(data: Buffer, to: Hop, failed: (error: Error) => void): void {
    if (this.#closing) return
    assert(to.protocol === 'UDP', `${to.protocol} on a UDP socket`)
    this.#socket.send(data, to.port, forFamily(to.address, this.#family), (cause) => {
      if (!cause) return
      failed(new Fault('the system could not send to the peer', { cause, retryable: false }))
    })
  }

  receive(receiver: (data: Buffer, from: Hop) => void): void {
    this.#receiver = receiver
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()))
    return this.#closing
  }
}

/**
 * Binds a UDP transport to a literal address; port 0 takes a free one. Rejects with a Fault when it can't be bound.
 */
export function openUdp(bind: Endpoint): Promise<Transport> {
  const family = bind.address.includes(':') ? 6 : 4
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    // Addresses are literal, so nothing is asked of a resolver and nothing waits for one.
    lookup: (host, _options, callback) => callback(null, host, family),
  })
  return new Promise((resolve, reject) => {
    socket.once('error', (cause) => {
      socket.close()
      reject(new Fault('the SIP port could not be bound', { cause, retryable: false }))
    })
    socket.bind(bind.port, bind.address, () => {
      socket.removeAllListeners('error')
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
      const { port } = socket.address()
      resolve(new UdpTransport(socket, { address: bind.address, port }, family))
    })
  })
}
