// Ports of calls that are over: kept open and deaf until nobody sends there any more, so that a new call never hears an old
// one's tail.
//
// A port is free again after 30 s without a packet, or after 10 minutes whatever still comes: by then its sender will not
// stop, and the next call's source lock has to deal with it.
import type { Clock, Timer } from '@saperly/kernel'
import type { Datagrams } from './udp.ts'

export const DRAIN_MS = 30_000
export const MAX_DRAIN_MS = 600_000
/** Sockets kept open at one time; beyond it the oldest is closed, and its port waits without listening. */
export const MAX_DRAINING_SOCKETS = 1000

interface Draining {
  port: number
  socket: Datagrams | null
  sinceMs: number
  heardMs: number
}

export class PortDrain {
  readonly #clock: Clock
  readonly #free: (port: number) => void
  /** The oldest first. */
  #draining: Draining[] = []
  #sockets = 0
  #timer: Timer | null = null

  /** @param free told each port that has drained. */
  constructor(clock: Clock, free: (port: number) => void) {
    this.#clock = clock
    this.#free = free
  }

  /** Takes a port and, where one is open, its socket; gives a listener for what still arrives there. */
  add(port: number, socket: Datagrams | null): () => void {
    const nowMs = this.#clock.monotonicMs()
    const one: Draining = { port, socket, sinceMs: nowMs, heardMs: nowMs }
    this.#draining.push(one)
    if (socket && ++this.#sockets > MAX_DRAINING_SOCKETS) this.#closeOldest()
    // Ports without a socket need no timer: they are looked at when one is asked for.
    if (socket) this.#timer ??= this.#clock.schedule(DRAIN_MS, () => this.#check())
    return () => void (one.heardMs = this.#clock.monotonicMs())
  }

  /** Frees what has drained by now. */
  settle(): void {
    const nowMs = this.#clock.monotonicMs()
    const drained = this.#draining.filter((one) => freeAtMs(one) <= nowMs)
    if (drained.length === 0) return
    this.#draining = this.#draining.filter((one) => freeAtMs(one) > nowMs)
    for (const one of drained) {
      if (one.socket) void this.#release(one)
      else this.#free(one.port)
    }
  }

  /** Closes every socket at once. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = null
    await Promise.all(this.#draining.splice(0).map((one) => this.#closeSocket(one)))
  }

  async #release(one: Draining): Promise<void> {
    await this.#closeSocket(one)
    this.#free(one.port)
  }

  async #closeSocket(one: Draining): Promise<void> {
    if (!one.socket) return
    const { socket } = one
    one.socket = null
    this.#sockets--
    await socket.close()
  }

  #closeOldest(): void {
    const oldest = this.#draining.find(({ socket }) => socket !== null)
    if (oldest) void this.#closeSocket(oldest)
  }

  #check(): void {
    this.#timer = null
    this.settle()
    const nextMs = Math.min(...this.#draining.filter(({ socket }) => socket).map(freeAtMs))
    if (nextMs === Infinity) return
    const inMs = Math.max(0, Math.ceil(nextMs - this.#clock.monotonicMs()))
    this.#timer = this.#clock.schedule(inMs, () => this.#check())
  }
}

function freeAtMs({ sinceMs, heardMs }: Draining): number {
  return Math.min(heardMs + DRAIN_MS, sinceMs + MAX_DRAIN_MS)
}
