// Offer and answer for one audio stream: our side of the description, and what both sides end up with (RFC 3264).
import { fail, ok } from '@saperly/kernel'
import type { Random, Result } from '@saperly/kernel'
import { CODECS } from '../codec/codec.ts'
import { FRAME_MS, SAMPLE_RATE } from '../rtp/frame.ts'
import type { MediaAgreement } from '../media/port.ts'
import type { DigitMode } from './dtmf-info.ts'
import { KeyAgreement } from './key-agreement.ts'
import type { AgreedKeys } from './key-agreement.ts'
import type { SrtpMode } from './sdes.ts'
import { parseSdp } from './sdp.ts'
import type { Codec, Description, Direction, EventFormat, Format, SdpFailure } from './sdp.ts'
import { refusedLine, writeAudio } from './sdp-audio.ts'
import type { LocalAudio } from './sdp-audio.ts'

/** Payload types that we offer for telephone events, by their clock. */
const EVENT_TYPES: readonly EventFormat[] = [
  { payloadType: 101, clockRate: SAMPLE_RATE },
  { payloadType: 102, clockRate: 48_000 },
]

/** What the other side does, seen from ours. */
const MIRROR: Readonly<Record<Direction, Direction>> = {
  sendrecv: 'sendrecv',
  sendonly: 'recvonly',
  recvonly: 'sendonly',
  inactive: 'inactive',
}

export interface NegotiationOptions {
  address: string
  port: number
  /** In our order of preference, at least one. */
  codecs: readonly Codec[]
  /** Default: off. */
  srtp?: SrtpMode
  /** `info`: no telephone events are agreed on. Default: auto. */
  dtmf?: DigitMode
  random: Random
}

type Local = Omit<LocalAudio, 'port'>

/** One side of a negotiation that lasts as long as its call; its version goes up with every change. */
export class Negotiation {
  readonly #address: string
  readonly #port: number
  readonly #codecs: readonly Codec[]
  readonly #srtp: SrtpMode
  readonly #dtmf: DigitMode
  /** Of our offers: what the peer has offered before, or what the mode asks for. */
  #protocol: string
  readonly #keys: KeyAgreement
  readonly #sessionId: number
  /** The numbers by which our formats go: ours, or those of the peer whose offer we have answered. */
  #formats: readonly Format[]
  #events: readonly EventFormat[]
  #version = 0
  #last = ''

  constructor(options: NegotiationOptions) {
    const { codecs, random, srtp = 'off', dtmf = 'auto' } = options
    this.#address = options.address
    this.#port = options.port
    this.#codecs = codecs
    this.#srtp = srtp
    this.#dtmf = dtmf
    this.#protocol = srtp === 'required' ? 'RTP/SAVP' : 'RTP/AVP'
    this.#keys = new KeyAgreement(srtp, random)
    this.#sessionId = random.int(1, 2 ** 31)
    this.#formats = codecs.map((codec) => ({ codec, payloadType: CODECS[codec].payloadType }))
    const clocks = clocksOf(codecs)
    this.#events = this.#wanted(EVENT_TYPES.filter(({ clockRate }) => clocks.has(clockRate)))
  }

  /** Our offer. */
  offer(direction: Direction = 'sendrecv'): string {
    const local = {
      protocol: this.#protocol,
      direction,
      formats: this.#formats,
      events: this.#events,
      ptimeMs: FRAME_MS,
      crypto: this.#keys.offer(),
    }
    return this.#write(local, null)
  }

  /** Reads the answer to our offer. */
  accept(answer: string): Result<MediaAgreement, SdpFailure> {
    const peer = parseSdp(answer, this.#srtp)
    if (!peer.ok) return peer
    // The first codec of an answer is the one that it means.
    const [first] = this.#common(peer.value)
    if (!first) return fail('no_common_codec')
    const keys = this.#keys.accept(peer.value.crypto)
    return keys.ok ? ok(this.#agree(peer.value, first, keys.value)) : keys
  }

  /** Answers the peer's offer: the codec that we prefer among the peer's. Other m-lines are answered with port 0. */
  answer(offer: string): Result<{ sdp: string; agreement: MediaAgreement }, SdpFailure> {
    const peer = parseSdp(offer, this.#srtp)
    if (!peer.ok) return peer
    const formats = this.#preferred(this.#common(peer.value))
    const [first] = formats
    if (!first) return fail('no_common_codec')
    const keys = this.#keys.answer(peer.value.crypto)
    if (!keys.ok) return keys
    const clocks = clocksOf(formats.map(({ codec }) => codec))
    const events = this.#wanted(peer.value.events.filter(({ clockRate }) => clocks.has(clockRate)))
    this.#keepNumbers(formats, events)
    const agreement = this.#agree(peer.value, first, keys.value)
    const { direction, ptimeMs } = agreement
    const { protocol } = peer.value.lines[peer.value.audioIndex]!
    this.#protocol = protocol
    const crypto = keys.value ? [keys.value.line] : []
    const local = { protocol, direction, formats, events, ptimeMs, crypto }
    return ok({ sdp: this.#write(local, peer.value), agreement })
  }

  /** Events are nothing that keys by the signalling need. */
  #wanted(events: readonly EventFormat[]): readonly EventFormat[] {
    return this.#dtmf === 'info' ? [] : events
  }

  /** What both can, once each, in the peer's order. */
  #common(peer: Description): Format[] {
    const taken = new Set<Codec>()
    return peer.codecs.filter(({ codec }) => {
      if (taken.has(codec) || !this.#codecs.includes(codec)) return false
      taken.add(codec)
      return true
    })
  }

  /** In our order, but between the two laws of G.711 in the peer's: the one is the other's equal where it is at home. */
  #preferred(formats: readonly Format[]): Format[] {
    const laws = this.#codecs.findIndex((codec) => codec === 'PCMU' || codec === 'PCMA')
    const rank = ({ codec }: Format): number =>
      codec === 'PCMU' || codec === 'PCMA' ? laws : this.#codecs.indexOf(codec)
    return formats.toSorted((a, b) => rank(a) - rank(b))
  }

  /** A number keeps its meaning for as long as the session lasts (RFC 3264 section 8.3.2). */
  #keepNumbers(formats: readonly Format[], events: readonly EventFormat[]): void {
    this.#formats = this.#formats.map(
      (format) => formats.find(({ codec }) => codec === format.codec) ?? format,
    )
    this.#events = this.#events.map(
      (event) => events.find(({ clockRate }) => clockRate === event.clockRate) ?? event,
    )
  }

  #agree(peer: Description, format: Format, keys: AgreedKeys | null): MediaAgreement {
    const { codec, payloadType } = format
    const clockRate = SAMPLE_RATE * CODECS[codec].ticksPerSample
    const events = this.#wanted(peer.events)
    const event = events.find((known) => known.clockRate === clockRate) ?? events[0]
    return {
      remote: { address: peer.address, port: peer.port, rtcpPort: peer.rtcpPort },
      codec,
      payloadType,
      accepts: this.#formats,
      dtmfPayloadType: event?.payloadType ?? null,
      dtmfClockRate: event?.clockRate ?? SAMPLE_RATE,
      dtmfAccepts: [...this.#events, ...events].map((known) => known.payloadType),
      digitsBy: this.#dtmf === 'info' ? 'signalling' : 'media',
      ptimeMs: packetTime(peer, codec),
      srtp: keys && keys.srtp,
      direction: MIRROR[peer.direction],
    }
  }

  #write(local: Local, offer: Description | null): string {
    const family = this.#address.includes(':') ? 'IP6' : 'IP4'
    const audio = writeAudio({ ...local, port: this.#port })
    const media = offer
      ? offer.lines.flatMap((line, at) => (at === offer.audioIndex ? audio : [refusedLine(line)]))
      : audio
    const body = [`s=-`, `c=IN ${family} ${this.#address}`, 't=0 0', ...media].join('\r\n')
    if (body !== this.#last) this.#version++
    this.#last = body
    const origin = `o=saperly ${this.#sessionId} ${this.#version} IN ${family} ${this.#address}`
    return `v=0\r\n${origin}\r\n${body}\r\n`
  }
}

/** The clocks that telephone events may have beside these codecs; that of the telephone goes with all of them. */
function clocksOf(codecs: readonly Codec[]): Set<number> {
  return new Set([8000, ...codecs.map((codec) => SAMPLE_RATE * CODECS[codec].ticksPerSample)])
}

/** The longest packets that suit the peer and the codec, milliseconds. */
function packetTime(peer: Description, codec: Codec): number {
  const wantedMs = Math.min(peer.ptimeMs ?? FRAME_MS, peer.maxptimeMs ?? Infinity)
  const times = CODECS[codec].packetTimesMs
  return times.findLast((ms) => ms <= wantedMs) ?? times[0]!
}
