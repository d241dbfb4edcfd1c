// Reading a session description: audio only, bounded, tolerant of what real equipment sends (RFC 8866, RFC 3264).
import { fail, ok } from '@saperly/kernel'
import type { Result } from '@saperly/kernel'

export type Codec = 'PCMU' | 'PCMA'
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** Why a body is no description that we can use. */
export type SdpFailure = 'too_large' | 'not_sdp' | 'no_audio' | 'no_address' | 'no_common_codec'

/** One m-line, as much of it as is needed to use or to refuse it. */
export interface MediaLine {
  kind: string
  port: number
  protocol: string
  /** The formats as written. */
  formats: string
}

/** What the peer says about its audio. */
export interface Description {
  address: string
  port: number
  /** As the peer means it: `sendonly` when it only sends. Old-style hold (0.0.0.0) is `sendonly`. */
  direction: Direction
  /** In the peer's order of preference. */
  codecs: readonly { codec: Codec; payloadType: number }[]
  dtmfPayloadType: number | null
  ptimeMs: number | null
  /** Every m-line in order, and which of them is the audio above. */
  lines: readonly MediaLine[]
  audioIndex: number
}

export const MAX_SDP_LENGTH = 16_384
const MAX_LINES = 512
const MAX_MEDIA = 16
const MAX_FORMATS = 64

interface Section {
  line: MediaLine
  address: string | null
  direction: Direction | null
  rtpmaps: Map<number, string>
  ptimeMs: number | null
}

/** Reads a description. Never throws. */
export function parseSdp(text: string): Result<Description, SdpFailure> {
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
  return describe(session, sections)
}

function emptySection(line: MediaLine): Section {
  return { line, address: null, direction: null, rtpmaps: new Map(), ptimeMs: null }
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
    section.address ??= /^c=IN +IP[46] +([0-9A-Fa-f.:]{2,45})(?:\/|\s|$)/.exec(line)?.[1] ?? null
  } else if (/^a=(?:sendrecv|sendonly|recvonly|inactive)\s*$/.test(line)) {
    section.direction ??= line.slice(2).trim() as Direction
  } else if (line.startsWith('a=rtpmap:')) {
    const found = /^a=rtpmap: *(\d{1,3}) +(\S{1,64})/.exec(line)
    const payloadType = Number(found?.[1] ?? 128)
    if (found && payloadType < 128 && !section.rtpmaps.has(payloadType)) {
      section.rtpmaps.set(payloadType, found[2]!)
    }
  } else if (line.startsWith('a=ptime:')) {
    const ptimeMs = Number(line.slice(8))
    if (ptimeMs >= 10 && ptimeMs <= 200) section.ptimeMs ??= ptimeMs
  }
}

function describe(session: Section, sections: readonly Section[]): Result<Description, SdpFailure> {
  const audioIndex = sections.findIndex(({ line }) => isAudio(line))
  const audio = sections[audioIndex]
  if (!audio) return fail('no_audio')
  const address = audio.address ?? session.address
  if (address === null) return fail('no_address')
  const { codecs, dtmfPayloadType } = readFormats(audio)
  if (codecs.length === 0) return fail('no_common_codec')
  const direction = audio.direction ?? session.direction ?? 'sendrecv'
  const oldHold = address === '0.0.0.0' || address === '::'
  return ok({
    address,
    port: audio.line.port,
    direction: oldHold ? (direction === 'inactive' ? 'inactive' : 'sendonly') : direction,
    codecs,
    dtmfPayloadType,
    ptimeMs: audio.ptimeMs ?? session.ptimeMs,
    lines: sections.map(({ line }) => line),
    audioIndex,
  })
}

function isAudio(line: MediaLine): boolean {
  return line.kind === 'audio' && line.port > 0 && /^RTP\/AVPF?$/i.test(line.protocol)
}

/** RFC 3551: types that need no rtpmap. */
const STATIC_TYPES: Readonly<Record<number, string>> = { 0: 'PCMU/8000', 8: 'PCMA/8000' }

function readFormats(audio: Section): Pick<Description, 'codecs' | 'dtmfPayloadType'> {
  const codecs: { codec: Codec; payloadType: number }[] = []
  let dtmfPayloadType: number | null = null
  for (const format of audio.line.formats.split(/\s+/).slice(0, MAX_FORMATS)) {
    if (!/^\d{1,3}$/.test(format)) continue
    const payloadType = Number(format)
    const name = (audio.rtpmaps.get(payloadType) ?? STATIC_TYPES[payloadType] ?? '').toUpperCase()
    const known = /^(PCMU|PCMA)\/8000(?:\/1)?$/.exec(name)
    if (known && payloadType < 128) codecs.push({ codec: known[1] as Codec, payloadType })
    else if (name === 'TELEPHONE-EVENT/8000') dtmfPayloadType ??= payloadType
  }
  return { codecs, dtmfPayloadType }
}
