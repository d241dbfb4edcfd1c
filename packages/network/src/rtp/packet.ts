// RTP packets (RFC 3550 section 5.1): read from untrusted bytes without ever throwing, and written.

export const RTP_HEADER_BYTES = 12
/** Larger datagrams are no telephone audio; they are refused unread. */
export const MAX_RTP_BYTES = 1500

export interface RtpPacket {
  /** 0–127. */
  payloadType: number
  marker: boolean
  /** 16 bit, wraps. */
  sequence: number
  /** 32 bit, in samples, wraps. */
  timestamp: number
  /** 32 bit. */
  ssrc: number
  payload: Uint8Array
}

/** Whether a datagram on a shared port is RTCP rather than RTP (RFC 5761 section 4). */
export function isRtcp(data: Uint8Array): boolean {
  const type = data[1] ?? 0
  return type >= 192 && type <= 223
}

/**
 * The packet in `data`, or null when it isn't well-formed RTP version 2. Contributing sources, a header extension
 * and padding are stepped over. The payload is a view into `data`, not a copy.
 */
export function parseRtp(data: Uint8Array): RtpPacket | null {
  const size = data.length
  if (size > MAX_RTP_BYTES) return null
  const start = headerBytes(data)
  if (start === null) return null
  const flags = data[0]!
  const padding = flags & 0x20 ? data[size - 1]! : 0
  if ((flags & 0x20 && padding === 0) || start + padding > size) return null
  return {
    payloadType: data[1]! & 0x7f,
    marker: data[1]! >= 0x80,
    sequence: (data[2]! << 8) | data[3]!,
    timestamp: readU32(data, 4),
    ssrc: readU32(data, 8),
    payload: data.subarray(start, size - padding),
  }
}

/**
 * Length of the header in front of the payload, contributing sources and extension included; null when `data` isn't RTP
 * version 2, or ends before its header does.
 */
export function headerBytes(data: Uint8Array): number | null {
  const size = data.length
  if (size < RTP_HEADER_BYTES || isRtcp(data)) return null
  const flags = data[0]!
  if (flags >> 6 !== 2) return null
  let start = RTP_HEADER_BYTES + 4 * (flags & 0x0f)
  if (flags & 0x10) {
    if (start + 4 > size) return null
    start += 4 + 4 * ((data[start + 2]! << 8) | data[start + 3]!)
  }
  return start > size ? null : start
}

/** The bytes of `packet`: no contributing sources, no extension, no padding. A buffer of its own for each packet. */
export function writeRtp(packet: RtpPacket): Uint8Array {
  const bytes = Buffer.allocUnsafe(RTP_HEADER_BYTES + packet.payload.length)
  bytes[0] = 0x80
  bytes[1] = packet.payloadType | (packet.marker ? 0x80 : 0)
  bytes[2] = packet.sequence >> 8
  bytes[3] = packet.sequence & 0xff
  writeU32(bytes, 4, packet.timestamp)
  writeU32(bytes, 8, packet.ssrc)
  bytes.set(packet.payload, RTP_HEADER_BYTES)
  return bytes
}

/** Big-endian unsigned 32 bit at `at`; the caller has checked the bounds. */
export function readU32(data: Uint8Array, at: number): number {
  return ((data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!) >>> 0
}

/** Writes `value` modulo 2^32, big-endian. */
export function writeU32(data: Uint8Array, at: number, value: number): void {
  data[at] = value >>> 24
  data[at + 1] = (value >>> 16) & 0xff
  data[at + 2] = (value >>> 8) & 0xff
  data[at + 3] = value & 0xff
}
