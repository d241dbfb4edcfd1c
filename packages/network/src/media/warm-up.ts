// Runs a leg's path many times without sockets, so that it is compiled before the first call needs it.
import type { Clock, Random } from '@saperly/kernel'
import { decodeG711 } from '../codec/g711.ts'
import { FRAME_MS, silentFrame } from '../rtp/frame.ts'
import { JitterBuffer } from '../rtp/jitter.ts'
import { parseRtp } from '../rtp/packet.ts'
import { Reception } from '../rtp/reception.ts'
import { RtpSender, type SendFormat } from '../rtp/sender.ts'

/** About 100 ms of work on a cold thread. */
const FRAMES = 5000

/** Sends, receives and buffers frames in memory; a thread that starts cold would lose its first second under load. */
export function warmUp(clock: Clock, random: Random): void {
  const sender = new RtpSender(clock, random)
  const jitter = new JitterBuffer()
  const reception = new Reception()
  const pcm = silentFrame()
  for (let frame = 0; frame < FRAMES; frame++) {
    const law = frame % 2 === 0 ? 'PCMU' : 'PCMA'
    const format: SendFormat = { law, payloadType: 0, dtmfPayloadType: null }
    const packet = parseRtp(sender.audio(format, pcm))
    if (packet === null) continue
    const nowMs = frame * FRAME_MS
    reception.count(packet, nowMs)
    jitter.push(packet, decodeG711(law, packet.payload), nowMs)
    jitter.take(nowMs)
  }
}
