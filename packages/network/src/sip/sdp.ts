// Reading a session description: audio only, bounded, tolerant of what real equipment sends (RFC 8866, RFC 3264).
import { SocketAddress, isIP } from 'node:net'
import { fail, ok } from '@saperly/kernel'
import type { Result } from '@saperly/kernel'
import { CODECS } from '../codec/codec.ts'
import type { Codec } from '../codec/codec.ts'
import { parseCrypto } from './sdes.ts'
import type { CryptoLine, SrtpMode } from './sdes.ts'

export type { Codec } from '../codec/codec.ts'
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** Why a body is no description that we can use. */
export type SdpFailure =
  | 'too_large'
  | 'not_sdp'
  | 'no_audio'
  | 'no_address'
  | 'no_common_codec'
  | 'no_srtp'

/** One m-line, as much of it as is needed to use or to refuse it. */
export interface MediaLine {
  kind: string
  port: number
  protocol: string
  /** The formats as written. */
  formats: string
}

/** One codec under the number that the peer has given it. */
export interface Format {
  codec: Codec
  payloadType: number
}

/** Telephone events (RFC 4733) of one clock, which ought to be the codec's. */
export interface EventFormat {
  payloadType: number
  clockRate: number
}

/** What the peer says about its audio. */
export interface Description {
  address: string
  port: number
  /** Where reports go when it isn't the next port (RFC 3605); an address beside it is ignored. */
  rtcpPort: number | null
  /** As the peer means it: `sendonly` when it only sends. Old-style hold (0.0.0.0) is `sendonly`. */
  direction: Direction
  /** In the peer's order of preference. */
  codecs: readonly Format[]
  events: readonly EventFormat[]
  /** How long the peer wants its packets, and how long they may be at most. */
  ptimeMs: number | null
  maxptimeMs: number | null
  /** The usable ones of the audio's crypto lines, in the peer's order of preference. */
  crypto: readonly CryptoLine[]
  /** Every m-line in order, and which of them is the audio above. */
  lines: readonly MediaLine[]
  audioIndex: number
}

export const MAX_SDP_LENGTH = 16_384
const MAX_LINES = 512
const MAX_MEDIA = 16
const MAX_FORMATS = 64
const MAX_CRYPTO_LINES = 16

interface Section {
  line: MediaLine
  address: string | null
  rtcpPort: number | null
  direction: Direction | null
  rtpmaps: Map<number, string>
  ptimeMs: number | null
  maxptimeMs: number | null
  crypto: CryptoLine[]
}

/** Reads a description; of several audio lines it takes the one that suits `srtp` best. Never throws. */
export function parseSdp(text: string, srtp: SrtpMode = 'off'): Result<Description, SdpFailure> {
  if (text.length > MAX_SDP_LENGTH) return fail('too_large')
  const lines = text.split(/\r\n|\n|\r/)
  if (lines.length > MAX_LINES) return fail('too_large')
  if (lines[0] !== 'v=0') return fail('not_sdp')
  const session = emptySection({ kind: '', port: 0, protocol: '', formats: '' })
  const sections: Section[] = []
  for (const line of lines) {
    if (line.startsWith('m=')) {
      const media = parseMedia(line.slice(2))
      if (!media) return fail('not_sdp')
      if (sections.length >= MAX_MEDIA) return fail('too_large')
      sections.push(emptySection(media))
    } else readLine(line, sections.at(-1) ?? session)
  }
  return describe(session, sections, srtp)
}

function emptySection(line: MediaLine): Section {
  return {
    line,
    address: null,
    rtcpPort: null,
    direction: null,
    rtpmaps: new Map(),
    ptimeMs: null,
    maxptimeMs: null,
    crypto: [],
  }
}

function parseMedia(value: string): MediaLine | null {
  const found = /^(\S{1,32}) (\d{1,5})(?:\/\d+)? (\S{1,64}) *(.{0,512})$/.exec(value)
  if (!found || Number(found[2]) > 65_535) return null
  return {
    kind: found[1]!,
    port: Number(found[2]),
    protocol: found[3]!,
    formats: found[4]!.trim(),
  }
}

/** The first of duplicate lines counts. */
function readLine(line: string, section: Section): void {
  if (line.startsWith('c=')) {
    section.address ??= readAddress(line)
  } else if (/^a=(?:sendrecv|sendonly|recvonly|inactive)\s*$/.test(line)) {
    section.direction ??= line.slice(2).trim() as Direction
  } else if (line.startsWith('a=rtpmap:')) {
    const found = /^a=rtpmap: *(\d{1,3}) +(\S{1,64})/.exec(line)
    const payloadType = Number(found?.[1] ?? 128)
    if (found && payloadType < 128 && !section.rtpmaps.has(payloadType)) {
      section.rtpmaps.set(payloadType, found[2]!)
    }
  } else if (line.startsWith('a=ptime:')) {
    section.ptimeMs ??= readPacketTime(line.slice(8))
  } else if (line.startsWith('a=maxptime:')) {
    section.maxptimeMs ??= readPacketTime(line.slice(11))
  } else if (line.startsWith('a=rtcp:')) {
    const port = Number(/^a=rtcp: *(\d{1,5})(?: |$)/.exec(line)?.[1] ?? 0)
    if (port > 0 && port < 65_536) section.rtcpPort ??= port
  } else if (line.startsWith('a=crypto:') && section.crypto.length < MAX_CRYPTO_LINES) {
    const crypto = parseCrypto(line)
    if (crypto) section.crypto.push(crypto)
  }
}

/** The literal address of a connection line, written as sockets write it; names are not looked up. */
function readAddress(line: string): string | null {
  const address = /^c=IN +IP[46] +([0-9A-Fa-f.:]{2,45})(?:\/|\s|$)/.exec(line)?.[1] ?? ''
  if (isIP(address) !== 6) return isIP(address) === 4 ? address : null
  return new SocketAddress({ address, family: 'ipv6' }).address
}

function readPacketTime(text: string): number | null {
  const ms = Number(text)
  return ms >= 10 && ms <= 200 ? ms : null
}

function describe(
  session: Section,
  sections: readonly Section[],
  srtp: SrtpMode,
): Result<Description, SdpFailure> {
  const usable = sections.filter(({ line }) => isAudio(line))
  if (usable.length === 0) return fail('no_audio')
  const audio = chooseAudio(usable, srtp)
  if (!audio) return fail(srtp === 'required' ? 'no_srtp' : 'no_audio')
  const address = audio.address ?? session.address
  if (address === null) return fail('no_address')
  const { codecs, events } = readFormats(audio)
  if (codecs.length === 0) return fail('no_common_codec')
  const direction = audio.direction ?? session.direction ?? 'sendrecv'
  const oldHold = address === '0.0.0.0' || address === '::'
  return ok({
    address,
    port: audio.line.port,
    rtcpPort: audio.rtcpPort,
    direction: oldHold ? (direction === 'inactive' ? 'inactive' : 'sendonly') : direction,
    codecs,
    events,
    ptimeMs: audio.ptimeMs ?? session.ptimeMs,
    maxptimeMs: audio.maxptimeMs ?? session.maxptimeMs,
    crypto: srtp === 'off' ? [] : audio.crypto,
    lines: sections.map(({ line }) => line),
    audioIndex: sections.indexOf(audio),
  })
}

function isAudio(line: MediaLine): boolean {
  return line.kind === 'audio' && line.port > 0 && /^RTP\/S?AVPF?$/i.test(line.protocol)
}

/** A line of the secured profile with a key we can use, one of the plain profile with such a key, then a plain one. */
function chooseAudio(usable: readonly Section[], srtp: SrtpMode): Section | undefined {
  const plain = usable.find(({ line }) => !isSecured(line))
  if (srtp === 'off') return plain
  const keyed = usable.filter(({ crypto }) => crypto.length > 0)
  const best = keyed.find(({ line }) => isSecured(line)) ?? keyed[0]
  return best ?? (srtp === 'optional' ? plain : undefined)
}

function isSecured(line: MediaLine): boolean {
  return /^RTP\/SAVP/i.test(line.protocol)
}

/** RFC 3551: types that need no rtpmap. */
const STATIC_TYPES: Readonly<Record<number, string>> = {
  0: 'PCMU/8000',
  8: 'PCMA/8000',
  9: 'G722/8000',
}
const CODEC_NAMES = new Map(
  (Object.keys(CODECS) as Codec[]).map((codec) => [CODECS[codec].rtpmap.toUpperCase(), codec]),
)
const EVENTS = /^TELEPHONE-EVENT\/(8000|48000)(?:\/1)?$/

function readFormats(audio: Section): Pick<Description, 'codecs' | 'events'> {
  const codecs: Format[] = []
  const events: EventFormat[] = []
  for (const format of audio.line.formats.split(/\s+/).slice(0, MAX_FORMATS)) {
    if (!/^\d{1,3}$/.test(format) || Number(format) > 127) continue
    const payloadType = Number(format)
    const name = (audio.rtpmaps.get(payloadType) ?? STATIC_TYPES[payloadType] ?? '').toUpperCase()
    // One channel goes without saying.
    const codec = CODEC_NAMES.get(name.replace(/\/1$/, ''))
    const clockRate = EVENTS.exec(name)?.[1]
    if (codec) codecs.push({ codec, payloadType })
    else if (clockRate) events.push({ payloadType, clockRate: Number(clockRate) })
  }
  return { codecs, events }
}
