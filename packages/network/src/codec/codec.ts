// The codecs behind one interface: sound is 8 kHz mono PCM on this side, whatever the rate and the clock on the wire.
import { decodeG711, encodeG711, type Law } from './g711.ts'
import { G722Decoder, G722Encoder } from './g722.ts'
import { OpusDecoder, OpusEncoder } from './opus.ts'

export type Codec = 'PCMU' | 'PCMA' | 'G722' | 'opus'

/** What SDP and RTP say about a codec. */
export interface CodecFacts {
  /** As in `a=rtpmap`, after the payload type. */
  rtpmap: string
  /** Ticks of the RTP timestamp per sample of ours. G.722 has 8000 a second by an old mistake (RFC 3551 4.5.2). */
  ticksPerSample: 1 | 6
  /** Whether each packet is decoded with a memory of those before it. */
  remembers: boolean
  /** Payload type that we offer; below 96 it is the static one, which needs no rtpmap. */
  payloadType: number
  /** Parameters that we offer, or null. */
  fmtp: string | null
  /** Packet times that it can be sent with, milliseconds, ascending. */
  packetTimesMs: readonly number[]
}

export const CODECS: Readonly<Record<Codec, CodecFacts>> = {
  PCMU: sampled('PCMU/8000', 0, false),
  PCMA: sampled('PCMA/8000', 8, false),
  G722: sampled('G722/8000', 9, true),
  opus: {
    // Two channels whatever is sent (RFC 7587 section 7).
    rtpmap: 'opus/48000/2',
    ticksPerSample: 6,
    remembers: true,
    payloadType: 96,
    fmtp: 'maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1',
    packetTimesMs: [10, 20, 40, 60],
  },
}

function sampled(rtpmap: string, payloadType: number, remembers: boolean): CodecFacts {
  const packetTimesMs = [10, 20, 30, 40, 60]
  return { rtpmap, ticksPerSample: 1, remembers, payloadType, fmtp: null, packetTimesMs }
}

/** Samples in, one packet's payload out. Has a state of its own: one for each stream. */
export interface Encoder {
  /** `pcm` is as long as one of the codec's packet times. What comes back may hold only until the next call. */
  encode(pcm: Int16Array): Uint8Array
  close(): void
}

/** One packet's payload in, its samples out. Has a state of its own: one for each stream. */
export interface Decoder {
  /** How many samples the payload will be, told without decoding it; 0 when it isn't one of this codec. */
  samplesIn(payload: Uint8Array): number
  /** Null for a payload that isn't one of this codec; never throws on what a peer sends. */
  decode(payload: Uint8Array): Int16Array | null
  close(): void
}

/** `complexity`: what Opus may spend, 0–10. */
export function createEncoder(codec: Codec, complexity: number = OPUS_COMPLEXITY): Encoder {
  if (codec === 'opus') return new OpusEncoder(complexity)
  if (codec === 'G722') return new G722Encoder()
  return lawEncoder(codec)
}

export function createDecoder(codec: Codec): Decoder {
  if (codec === 'opus') return new OpusDecoder()
  if (codec === 'G722') return new G722Decoder()
  return lawDecoder(codec)
}

function lawEncoder(law: Law): Encoder {
  let payload: Uint8Array = new Uint8Array(0)
  return {
    encode: (pcm) => {
      if (payload.length !== pcm.length) payload = new Uint8Array(pcm.length)
      return encodeG711(law, pcm, payload)
    },
    close: () => {},
  }
}

function lawDecoder(law: Law): Decoder {
  return {
    samplesIn: (payload) => payload.length,
    decode: (payload) => decodeG711(law, payload),
    close: () => {},
  }
}

/** Half of what Opus can spend: a third less work than all of it, and hard to tell apart at telephone rates. */
export const OPUS_COMPLEXITY = 5
