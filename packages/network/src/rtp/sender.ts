// The sending half of a leg: one RTP packet per 20 ms frame, timestamps by frame count, and the sender's reports.
import type { Clock, Random } from '@saperly/kernel'
import { encodeG711, silenceG711, type Law } from '../codec/g711.ts'
import { keypadTone } from '../codec/keypad.ts'
import { writeEvent, type ToneStep } from './dtmf.ts'
import { FRAME_SAMPLES } from './frame.ts'
import { writeRtp } from './packet.ts'
import { ntpTime, type SenderInfo } from './rtcp.ts'

/** How the peer wants its packets. */
export interface SendFormat {
  law: Law
  payloadType: number
  /** Null: the peer has no telephone events, so digits are sent as tones. */
  dtmfPayloadType: number | null
}

export class RtpSender {
  readonly ssrc: number
  readonly #clock: Clock
  #sequence: number
  #timestamp: number
  #eventTimestamp = 0
  /** The next packet begins a talk spurt: the first one, and the first after a hold. */
  #marker = true
  #packets = 0
  #octets = 0

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.ssrc = random.int(1, 0xffffffff)
    this.#sequence = random.int(0, 0xffff)
    this.#timestamp = random.int(0, 0xffffffff)
  }

  get packets(): number {
    return this.#packets
  }

  /** Packet of the next 20 ms: `pcm` (160 samples), or null for silence. */
  audio(format: SendFormat, pcm: Int16Array | null): Uint8Array {
    const payload = pcm ? encodeG711(format.law, pcm) : silenceG711(format.law)
    const timestamp = this.#timestamp
    this.skip(1)
    return this.#packet(format.payloadType, timestamp, payload)
  }

  /** Packet of the next 20 ms while digits are being sent. */
  tone(format: SendFormat, step: ToneStep): Uint8Array {
    if (step.kind === 'pause') return this.audio(format, null)
    if (format.dtmfPayloadType === null) {
      const offset = step.durationSamples - FRAME_SAMPLES
      const pcm = step.end ? null : keypadTone(step.event, offset, FRAME_SAMPLES)
      return this.audio(format, pcm)
    }
    if (step.first) {
      this.#eventTimestamp = this.#timestamp
      this.#marker = true
    }
    this.skip(1)
    return this.#packet(format.dtmfPayloadType, this.#eventTimestamp, writeEvent(step))
  }

  /** Lets time pass without packets. */
  skip(frames: number): void {
    this.#timestamp = (this.#timestamp + frames * FRAME_SAMPLES) >>> 0
  }

  /** Says that packets are not being sent for now, so that the next one is marked. */
  rest(): void {
    this.#marker = true
  }

  /** What a sender report says, now. */
  info(): SenderInfo {
    return {
      ...ntpTime(this.#clock.now()),
      rtpTimestamp: this.#timestamp,
      packets: this.#packets % 2 ** 32,
      octets: this.#octets % 2 ** 32,
    }
  }

  #packet(payloadType: number, timestamp: number, payload: Uint8Array): Uint8Array {
    const bytes = writeRtp({
      payloadType,
      marker: this.#marker,
      sequence: this.#sequence,
      timestamp,
      ssrc: this.ssrc,
      payload,
    })
    this.#marker = false
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#packets++
    this.#octets += payload.length
    return bytes
  }
}
