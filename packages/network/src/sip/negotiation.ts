// Offer and answer for one audio stream: our side of the description, and what both sides end up with (RFC 3264).
import { fail, ok } from '@saperly/kernel'
import type { Random, Result } from '@saperly/kernel'
import type { MediaAgreement } from '../media/port.ts'
import { parseSdp } from './sdp.ts'
import type { Codec, Description, Direction, MediaLine, SdpFailure } from './sdp.ts'

/** Payload type that we offer for telephone-event. */
const DTMF_PAYLOAD_TYPE = 101
const PAYLOAD_TYPES: Readonly<Record<Codec, number>> = { PCMU: 0, PCMA: 8 }

/** What the other side does, seen from ours. */
const MIRROR: Readonly<Record<Direction, Direction>> = {
  sendrecv: 'sendrecv',
  sendonly: 'recvonly',
  recvonly: 'sendonly',
  inactive: 'inactive',
}

interface Format {
  codec: Codec
  payloadType: number
}

/** What goes into a description of ours. */
interface Local {
  direction: Direction
  formats: readonly Format[]
  dtmfPayloadType: number | null
}

/** One side of a negotiation that lasts as long as its call; its version goes up with every change. */
export class Negotiation {
  readonly #address: string
  readonly #port: number
  readonly #codecs: readonly Codec[]
  readonly #sessionId: number
  #version = 0
  #last = ''

  /** `codecs` in our order of preference, at least one. */
  constructor(options: {
    address: string
    port: number
    codecs: readonly Codec[]
    random: Random
  }) {
    this.#address = options.address
    this.#port = options.port
    this.#codecs = options.codecs
    this.#sessionId = options.random.int(1, 2 ** 31)
  }

  /** Our offer. */
  offer(direction: Direction = 'sendrecv'): string {
    const formats = this.#codecs.map((codec) => ({ codec, payloadType: PAYLOAD_TYPES[codec] }))
    return this.#write({ direction, formats, dtmfPayloadType: DTMF_PAYLOAD_TYPE }, null)
  }

  /** Reads the answer to our offer. */
  accept(answer: string): Result<MediaAgreement, SdpFailure> {
    const peer = parseSdp(answer)
    return peer.ok ? this.#agree(peer.value) : peer
  }

  /** Answers the peer's offer; the order of codecs is the peer's. Other m-lines are answered with port 0. */
  answer(offer: string): Result<{ sdp: string; agreement: MediaAgreement }, SdpFailure> {
    const peer = parseSdp(offer)
    if (!peer.ok) return peer
    const agreement = this.#agree(peer.value)
    if (!agreement.ok) return agreement
    const { direction, dtmfPayloadType } = agreement.value
    const formats = this.#common(peer.value)
    const sdp = this.#write({ direction, formats, dtmfPayloadType }, peer.value)
    return ok({ sdp, agreement: agreement.value })
  }

  #common(peer: Description): Format[] {
    return peer.codecs.filter(({ codec }) => this.#codecs.includes(codec))
  }

  #agree(peer: Description): Result<MediaAgreement, SdpFailure> {
    const first = this.#common(peer)[0]
    if (!first) return fail('no_common_codec')
    return ok({
      remote: { address: peer.address, port: peer.port },
      codec: first.codec,
      payloadType: first.payloadType,
      dtmfPayloadType: peer.dtmfPayloadType,
      direction: MIRROR[peer.direction],
    })
  }

  #write(local: Local, offer: Description | null): string {
    const family = this.#address.includes(':') ? 'IP6' : 'IP4'
    const audio = this.#audioLines(local)
    const media = offer
      ? offer.lines.flatMap((line, at) => (at === offer.audioIndex ? audio : [refusedLine(line)]))
      : audio
    const body = [`s=-`, `c=IN ${family} ${this.#address}`, 't=0 0', ...media].join('\r\n')
    if (body !== this.#last) this.#version++
    this.#last = body
    const origin = `o=saperly ${this.#sessionId} ${this.#version} IN ${family} ${this.#address}`
    return `v=0\r\n${origin}\r\n${body}\r\n`
  }

  #audioLines(local: Local): string[] {
    const types = local.formats.map(({ payloadType }) => payloadType)
    if (local.dtmfPayloadType !== null) types.push(local.dtmfPayloadType)
    const lines = [`m=audio ${this.#port} RTP/AVP ${types.join(' ')}`]
    for (const { codec, payloadType } of local.formats) {
      lines.push(`a=rtpmap:${payloadType} ${codec}/8000`)
    }
    if (local.dtmfPayloadType !== null) {
      lines.push(`a=rtpmap:${local.dtmfPayloadType} telephone-event/8000`)
      lines.push(`a=fmtp:${local.dtmfPayloadType} 0-15`)
    }
    lines.push('a=ptime:20', `a=${local.direction}`)
    return lines
  }
}

function refusedLine(line: MediaLine): string {
  return `m=${line.kind} 0 ${line.protocol} ${line.formats}`.trimEnd()
}
