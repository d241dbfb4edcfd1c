// How SIP messages travel: the transport interface, and UDP with one unconnected socket.
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { Fault } from '@saperly/kernel'

/** A literal IP address and a port. */
export interface Endpoint {
  address: string
  port: number
}

/** Bytes in and out. TCP and TLS are further implementations: framing and connections stay behind it. */
export interface Transport {
  /** As written into Via. */
  readonly protocol: 'UDP' | 'TCP' | 'TLS'
  /** True where nothing has to be sent again. */
  readonly reliable: boolean
  /** What others reach us at. */
  readonly local: Endpoint
  /** Sends one message; `failed` is called at most once, later, when the system refused it. */
  send(data: Buffer, to: Endpoint, failed: (error: Error) => void): void
  /** Sets the one receiver. */
  receive(receiver: (data: Buffer, from: Endpoint) => void): void
  /** Gives the socket back. Idempotent. */
  close(): Promise<void>
}

/** The receiver's buffer of the system, bytes: room for a burst of some thousand messages. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

/** One UDP socket. Made by {@link openUdp}. */
class UdpTransport implements Transport {
  readonly protocol = 'UDP'
  readonly reliable = false
  readonly local: Endpoint
  readonly #socket: Socket
  #receiver: (data: Buffer, from: Endpoint) => void = () => {}
  #closing: Promise<void> | null = null

  constructor(socket: Socket, local: Endpoint) {
    this.local = local
    this.#socket = socket
    // An unconnected socket reports nothing that concerns one message; a listener keeps the process alive.
    socket.on('error', () => {})
    socket.on('message', (data, from) => {
      this.#receiver(data, { address: from.address, port: from.port })
    })
  }

  send(data: Buffer, to: Endpoint, failed: (error: Error) => void): void {
    if (this.#closing) return
    this.#socket.send(data, to.port, to.address, (error) => {
      if (error) failed(error)
    })
  }

  receive(receiver: (data: Buffer, from: Endpoint) => void): void {
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
