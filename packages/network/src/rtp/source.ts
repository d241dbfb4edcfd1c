// Symmetric RTP: where a peer really sends from is learned from its first packets, then nothing else is believed.
//
// A NAT may give the peer another port, or another address, in the middle of a call. That is followed only when the old
// source has fallen silent and the new one goes on with the same stream: same SSRC, sequence numbers where the old ones
// ended. Somebody who injects sound would have to guess both, and to silence the peer. Whatever else has moved is told by
// a re-INVITE with a new address, for which a new lock is made.
import type { RtpPacket } from './packet.ts'

/** Consecutive packets an unannounced source must send before it is believed. */
const PACKETS_TO_LEARN = 3
/** How long the locked source must have been silent before another one may go on with its stream. */
export const REBIND_SILENCE_MS = 500
/** How far ahead the stream may be by then: ten seconds of packets. */
const MAX_REBIND_STEP = 500

export interface Address {
  address: string
  port: number
}

interface Place extends Address {
  ssrc: number
  sequence: number
}

/** Which source a leg's media comes from. Guards against injected audio ("RTP bleed"). */
export class SourceLock {
  readonly #announced: Address
  #locked: (Place & { heardMs: number }) | null = null
  #candidate: (Place & { packets: number }) | null = null

  /** @param announced what the peer's SDP says; a packet from there is believed at once. */
  constructor(announced: Address) {
    this.#announced = announced
  }

  /** Where to send: the learned source, or the announced one until something was learned. */
  get target(): Address {
    return this.#locked ?? this.#announced
  }

  get locked(): boolean {
    return this.#locked !== null
  }

  /** Whether a valid packet from this source, at `nowMs` (monotonic), belongs to the peer; learns on the way. */
  accept(packet: RtpPacket, address: string, port: number, nowMs: number): boolean {
    const locked = this.#locked
    const { ssrc, sequence } = packet
    if (locked && same(locked, address, port)) {
      // In place: this runs for every packet.
      locked.ssrc = ssrc
      locked.sequence = sequence
      locked.heardMs = nowMs
      return true
    }
    const place = { address, port, ssrc, sequence }
    const announced = locked === null && same(this.#announced, address, port)
    if (!announced && !this.#learns(place, nowMs)) return false
    this.#locked = { ...place, heardMs: nowMs }
    return true
  }

  /** Whether this packet is the one that proves another source to be the peer. */
  #learns(place: Place, nowMs: number): boolean {
    if (this.#locked && !goesOn(this.#locked, place, nowMs)) return false
    const candidate = this.#candidate
    const next = candidate !== null && isNext(candidate, place)
    this.#candidate = { ...place, packets: next ? candidate.packets + 1 : 1 }
    if (this.#candidate.packets < PACKETS_TO_LEARN) return false
    this.#candidate = null
    return true
  }
}

function same(known: Address, address: string, port: number): boolean {
  return known.port === port && known.address === address
}

function isNext(before: Place, place: Place): boolean {
  return (
    same(before, place.address, place.port) &&
    place.ssrc === before.ssrc &&
    place.sequence === ((before.sequence + 1) & 0xffff)
  )
}

/** Whether `place` may be where the stream of a source that fell silent goes on. */
function goesOn(
  locked: Place & { heardMs: number },
  { ssrc, sequence }: Place,
  nowMs: number,
): boolean {
  const step = (sequence - locked.sequence) & 0xffff
  return (
    nowMs - locked.heardMs >= REBIND_SILENCE_MS &&
    ssrc === locked.ssrc &&
    step > 0 &&
    step <= MAX_REBIND_STEP
  )
}
