// The receiving half of a leg's codecs: which one a packet is of, its samples, and its time on the clock of our frames.
import { CODECS, createDecoder, type Codec, type Decoder } from '../codec/codec.ts'
import type { RtpPacket } from './packet.ts'

/** Understood whatever was agreed (RFC 3551): some peers answer one law and send the other. */
const STATIC_CODECS: Readonly<Record<number, Codec | undefined>> = {
  0: 'PCMU',
  8: 'PCMA',
  9: 'G722',
}

/** What a peer may send, and by which numbers. */
export interface ReceiveFormat {
  /** Ours first; a peer that answers with numbers of its own may go by those. */
  accepts: readonly { codec: Codec; payloadType: number }[]
  codec: Codec
  payloadType: number
}

export class Intake {
  readonly #decoders = new Map<Codec, Decoder>()
  #ssrc: number | null = null
  #ticksPerSample = 1
  #lastTimestamp = 0
  /** The last timestamp without its wraps. */
  #unwrapped = 0

  /** Ticks of the RTP clock per sample of ours, of the packet last read. */
  get ticksPerSample(): number {
    return this.#ticksPerSample
  }

  /** The codec of a payload type, or null when nothing was agreed by that number. */
  codecOf(payloadType: number, format: ReceiveFormat): Codec | null {
    for (const known of format.accepts) if (known.payloadType === payloadType) return known.codec
    if (payloadType === format.payloadType) return format.codec
    return STATIC_CODECS[payloadType] ?? null
  }

  /** The samples of a believed packet, in the order in which packets arrive; null when it has none of its codec. */
  decode(codec: Codec, payload: Uint8Array): Int16Array | null {
    let decoder = this.#decoders.get(codec)
    if (!decoder) this.#decoders.set(codec, (decoder = createDecoder(codec)))
    return decoder.decode(payload)
  }

  /** The packet with its timestamp in samples of 8 kHz, modulo 2^32 as before. */
  inSamples(packet: RtpPacket, codec: Codec): RtpPacket {
    const { ticksPerSample } = CODECS[codec]
    const { ssrc, timestamp } = packet
    if (ssrc !== this.#ssrc || ticksPerSample !== this.#ticksPerSample) this.#unwrapped = timestamp
    else this.#unwrapped += (timestamp - this.#lastTimestamp) | 0
    this.#ssrc = ssrc
    this.#ticksPerSample = ticksPerSample
    this.#lastTimestamp = timestamp
    if (ticksPerSample === 1) return packet
    return { ...packet, timestamp: Math.floor(this.#unwrapped / ticksPerSample) >>> 0 }
  }

  /** Gives the decoders back. */
  close(): void {
    for (const decoder of this.#decoders.values()) decoder.close()
    this.#decoders.clear()
  }
}
