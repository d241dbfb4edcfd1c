// The far side of a media bench: one process that sends 50 packets a second to each port, on absolute deadlines, and
// takes what comes back without looking at it (a capture does that, with the kernel's timestamps).
//
// It reads between its own turns and is not woken by what it is sent: wake-ups are charged to whoever sends, and say nothing
// of the subject.
import { SystemClock } from '../../packages/kernel/dist/index.js'
import { CODECS } from '../../packages/network/dist/codec/codec.js'
import { PLAIN, protectionFor } from '../../packages/network/dist/rtp/protection.js'
import { loadLibc, SOL_SOCKET } from '../../packages/network/dist/rtp/libc.js'
import { openSweptUdp } from '../../packages/network/dist/rtp/swept-udp.js'
import { vowel } from './sound.mjs'

const FRAME_MS = 20
const SLOTS = 20
const HEADER_BYTES = 12
const SO_RCVBUF = 8
const SO_RCVBUFFORCE = 33
/** One second of voice, one of silence, over and over. */
const FRAMES = 100

const udp = openSweptUdp(new SystemClock())
if (udp === null) throw new Error('the media bench needs Linux, and the optional package koffi')
const socket = await udp.bind('127.0.0.1', 0, () => received++)
// It hears all of them at one port: room for half a second, where that is allowed.
for (const name of [SO_RCVBUF, SO_RCVBUFFORCE]) {
  loadLibc().setsockopt(
    socket.fd,
    SOL_SOCKET,
    name,
    new Uint8Array(new Int32Array([8 << 20]).buffer),
    4,
  )
}
let received = 0
let sent = 0
let running = false

process.on('message', (message) => {
  if (message.type === 'bind') {
    process.send({ type: 'bound', port: socket.port })
  } else if (message.type === 'start') {
    running = true
    send(message)
  } else if (message.type === 'count') {
    process.send({ type: 'counted', received, sent })
  } else if (message.type === 'stop') {
    running = false
    void socket.close()
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
  const sweepAll = () => {
    for (let before = -1; before < received;) {
      before = received
      udp.sweep()
    }
  }
  const startMs = performance.now()
  let next = 0
  const tick = () => {
    while (running && startMs + (next * FRAME_MS) / SLOTS <= performance.now()) {
      for (const stream of slots[next % SLOTS]) sendOne(stream)
      next++
      sweepAll()
    }
    const dueMs = startMs + (next * FRAME_MS) / SLOTS - performance.now()
    if (running) setTimeout(tick, Math.max(0, Math.ceil(dueMs)))
  }
  tick()
}
