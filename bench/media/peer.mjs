// The far side of a media bench: one process that sends 50 packets a second to each port, on absolute deadlines, and
// takes what comes back without looking at it (a capture does that, with the kernel's timestamps).
import { createSocket } from 'node:dgram'
import { CODECS } from '../../packages/network/dist/codec/codec.js'
import { PLAIN, protectionFor } from '../../packages/network/dist/rtp/protection.js'
import { vowel } from './sound.mjs'

const FRAME_MS = 20
const SLOTS = 20
const HEADER_BYTES = 12
/** One second of voice, one of silence, over and over. */
const FRAMES = 100

const socket = createSocket('udp4')
let received = 0
let sent = 0
let running = false
socket.on('message', () => received++)
socket.on('error', () => {})

process.on('message', (message) => {
  if (message.type === 'bind') {
    socket.bind(0, '127.0.0.1', () => {
      socket.setRecvBufferSize(8 << 20)
      process.send({ type: 'bound', port: socket.address().port })
    })
  } else if (message.type === 'start') {
    running = true
    send(message)
  } else if (message.type === 'count') {
    process.send({ type: 'counted', received, sent })
  } else if (message.type === 'stop') {
    running = false
    socket.close()
    process.disconnect()
  }
})

function send({ ports, agreement }) {
  const { codec, payloadType, srtp } = agreement
  const payloads = vowel(FRAMES, codec)
  const ticks = 160 * CODECS[codec].ticksPerSample
  const streams = ports.map((port, i) => ({
    port,
    ssrc: i + 1,
    frame: (i * 37) % FRAMES,
    protection: protectionFor(srtp, PLAIN),
  }))
  const slots = Array.from({ length: SLOTS }, (_, slot) =>
    streams.filter((_, i) => i % SLOTS === slot),
  )
  const sendOne = (stream) => {
    const { port, ssrc, protection } = stream
    const frame = stream.frame++
    const payload = payloads[frame % FRAMES]
    const packet = Buffer.allocUnsafe(HEADER_BYTES + payload.length)
    packet[0] = 0x80
    packet[1] = payloadType
    packet.writeUInt16BE(frame & 0xffff, 2)
    packet.writeUInt32BE((frame * ticks) >>> 0, 4)
    packet.writeUInt32BE(ssrc, 8)
    packet.set(payload, HEADER_BYTES)
    socket.send(protection.sealPacket(packet), port, '127.0.0.1')
    sent++
  }
  const startMs = performance.now()
  let next = 0
  const tick = () => {
    while (running && startMs + (next * FRAME_MS) / SLOTS <= performance.now()) {
      for (const stream of slots[next % SLOTS]) sendOne(stream)
      next++
    }
    const dueMs = startMs + (next * FRAME_MS) / SLOTS - performance.now()
    if (running) setTimeout(tick, Math.max(0, Math.ceil(dueMs)))
  }
  tick()
}
