// How SIP messages travel: the transport interface, and UDP with one unconnected socket.
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { Fault, assert } from '@saperly/kernel'
import { udpHop } from './hop.ts'
import type { Endpoint, Hop, Protocol } from './hop.ts'

export type { Endpoint, Hop, Protocol } from './hop.ts'

/** Bytes in and out, one whole message at a time: framing and connections stay behind it. */
export interface Transport {
  /** What others reach us at, by the first of our protocols. */
  readonly local: Endpoint
  /** What others reach us at by that protocol; null when it isn't carried. */
  at(protocol: Protocol): Endpoint | null
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
  #receiver: (data: Buffer, from: Hop) => void = () => {}
  #closing: Promise<void> | null = null

  constructor(socket: Socket, local: Endpoint) {
    this.local = local
    this.#socket = socket
    // An unconnected socket reports nothing that concerns one message; a listener keeps the process alive.
    socket.on('error', () => {})
    socket.on('message', (data, from) => {
      this.#receiver(data, udpHop(from))
    })
  }

  at(protocol: Protocol): Endpoint | null {
    return protocol === 'UDP' ? this.local : null
  }

  send(data: Buffer, to: Hop, failed: (error: Error) => void): void {
    if (this.#closing) return
    assert(to.protocol === 'UDP', `${to.protocol} on a UDP socket`)
    this.#socket.send(data, to.port, to.address, (error) => {
      if (error) failed(error)
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
      resolve(new UdpTransport(socket, { address: bind.address, port: socket.address().port }))
    })
  })
}
