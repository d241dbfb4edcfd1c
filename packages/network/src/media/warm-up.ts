// Runs a leg's path many times without sockets, so that it is compiled before the first call needs it.
import type { Clock, Random } from '@saperly/kernel'
import { FRAME_MS, SAMPLE_RATE, silentFrame } from '../rtp/frame.ts'
import { Intake } from '../rtp/intake.ts'
import { JitterBuffer } from '../rtp/jitter.ts'
import { parseRtp } from '../rtp/packet.ts'
import { PLAIN, protectionFor, type Protection } from '../rtp/protection.ts'
import { Reception } from '../rtp/reception.ts'
import { RtpSender, type SendFormat } from '../rtp/sender.ts'
import { KEY_BYTES, type SrtpKeys } from '../rtp/srtp-keys.ts'

/** About 150 ms of work on a cold thread. */
const FRAMES = 5000
/** Opus is left out: most threads never load it. */
const CODECS = ['PCMU', 'PCMA', 'G722'] as const

/** Sends, receives and buffers frames in memory; a thread that starts cold would lose its first second under load. */
export function warmUp(clock: Clock, random: Random): void {
  const key = random.bytes(KEY_BYTES)
  const keys: SrtpKeys = {
    suite: 'AES_CM_128_HMAC_SHA1_80',
    sendKey: key,
    receiveKey: key,
    receiveMkiBytes: 0,
  }
  for (const protection of [PLAIN, protectionFor(keys, PLAIN)]) {
    for (const codec of CODECS) run(codec, protection, clock, random)
  }
}

function run(
  codec: SendFormat['codec'],
  protection: Protection,
  clock: Clock,
  random: Random,
): void {
  let nowMs = 0
  const sender = new RtpSender({ clock, random }, (sent) => {
    const opened = protection.openPacket(protection.sealPacket(sent))
    const packet = opened && parseRtp(opened)
    if (!packet) return
    reception.count(packet, nowMs)
    jitter.push(intake.inSamples(packet, codec), intake.sound(codec, packet.payload), nowMs)
  })
  const intake = new Intake()
  const jitter = new JitterBuffer()
  const reception = new Reception()
  const pcm = silentFrame()
  const format: SendFormat = {
    codec,
    payloadType: 0,
    dtmfPayloadType: null,
    dtmfClockRate: SAMPLE_RATE,
    ptimeMs: FRAME_MS,
  }
  for (let frame = 0; frame < FRAMES / (2 * CODECS.length); frame++) {
    nowMs = frame * FRAME_MS
    sender.audio(format, pcm)
    jitter.take(nowMs)
  }
}
