// The signalling of a call as a capture file that Wireshark and tshark read: each message as one UDP packet.
//
// What really went over TCP or TLS becomes a packet of its own as well, in clear and with its secrets masked.
import { isIP, isIPv6 } from 'node:net'
import type { TracedMessage } from '@saperly/network'

/** Little-endian, microseconds (the classic format of libpcap). */
const MAGIC = 0xa1b2c3d4
const VERSION = [2, 4] as const
/** LINKTYPE_RAW: packets begin with their IP header. */
const LINK_TYPE_RAW = 101
const SNAP_LENGTH = 262_144
const PROTOCOL_UDP = 17
const HOP_LIMIT = 64
const UDP_HEADER = 8
const IPV4_HEADER = 20
const IPV6_HEADER = 40
/** What an IPv4 packet with a UDP header has room for. */
const MAX_PAYLOAD = 65_535 - IPV4_HEADER - UDP_HEADER

/** The capture file of these messages. */
export function pcapOf(messages: readonly TracedMessage[]): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(MAGIC, 0)
  header.writeUInt16LE(VERSION[0], 4)
  header.writeUInt16LE(VERSION[1], 6)
  header.writeUInt32LE(SNAP_LENGTH, 16)
  header.writeUInt32LE(LINK_TYPE_RAW, 20)
  return Buffer.concat([header, ...messages.map(recordOf)])
}

function recordOf(message: TracedMessage): Buffer {
  const packet = packetOf(message)
  const header = Buffer.alloc(16)
  header.writeUInt32LE(Math.floor(message.at / 1000), 0)
  header.writeUInt32LE((message.at % 1000) * 1000, 4)
  header.writeUInt32LE(packet.length, 8)
  header.writeUInt32LE(packet.length, 12)
  return Buffer.concat([header, packet])
}

interface Socket {
  address: Buffer
  port: number
}

function packetOf({ direction, ours, theirs, text }: TracedMessage): Buffer {
  const [from, to] = direction === 'sent' ? [ours, theirs] : [theirs, ours]
  const six = isIPv6(hostOf(from)) || isIPv6(hostOf(to))
  const source = socketOf(from, six)
  const target = socketOf(to, six)
  const payload = Buffer.from(text, 'latin1').subarray(0, MAX_PAYLOAD)
  const udp = udpOf(source, target, payload)
  return Buffer.concat([six ? ipv6Of(source, target, udp) : ipv4Of(source, target, udp), udp])
}

/** RFC 768. Its checksum covers the addresses, too. */
function udpOf(source: Socket, target: Socket, payload: Buffer): Buffer {
  const udp = Buffer.concat([Buffer.alloc(UDP_HEADER), payload])
  udp.writeUInt16BE(source.port, 0)
  udp.writeUInt16BE(target.port, 2)
  udp.writeUInt16BE(udp.length, 4)
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(udp.length, 0)
  pseudo.writeUInt32BE(PROTOCOL_UDP, 4)
  // Zero would mean that there is none.
  udp.writeUInt16BE(
    checksum(Buffer.concat([source.address, target.address, pseudo, udp])) || 0xffff,
    6,
  )
  return udp
}

/** RFC 791. */
function ipv4Of(source: Socket, target: Socket, udp: Buffer): Buffer {
  const ip = Buffer.alloc(IPV4_HEADER)
  ip.writeUInt8(0x45, 0)
  ip.writeUInt16BE(IPV4_HEADER + udp.length, 2)
  ip.writeUInt8(HOP_LIMIT, 8)
  ip.writeUInt8(PROTOCOL_UDP, 9)
  source.address.copy(ip, 12)
  target.address.copy(ip, 16)
  ip.writeUInt16BE(checksum(ip), 10)
  return ip
}

/** RFC 8200. */
function ipv6Of(source: Socket, target: Socket, udp: Buffer): Buffer {
  const ip = Buffer.alloc(IPV6_HEADER)
  ip.writeUInt8(0x60, 0)
  ip.writeUInt16BE(udp.length, 4)
  ip.writeUInt8(PROTOCOL_UDP, 6)
  ip.writeUInt8(HOP_LIMIT, 7)
  source.address.copy(ip, 8)
  target.address.copy(ip, 24)
  return ip
}

/** The Internet checksum (RFC 1071). */
function checksum(data: Buffer): number {
  let sum = 0
  for (let i = 0; i < data.length; i += 2) sum += (data[i]! << 8) | (data[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function hostOf(socket: string): string {
  return socket.slice(0, socket.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}

/** `host:port` as bytes; among IPv6 addresses an IPv4 one is mapped (RFC 4291 section 2.5.5.2). */
function socketOf(socket: string, six: boolean): Socket {
  const port = Number(socket.slice(socket.lastIndexOf(':') + 1))
  const host = hostOf(socket)
  const four = isIP(host) === 4 ? Buffer.from(host.split('.').map(Number)) : null
  if (!six) return { address: four ?? Buffer.alloc(4), port }
  if (four)
    return { address: Buffer.concat([Buffer.alloc(10), Buffer.from([255, 255]), four]), port }
  return { address: ipv6Bytes(host), port }
}

function ipv6Bytes(host: string): Buffer {
  const plain = host.replace(/%.*$/, '')
  const [head = '', tail] = plain.split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const gap = Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0)
  const bytes = Buffer.alloc(16)
  for (const [i, group] of [...before, ...gap, ...after].slice(0, 8).entries()) {
    bytes.writeUInt16BE(group & 0xffff, 2 * i)
  }
  return bytes
}
