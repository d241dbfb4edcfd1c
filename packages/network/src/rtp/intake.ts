// The receiving half of a leg's codecs: which one a packet is of, its samples, and its time on the clock of our frames.
import { CODECS, createDecoder, type Codec, type Decoder } from '../codec/codec.ts'
import type { Coded } from './jitter.ts'
import type { RtpPacket } from './packet.ts'

const NO_SOUND = new Int16Array()

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

  /** The sound of a believed packet; empty when it has none of its codec. */
  sound(codec: Codec, payload: Uint8Array): Int16Array | Coded {
    const decoder = this.#decoderFor(codec)
    if (!CODECS[codec].remembers) return decoder.decode(payload) ?? NO_SOUND
    const length = decoder.samplesIn(payload)
    // A copy: the datagram's memory is the socket's again by the time this is decoded.
    const kept = new Uint8Array(payload)
    // Silence instead of what can't be decoded after all: its time passes all the same.
    const decode = (): Int16Array => {
      const pcm = this.#decoders.get(codec)?.decode(kept)
      return pcm?.length === length ? pcm : new Int16Array(length)
    }
    return { length, decode }
  }

  #decoderFor(codec: Codec): Decoder {
    let decoder = this.#decoders.get(codec)
    if (!decoder) this.#decoders.set(codec, (decoder = createDecoder(codec)))
    return decoder
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
