// When packets really arrived: a capture of the loopback with the kernel's timestamps, read back and put on each stream's grid.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const COMMAND = 'dumpcap'
const FRAME_MS = 20
const FILE_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
const ETHERNET_BYTES = 14
const UDP_BYTES = 8

export function canCapture() {
  return process.getuid?.() === 0 && spawnSync(COMMAND, ['--version']).status === 0
}

/** Captures what is sent to and from `port` until `stop`, which gives every RTP packet of it. */
export async function capture(port) {
  const folder = await mkdtemp(join(tmpdir(), 'saperly-capture-'))
  const file = join(folder, 'media.pcap')
  const filter = `udp and (dst port ${port} or src port ${port})`
  const child = spawn(
    COMMAND,
    ['-q', '-i', 'lo', '-P', '-s', '80', '-B', '64', '-f', filter, '-w', file],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  await new Promise((resolve) => child.stderr.once('data', resolve))
  return {
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGINT')
      await gone
      const packets = read(await readFile(file), port)
      await rm(folder, { recursive: true, force: true })
      return packets
    },
  }
}

function read(data, port) {
  const packets = []
  for (let at = FILE_HEADER_BYTES; at + RECORD_HEADER_BYTES <= data.length;) {
    const atMs = data.readUInt32LE(at) * 1000 + data.readUInt32LE(at + 4) / 1000
    const size = data.readUInt32LE(at + 8)
    const ip = at + RECORD_HEADER_BYTES + ETHERNET_BYTES
    const udp = ip + 4 * (data[ip] & 0x0f)
    const rtp = udp + UDP_BYTES
    at += RECORD_HEADER_BYTES + size
    if (rtp + 12 > at) continue
    const arrives = data.readUInt16BE(udp + 2) === port
    packets.push({
      atMs,
      arrives,
      /** The stream's other end: which leg sent it, or which it is sent to. */
      leg: data.readUInt16BE(arrives ? udp : udp + 2),
      sequence: data.readUInt16BE(rtp + 2),
      ssrc: data.readUInt32BE(rtp + 8),
    })
  }
  return packets
}

/** How late each packet of each stream arrived, against the earliest of its stream: the sender's own pacing. */
export function lateness(packets) {
  const streams = new Map()
  for (const packet of packets) {
    if (!packet.arrives) continue
    const key = `${packet.leg} ${packet.ssrc}`
    const stream = streams.get(key) ?? { last: null, number: 0, offsets: [] }
    streams.set(key, stream)
    if (stream.last !== null)
      stream.number += ((packet.sequence - stream.last + 0x8000) & 0xffff) - 0x8000
    stream.last = packet.sequence
    stream.offsets.push(packet.atMs - stream.number * FRAME_MS)
  }
  return [...streams.values()].flatMap(({ offsets }) => {
    const earliest = offsets.reduce((least, offset) => Math.min(least, offset), Infinity)
    return offsets.map((offset) => offset - earliest)
  })
}

/** How long each packet took from our sending it to its coming back. */
export function transit(packets) {
  const sent = new Map()
  const times = []
  for (const { atMs, arrives, ssrc, sequence } of packets) {
    const key = ssrc * 65_536 + sequence
    if (!arrives) sent.set(key, atMs)
    else if (sent.has(key)) times.push(atMs - sent.get(key))
  }
  return times
}
