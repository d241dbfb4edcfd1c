// Symmetric RTP: where a peer really sends from is learned from its first packets, then nothing else is believed.
import type { RtpPacket } from './packet.ts'

/** Consecutive packets an unannounced source must send before it is believed. */
const PACKETS_TO_LEARN = 3

export interface Address {
  address: string
  port: number
}

/** Which source a leg's media comes from. Guards against injected audio ("RTP bleed"). */
export class SourceLock {
  readonly #announced: Address
  #locked: Address | null = null
  #candidate: (Address & { ssrc: number; sequence: number; packets: number }) | null = null

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

  /** Whether a valid packet from this source belongs to the peer; learns on the way. */
  accept(packet: RtpPacket, address: string, port: number): boolean {
    if (this.#locked) return same(this.#locked, address, port)
    if (same(this.#announced, address, port)) {
      this.#locked = this.#announced
      return true
    }
    if (!this.#isNextOfCandidate(packet, address, port)) {
      const { ssrc, sequence } = packet
      this.#candidate = { address, port, ssrc, sequence, packets: 1 }
      return false
    }
    const candidate = this.#candidate!
    candidate.sequence = packet.sequence
    if (++candidate.packets < PACKETS_TO_LEARN) return false
    this.#locked = { address, port }
    this.#candidate = null
    return true
  }

  #isNextOfCandidate(packet: RtpPacket, address: string, port: number): boolean {
    const candidate = this.#candidate
    if (candidate === null || !same(candidate, address, port)) return false
    return packet.ssrc === candidate.ssrc && packet.sequence === ((candidate.sequence + 1) & 0xffff)
  }
}

function same(known: Address, address: string, port: number): boolean {
  return known.port === port && known.address === address
}
