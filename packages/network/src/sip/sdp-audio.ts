// Our audio as a description has it: the m-line and its attributes (RFC 8866, RFC 3551, RFC 4733, RFC 4568).
import { CODECS } from '../codec/codec.ts'
import { writeCrypto } from './sdes.ts'
import type { CryptoLine } from './sdes.ts'
import type { Direction, EventFormat, Format, MediaLine } from './sdp.ts'

/** What goes into a description of ours. */
export interface LocalAudio {
  port: number
  /** `RTP/AVP`, `RTP/SAVP`, or what the peer has offered. */
  protocol: string
  direction: Direction
  formats: readonly Format[]
  events: readonly EventFormat[]
  ptimeMs: number
  crypto: readonly CryptoLine[]
}

/** The lines, without their ends. */
export function writeAudio(audio: LocalAudio): string[] {
  const { port, protocol, formats, events, crypto, ptimeMs, direction } = audio
  const types = [...formats, ...events].map(({ payloadType }) => payloadType)
  return [
    `m=audio ${port} ${protocol} ${types.join(' ')}`,
    ...crypto.map(writeCrypto),
    ...formats.flatMap(writeFormat),
    ...events.flatMap(writeEvents),
    `a=ptime:${ptimeMs}`,
    `a=${direction}`,
  ]
}

function writeFormat({ codec, payloadType }: Format): string[] {
  const { rtpmap, fmtp } = CODECS[codec]
  const line = `a=rtpmap:${payloadType} ${rtpmap}`
  return fmtp === null ? [line] : [line, `a=fmtp:${payloadType} ${fmtp}`]
}

function writeEvents({ payloadType, clockRate }: EventFormat): string[] {
  return [`a=rtpmap:${payloadType} telephone-event/${clockRate}`, `a=fmtp:${payloadType} 0-15`]
}

/** The answer to an m-line that isn't taken. */
export function refusedLine(line: MediaLine): string {
  return `m=${line.kind} 0 ${line.protocol} ${line.formats}`.trimEnd()
}
