// UDP sockets that wait to be read: all of them are looked at together, in one call, when whoever keeps time says so.
//
// Waking for a packet costs more than reading it, and a frame is wanted once in 20 ms anyway. What comes meanwhile waits in
// the kernel, which bounds it and says afterwards when it came.
import { Fault, type Clock, type Timer } from '@saperly/kernel'
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_EVENT,
  EPOLLIN,
  type Libc,
  loadLibc,
  SO_TIMESTAMPNS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCKADDR_BYTES,
  SOL_SOCKET,
} from './libc.ts'
import { Received } from './received.ts'
import {
  bytesOf,
  type Endpoint,
  familyOf,
  type Family,
  LastEndpoint,
  portOf,
  writeEndpoint,
} from './sockaddr.ts'
import { type Datagrams, type OnDatagram, systemUdp, type Udp } from './udp.ts'

/** Sockets are read so often whoever keeps time, so that nothing stale waits for a leg that begins. */
export const SWEEP_MS = 20
/** Of one socket in one sweep: a flood at one port must not keep the others from being read. */
export const MAX_PER_SWEEP = 32
/** Sockets of one sweep; the kernel begins the next one behind them. */
const MAX_READY = 4096

/** Once for a thread. Null where the C library can't be called; then there are Node's own sockets. */
export function openSweptUdp(clock: Clock): SweptUdp | null {
  const libc = loadLibc()
  const epoll = libc ? libc.epoll_create1(EPOLL_CLOEXEC) : -1
  if (libc === null || epoll < 0) return null
  const udp = new SweptUdp(clock, libc, epoll)
  // Descriptors of the C library outlive a thread that crashes; Node's own don't.
  process.once('exit', () => {
    udp.close()
    libc.close(epoll)
  })
  return udp
}

export class SweptUdp implements Udp {
  readonly #clock: Clock
  readonly #libc: Libc
  readonly #epoll: number
  readonly #events: DataView<ArrayBuffer> = new DataView(
    new ArrayBuffer(MAX_READY * EPOLL_EVENT.bytes),
  )
  readonly #eventBytes: Uint8Array = new Uint8Array(this.#events.buffer)
  readonly #received: Received
  /** By descriptor. */
  readonly #sockets = new Map<number, SweptSocket>()
  #timer: Timer | null = null

  constructor(clock: Clock, libc: Libc, epoll: number) {
    this.#clock = clock
    this.#libc = libc
    this.#epoll = epoll
    this.#received = new Received(libc)
  }

  /** Sockets not closed yet. */
  get open(): number {
    return this.#sockets.size
  }

  async bind(address: string, port: number, onDatagram: OnDatagram): Promise<Datagrams> {
    // A zone is a name of the system's, which only the resolver knows.
    if (address.includes('%')) return systemUdp.bind(address, port, onDatagram)
    const socket = new SweptSocket(this.#libc, { address, port }, onDatagram, () =>
      this.#forget(socket),
    )
    if (!this.#watch(socket.fd)) {
      const fault = cannotBind(this.#libc)
      await socket.close()
      throw fault
    }
    this.#sockets.set(socket.fd, socket)
    this.#timer ??= this.#clock.schedule(SWEEP_MS, () => this.#beat())
    return socket
  }

  /** Reads what has come to every socket. */
  sweep(): void {
    if (this.#sockets.size === 0) return
    const ready = this.#libc.epoll_wait(this.#epoll, this.#eventBytes, MAX_READY, 0)
    if (ready <= 0) return
    this.#received.lookAtClock()
    for (let i = 0; i < ready; i++) {
      const fd = this.#events.getInt32(i * EPOLL_EVENT.bytes + EPOLL_EVENT.dataAt, true)
      // One that is read may close another.
      this.#sockets.get(fd)?.read(this.#received)
    }
  }

  /** Closes every socket at once, for a thread that is going to end. */
  close(): void {
    for (const socket of this.#sockets.values()) void socket.close()
  }

  /** Whether the descriptor is looked at from now on, until it is closed. */
  #watch(fd: number): boolean {
    const event = new DataView(new ArrayBuffer(EPOLL_EVENT.bytes))
    event.setUint32(0, EPOLLIN, true)
    event.setInt32(EPOLL_EVENT.dataAt, fd, true)
    const bytes = new Uint8Array(event.buffer)
    return this.#libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, bytes) === 0
  }

  #forget(socket: SweptSocket): void {
    this.#sockets.delete(socket.fd)
    if (this.#sockets.size > 0) return
    this.#timer?.cancel()
    this.#timer = null
  }

  #beat(): void {
    this.#timer = this.#clock.schedule(SWEEP_MS, () => this.#beat())
    this.sweep()
  }
}

class SweptSocket implements Datagrams {
  readonly fd: number
  readonly port: number
  readonly #libc: Libc
  readonly #addressBytes: number
  readonly #onDatagram: OnDatagram
  readonly #onClose: () => void
  readonly #to: LastEndpoint
  readonly #from: LastEndpoint
  #open = true

  constructor(libc: Libc, at: Endpoint, onDatagram: OnDatagram, onClose: () => void) {
    const family = familyOf(at.address)
    this.#libc = libc
    this.#addressBytes = bytesOf(family)
    this.#onDatagram = onDatagram
    this.#onClose = onClose
    this.#to = new LastEndpoint(libc, family)
    this.#from = new LastEndpoint(libc, family)
    this.fd = bound(libc, family, at)
    this.port = boundPort(libc, this.fd)
  }

  send(data: Uint8Array, port: number, address: string): void {
    // What can't be sent is lost, as on any network.
    if (!this.#open || !this.#to.write(address, port)) return
    this.#libc.sendto(this.fd, data, data.length, 0, this.#to.bytes, this.#addressBytes)
  }

  read(received: Received): void {
    for (let packets = 0; packets < MAX_PER_SWEEP && this.#open; packets++) {
      const data = received.next(this.fd)
      if (data === null) return
      if (data === 'long') continue
      const { address, port } = this.#from.read(received.from)
      this.#onDatagram(data, address, port, received.ageMs)
    }
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    // This takes it out of what is looked at, too.
    this.#libc.close(this.fd)
    this.#onClose()
  }
}

/** The descriptor of a socket that is bound there. @throws a retryable Fault when there is none to be had */
function bound(libc: Libc, family: Family, at: Endpoint): number {
  const fd = libc.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) throw cannotBind(libc)
  const on = new Uint8Array([1, 0, 0, 0])
  libc.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, on, on.length)
  const address = new Uint8Array(SOCKADDR_BYTES)
  const literal = writeEndpoint(libc, address, family, at)
  if (literal && libc.bind(fd, address, bytesOf(family)) === 0) return fd
  const fault = cannotBind(libc)
  libc.close(fd)
  throw fault
}

function boundPort(libc: Libc, fd: number): number {
  const address = new Uint8Array(SOCKADDR_BYTES)
  libc.getsockname(fd, address, new Uint8Array([SOCKADDR_BYTES, 0, 0, 0]))
  return portOf(address)
}

function cannotBind(libc: Libc): Fault {
  const cause = new Error(`errno ${libc.errno()}`)
  return new Fault('cannot bind a UDP port', { cause, retryable: true })
}
