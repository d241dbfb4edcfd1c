// SIP over TCP or TLS: a table of connections, opened by whoever needs one first and used in both directions.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Fault } from '@saperly/kernel'
import type { Clock, Log } from '@saperly/kernel'
import { Connection } from './connection.ts'
import { fromSystem, isWildcard, sameFamily } from '../address.ts'
import type { Endpoint, Hop, Protocol } from './hop.ts'
import { connectTls, serverOptions } from './tls.ts'
import type { TlsClientSettings, TlsServerSettings } from './tls.ts'
import type { Transport } from './transport.ts'

/** Connections that others opened; beyond it a new one is refused. */
export const MAX_INBOUND = 1_000
/** Connections that we opened; beyond it the one that is idle the longest is closed. */
export const MAX_OUTBOUND = 1_000
/** Connections that wait to be taken by us. */
const BACKLOG = 256

export interface StreamOptions {
  /** Literal address that is bound, and from which we connect. */
  bind: Endpoint
  clock: Clock
  log: Log
  /** Whether anything may come from an address; connections of others are closed without a word. Default: all. */
  accepts?: (address: string) => boolean
}

export interface TlsStreamOptions extends StreamOptions {
  /** Null: nobody can connect to us, but we to others. */
  server: TlsServerSettings | null
  /** How the peer of that name is dealt with. */
  client: (serverName: string | null) => TlsClientSettings
}

/** What differs between TCP and TLS. */
interface Kind {
  protocol: Exclude<Protocol, 'UDP'>
  openedBy: 'connect' | 'secureConnect'
  dial: (hop: Hop) => Socket
}

class StreamTransport implements Transport {
  readonly local: Endpoint
  readonly #kind: Kind
  readonly #options: StreamOptions
  readonly #server: Server | null
  readonly #connections = new Map<string, Connection>()
  /** Also those that are closing. */
  readonly #sockets = new Set<Promise<void>>()
  #receiver: (data: Buffer, from: Hop) => void = () => {}
  #closing: Promise<void> | null = null

  constructor(kind: Kind, options: StreamOptions, local: Endpoint, server: Server | null) {
    this.#kind = kind
    this.#options = options
    this.local = local
    this.#server = server
    if (server) this.#serve(server)
  }

  /** Live connections. */
  get size(): number {
    return this.#connections.size
  }

  at(protocol: Protocol): Endpoint | null {
    return protocol === this.#kind.protocol ? this.local : null
  }

  holds(hop: Hop): boolean {
    return this.#connections.has(keyOf(hop))
  }

  send(data: Buffer, to: Hop, failed: (error: Error) => void): void {
    if (this.#closing) return
    const connection = this.#connections.get(keyOf(to)) ?? this.#open(to)
    connection.send(data, failed)
  }

  receive(receiver: (data: Buffer, from: Hop) => void): void {
    this.#receiver = receiver
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const server = this.#server
    const stopped = server && new Promise<void>((resolve) => server.close(() => resolve()))
    for (const connection of this.#connections.values()) connection.close()
    await Promise.all(this.#sockets)
    await stopped
  }

  #open(hop: Hop): Connection {
    this.#makeRoom()
    return this.#add(this.#kind.dial(hop), hop, this.#kind.openedBy)
  }

  #makeRoom(): void {
    const ours = [...this.#connections.values()].filter((connection) => connection.ours)
    if (ours.length < MAX_OUTBOUND) return
    ours.reduce((longest, next) => (next.idleMs > longest.idleMs ? next : longest)).close()
  }

  #serve(server: Server): void {
    server.maxConnections = MAX_INBOUND
    // Who isn't welcome is sent away before any handshake.
    server.prependListener('connection', (socket: Socket) => {
      const address = fromSystem(socket.remoteAddress ?? '')
      if (this.#closing || this.#options.accepts?.(address) === false) socket.destroy()
    })
    const opened = this.#kind.protocol === 'TLS' ? 'secureConnection' : 'connection'
    server.on(opened, (socket: Socket) => this.#onInbound(socket))
  }

  #onInbound(socket: Socket): void {
    const { remoteAddress, remotePort: port } = socket
    if (socket.destroyed || remoteAddress === undefined || port === undefined) {
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    const { protocol } = this.#kind
    const address = fromSystem(remoteAddress)
    this.#add(socket, { address, port, protocol, serverName: null }, null)
  }

  #add(socket: Socket, hop: Hop, openedBy: Kind['openedBy'] | null): Connection {
    const key = keyOf(hop)
    const connection = new Connection(socket, hop, openedBy, this.#options.clock, {
      onMessage: (data) => this.#receiver(data, hop),
      onLost: (lost, why) => {
        if (this.#connections.get(key) === lost) this.#connections.delete(key)
        const { protocol, serverName } = hop
        this.#options.log.info('sip.connection_ended', {
          protocol,
          serverName,
          ours: lost.ours,
          why,
        })
      },
    })
    this.#connections.set(key, connection)
    const { gone } = connection
    this.#sockets.add(gone)
    void gone.then(() => this.#sockets.delete(gone))
    return connection
  }
}

function keyOf({ address, port, serverName }: Hop): string {
  return `${address} ${port} ${serverName ?? ''}`
}

/** Listens for TCP. Rejects with a Fault when the port can't be had. */
export async function openTcp(options: StreamOptions): Promise<Transport> {
  const { bind } = options
  const server = createServer()
  const local = await listen(server, bind)
  const dial = (hop: Hop): Socket =>
    connect({ host: hop.address, port: hop.port, ...localAddress(bind, hop) })
  return new StreamTransport({ protocol: 'TCP', openedBy: 'connect', dial }, options, local, server)
}

/**
 * Listens for TLS when there is a certificate to show; without one, only we connect, and what we say to be reached at
 * is `bind`: peers have to use our connection. Rejects with a Fault when the port or the certificate can't be used.
 */
export async function openTls(options: TlsStreamOptions): Promise<Transport> {
  const { bind, client } = options
  const server = options.server && tlsServer(options.server)
  const local = server ? await listen(server, bind) : bind
  const dial = (hop: Hop): Socket =>
    connectTls(hop, client(hop.serverName), localAddress(bind, hop).localAddress)
  return new StreamTransport(
    { protocol: 'TLS', openedBy: 'secureConnect', dial },
    options,
    local,
    server,
  )
}

function tlsServer(settings: TlsServerSettings): Server {
  try {
    return createTlsServer(serverOptions(settings))
  } catch (cause) {
    throw new Fault('the SIP certificate can’t be used', { cause, retryable: false })
  }
}

function listen(server: Server, bind: Endpoint): Promise<Endpoint> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error): void =>
      reject(new Fault('the SIP port could not be bound', { cause, retryable: false }))
    server.once('error', refuse)
    server.listen({ host: bind.address, port: bind.port, backlog: BACKLOG }, () => {
      server.off('error', refuse)
      // What can't be accepted (no more file handles) concerns one peer, which tries again.
      server.on('error', () => {})
      resolve({ address: bind.address, port: (server.address() as AddressInfo).port })
    })
  })
}

/** We connect from the address that we listen at, so that a carrier's allow-list knows us. */
function localAddress(bind: Endpoint, hop: Hop): { localAddress?: string } {
  const fixed = !isWildcard(bind.address) && sameFamily(bind.address, hop.address)
  return fixed ? { localAddress: bind.address } : {}
}
