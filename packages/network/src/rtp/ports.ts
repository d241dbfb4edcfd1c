// RTP port pairs: an even port for RTP and the odd one above it for RTCP, from a range or from the system.
//
// A pair of the range that was given back stays out of circulation until nobody sends there any more. The order is random:
// another process on this machine, an older one that still has its calls among them, may have the same range.
import { Fault, type Clock, type Random } from '@saperly/kernel'
import { PortDrain } from './drain.ts'
import type { Datagrams, OnDatagram, Udp } from './udp.ts'

/** How often another pair is tried when one turns out to be taken by somebody else. */
export const MAX_BIND_TRIES = 32

export interface PortRange {
  /** Both included. */
  first: number
  last: number
}

/** `range` cut into `count` disjoint slices of whole pairs; the first slices are at most one pair larger. */
export function slicePorts(range: PortRange, count: number): PortRange[] {
  const first = range.first + (range.first % 2)
  const pairs = Math.max(0, Math.floor((range.last - first + 1) / 2))
  const startOf = (slice: number): number => first + 2 * Math.floor((pairs * slice) / count)
  return Array.from({ length: count }, (_, i) => ({ first: startOf(i), last: startOf(i + 1) - 1 }))
}

/** The pairs of one range, each given out once until it has been given back and drained. */
export class PortPool {
  /** Free pairs, the one unused for longest first. */
  readonly #free: number[] = []
  readonly #drain: PortDrain

  constructor(range: PortRange, clock: Clock, random: Random) {
    this.#drain = new PortDrain(clock, (port) => void this.#free.push(port))
    const first = range.first + (range.first % 2)
    for (let port = first; port + 1 <= range.last; port += 2) this.#free.push(port)
    shuffle(this.#free, random)
  }

  /** The even port of a free pair, or null when none is free. */
  take(): number | null {
    this.#drain.settle()
    return this.#free.shift() ?? null
  }

  /**
   * Gives a pair back; it comes into circulation again when it has drained. `socket`: still open, and the pool's to
   * close; what arrives there is to be told to the listener that is returned.
   */
  giveBack(port: number, socket: Datagrams | null): () => void {
    return this.#drain.add(port, socket)
  }

  /** Closes what is draining. */
  close(): Promise<void> {
    return this.#drain.close()
  }
}

/** Every order equally likely (Fisher and Yates). */
function shuffle(ports: number[], random: Random): void {
  for (let last = ports.length - 1; last > 0; last--) {
    const other = random.int(0, last)
    ;[ports[last], ports[other]] = [ports[other]!, ports[last]!]
  }
}

/** Both sockets of a leg. */
export interface SocketPair {
  /** Even for RTP; RTCP is one above. */
  readonly port: number
  readonly rtp: Datagrams
  readonly rtcp: Datagrams
  close(): Promise<void>
}

export interface PairListeners {
  rtp: OnDatagram
  rtcp: OnDatagram
}

/** Binds a pair on `address`, from `pool` or (null) wherever the system has one. A Fault when there is none. */
export async function bindPair(
  udp: Udp,
  address: string,
  pool: PortPool | null,
  on: PairListeners,
): Promise<SocketPair> {
  for (let tries = 0; tries < MAX_BIND_TRIES; tries++) {
    const pair = pool ? await bindFrom(udp, address, pool, on) : await bindAny(udp, address, on)
    if (pair) return pair
  }
  throw new Fault('no RTP port pair could be bound', { retryable: true })
}

async function bindFrom(
  udp: Udp,
  address: string,
  pool: PortPool,
  on: PairListeners,
): Promise<SocketPair | null> {
  const port = pool.take()
  if (port === null) throw new Fault('every RTP port is in use or draining', { retryable: true })
  let hear: OnDatagram = on.rtp
  const rtp = await bindOrNull(udp, address, port, (...datagram) => hear(...datagram))
  const rtcp = rtp && (await bindOrNull(udp, address, port + 1, on.rtcp))
  if (rtp && rtcp) {
    return pairOf(rtp, rtcp, async () => {
      hear = pool.giveBack(port, rtp)
      await rtcp.close()
    })
  }
  await rtp?.close()
  pool.giveBack(port, null)
  return null
}

/** Lets the system choose one port and takes its neighbour, whichever of the two is even. */
async function bindAny(udp: Udp, address: string, on: PairListeners): Promise<SocketPair | null> {
  // Which of the two roles this socket plays is known once its port is.
  let role: OnDatagram = on.rtp
  const chosen = await bindOrNull(udp, address, 0, (...datagram) => role(...datagram))
  if (!chosen) return null
  const even = chosen.port % 2 === 0
  if (!even) role = on.rtcp
  const other = await bindOrNull(
    udp,
    address,
    even ? chosen.port + 1 : chosen.port - 1,
    even ? on.rtcp : on.rtp,
  )
  if (other) {
    const close = async (): Promise<void> =>
      void (await Promise.all([chosen.close(), other.close()]))
    return even ? pairOf(chosen, other, close) : pairOf(other, chosen, close)
  }
  await chosen.close()
  return null
}

/** Null when the port is taken: another is tried. */
async function bindOrNull(
  udp: Udp,
  address: string,
  port: number,
  onDatagram: OnDatagram,
): Promise<Datagrams | null> {
  try {
    return await udp.bind(address, port, onDatagram)
  } catch (error) {
    if (error instanceof Fault && error.retryable) return null
    throw error
  }
}

function pairOf(rtp: Datagrams, rtcp: Datagrams, end: () => Promise<void>): SocketPair {
  let closed: Promise<void> | null = null
  return { port: rtp.port, rtp, rtcp, close: () => (closed ??= end()) }
}
