// RTCP (RFC 3550 section 6): sender and receiver reports, source description, goodbye; read and written.
import { readU32, writeU32 } from './packet.ts'

const SENDER_REPORT = 200
const RECEIVER_REPORT = 201
const SOURCE_DESCRIPTION = 202
const GOODBYE = 203
const CNAME = 1
const MAX_RTCP_BYTES = 1500
const BLOCK_BYTES = 24
/** Seconds from 1900 (NTP) to 1970 (epoch). */
const NTP_OFFSET_SEC = 2_208_988_800

/** What a receiver says about one source (section 6.4.1). */
export interface ReportBlock {
  ssrc: number
  /** Of the packets expected since the last report, in 1/256. */
  fractionLost: number
  /** Since the beginning; signed 24 bit (duplicates count against losses). */
  packetsLost: number
  /** Highest sequence number, extended by the number of wraps; 32 bit. */
  highestSequence: number
  /** In samples. */
  jitter: number
  /** Middle 32 bits of the last sender report's NTP time, or 0. */
  lastSenderReport: number
  /** Since that report, in 1/65536 s. */
  delaySinceLastReport: number
}

export interface SenderInfo {
  ntpSeconds: number
  ntpFraction: number
  rtpTimestamp: number
  packets: number
  octets: number
}

export type RtcpPacket =
  /** A sender report with `sender`, a receiver report without. */
  | { type: 'report'; ssrc: number; sender: SenderInfo | null; blocks: readonly ReportBlock[] }
  | { type: 'description'; ssrc: number; cname: string }
  | { type: 'goodbye'; ssrcs: readonly number[] }
  /** A kind that nothing here needs. */
  | { type: 'other'; packetType: number }

/** NTP time of an epoch time in milliseconds. */
export function ntpTime(epochMs: number): { ntpSeconds: number; ntpFraction: number } {
  const wholeSec = Math.floor(epochMs / 1000)
  return {
    ntpSeconds: (wholeSec + NTP_OFFSET_SEC) % 2 ** 32,
    ntpFraction: Math.floor(((epochMs - wholeSec * 1000) / 1000) * 2 ** 32),
  }
}

/** The middle 32 bits of an NTP time, as reports quote it. */
export function middleOfNtp(time: { ntpSeconds: number; ntpFraction: number }): number {
  return (((time.ntpSeconds & 0xffff) << 16) | (time.ntpFraction >>> 16)) >>> 0
}

/** The packets of a compound datagram, or null when any part of it is malformed. Never throws. */
export function parseRtcp(data: Uint8Array): RtcpPacket[] | null {
  if (data.length < 8 || data.length > MAX_RTCP_BYTES || data.length % 4 !== 0) return null
  const packets: RtcpPacket[] = []
  for (let at = 0; at < data.length;) {
    if (at + 4 > data.length || data[at]! >> 6 !== 2) return null
    const end = at + 4 + 4 * ((data[at + 2]! << 8) | data[at + 3]!)
    if (end > data.length) return null
    const packet = parseOne(data.subarray(at, end))
    if (packet === null) return null
    packets.push(packet)
    at = end
  }
  return packets
}

function parseOne(data: Uint8Array): RtcpPacket | null {
  const count = data[0]! & 0x1f
  const packetType = data[1]!
  if (packetType === SENDER_REPORT || packetType === RECEIVER_REPORT) {
    return parseReport(data, count, packetType === SENDER_REPORT)
  }
  if (packetType === SOURCE_DESCRIPTION) return parseDescription(data, count)
  if (packetType !== GOODBYE) return { type: 'other', packetType }
  if (4 + 4 * count > data.length) return null
  return {
    type: 'goodbye',
    ssrcs: Array.from({ length: count }, (_, i) => readU32(data, 4 + 4 * i)),
  }
}

function parseReport(data: Uint8Array, count: number, fromSender: boolean): RtcpPacket | null {
  const start = fromSender ? 28 : 8
  if (start + BLOCK_BYTES * count > data.length) return null
  return {
    type: 'report',
    ssrc: readU32(data, 4),
    sender: fromSender
      ? {
          ntpSeconds: readU32(data, 8),
          ntpFraction: readU32(data, 12),
          rtpTimestamp: readU32(data, 16),
          packets: readU32(data, 20),
          octets: readU32(data, 24),
        }
      : null,
    blocks: Array.from({ length: count }, (_, i) => parseBlock(data, start + BLOCK_BYTES * i)),
  }
}

function parseBlock(data: Uint8Array, at: number): ReportBlock {
  const losses = readU32(data, at + 4)
  return {
    ssrc: readU32(data, at),
    fractionLost: losses >>> 24,
    packetsLost: (losses << 8) >> 8,
    highestSequence: readU32(data, at + 8),
    jitter: readU32(data, at + 12),
    lastSenderReport: readU32(data, at + 16),
    delaySinceLastReport: readU32(data, at + 20),
  }
}

/** Only the first chunk's CNAME matters: a telephone leg has one source. */
function parseDescription(data: Uint8Array, count: number): RtcpPacket | null {
  if (count === 0) return { type: 'other', packetType: SOURCE_DESCRIPTION }
  if (data.length < 8) return null
  let cname = ''
  for (let at = 8; at < data.length && data[at] !== 0;) {
    if (at + 2 > data.length) return null
    const end = at + 2 + data[at + 1]!
    if (end > data.length) return null
    if (data[at] === CNAME) cname = Buffer.from(data.subarray(at + 2, end)).toString('latin1')
    at = end
  }
  return { type: 'description', ssrc: readU32(data, 4), cname }
}

/** One compound datagram of `packets`; CNAMEs are cut at 255 bytes, blocks at 31. `other` is left out. */
export function writeRtcp(packets: readonly RtcpPacket[]): Uint8Array {
  return Buffer.concat(packets.map(writeOne))
}

function writeOne(packet: RtcpPacket): Uint8Array {
  switch (packet.type) {
    case 'report':
      return writeReport(packet.ssrc, packet.sender, packet.blocks.slice(0, 31))
    case 'description': {
      const name = Buffer.from(packet.cname, 'latin1').subarray(0, 255)
      // At least one zero byte ends the chunk, and zeros fill it to a multiple of four.
      const bytes = frame(SOURCE_DESCRIPTION, 1, 4 + 4 * Math.ceil((2 + name.length + 1) / 4))
      writeU32(bytes, 4, packet.ssrc)
      bytes[8] = CNAME
      bytes[9] = name.length
      bytes.set(name, 10)
      return bytes
    }
    case 'goodbye': {
      const ssrcs = packet.ssrcs.slice(0, 31)
      const bytes = frame(GOODBYE, ssrcs.length, 4 * ssrcs.length)
      ssrcs.forEach((ssrc, i) => writeU32(bytes, 4 + 4 * i, ssrc))
      return bytes
    }
    case 'other':
      return new Uint8Array()
  }
}

function writeReport(
  ssrc: number,
  sender: SenderInfo | null,
  blocks: readonly ReportBlock[],
): Uint8Array {
  const start = sender ? 28 : 8
  const type = sender ? SENDER_REPORT : RECEIVER_REPORT
  const bytes = frame(type, blocks.length, start - 4 + BLOCK_BYTES * blocks.length)
  writeU32(bytes, 4, ssrc)
  if (sender) {
    writeU32(bytes, 8, sender.ntpSeconds)
    writeU32(bytes, 12, sender.ntpFraction)
    writeU32(bytes, 16, sender.rtpTimestamp)
    writeU32(bytes, 20, sender.packets)
    writeU32(bytes, 24, sender.octets)
  }
  blocks.forEach((block, i) => {
    const at = start + BLOCK_BYTES * i
    writeU32(bytes, at, block.ssrc)
    writeU32(bytes, at + 4, (block.fractionLost << 24) | (block.packetsLost & 0xffffff))
    writeU32(bytes, at + 8, block.highestSequence)
    writeU32(bytes, at + 12, block.jitter)
    writeU32(bytes, at + 16, block.lastSenderReport)
    writeU32(bytes, at + 20, block.delaySinceLastReport)
  })
  return bytes
}

/** A zeroed packet with its header filled in; `bodyBytes` is a multiple of four. */
function frame(packetType: number, count: number, bodyBytes: number): Uint8Array {
  const bytes = new Uint8Array(4 + bodyBytes)
  bytes[0] = 0x80 | count
  bytes[1] = packetType
  bytes[2] = (bodyBytes / 4) >> 8
  bytes[3] = (bodyBytes / 4) & 0xff
  return bytes
}
