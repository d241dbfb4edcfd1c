// The sending half of a leg: its packets frame by frame, timestamps by frame count, and the sender's reports.
import type { Clock, Random } from '@saperly/kernel'
import { CODECS, type Codec } from '../codec/codec.ts'
import { keypadTone } from '../codec/keypad.ts'
import { writeEvent, type ToneStep } from './dtmf.ts'
import { FRAME_SAMPLES, SAMPLE_RATE, silentFrame } from './frame.ts'
import { Packetizer, type OnCut } from './packetizer.ts'
import { writeRtp } from './packet.ts'
import { ntpTime, type SenderInfo } from './rtcp.ts'

/** How the peer wants its packets. */
export interface SendFormat {
  codec: Codec
  payloadType: number
  /** Null: the peer has no telephone events, so digits are sent as tones. */
  dtmfPayloadType: number | null
  /** The clock in which telephone events say how long they are, Hz. */
  dtmfClockRate: number
  /** Length of a packet: 10, 20, 30, 40 or 60 ms, as far as the codec has it. */
  ptimeMs: number
}

/** The first sequence number is of the lower half: a receiver that misses the first wrap would count SRTP's index wrong. */
const MAX_FIRST_SEQUENCE = 0x7fff
/** Digital silence; not to be written to. */
const SILENCE = silentFrame()

export interface SenderDeps {
  clock: Clock
  random: Random
  opusComplexity?: number | undefined
}

export class RtpSender {
  readonly ssrc: number
  readonly #clock: Clock
  readonly #packetizer: Packetizer
  #sequence: number
  /** Of the present frame, in ticks of the codec's clock. */
  #timestamp: number
  #ticksPerSample = 1
  #eventTimestamp = 0
  /** The next packet begins a talk spurt: the first one, and the first after a hold. */
  #marker = true
  #packets = 0
  #octets = 0
  /** Payload type of the sound that is being cut. */
  #audioType = 0
  readonly #send: (packet: Uint8Array) => void
  readonly #onCut: OnCut = (payload, samplesBefore) =>
    this.#send(this.#packet(this.#audioType, this.#before(samplesBefore), payload))

  /** `send` is given each packet, in a buffer of its own. */
  constructor({ clock, random, opusComplexity }: SenderDeps, send: (packet: Uint8Array) => void) {
    this.#clock = clock
    this.#send = send
    this.#packetizer = new Packetizer(opusComplexity)
    this.ssrc = random.int(1, 0xffffffff)
    this.#sequence = random.int(0, MAX_FIRST_SEQUENCE)
    this.#timestamp = random.int(0, 0xffffffff)
  }

  get packets(): number {
    return this.#packets
  }

  /** Sends the next 20 ms: `pcm` (160 samples), or null for silence. Nothing while a longer packet fills. */
  audio(format: SendFormat, pcm: Int16Array | null): void {
    const { codec, ptimeMs } = format
    this.#ticksPerSample = CODECS[codec].ticksPerSample
    this.#audioType = format.payloadType
    this.#packetizer.add(codec, ptimeMs, pcm ?? SILENCE, this.#onCut)
    this.#advance(1)
  }

  /** Sends the next 20 ms of digits. */
  tone(format: SendFormat, step: ToneStep): void {
    if (step.kind === 'pause') return this.audio(format, null)
    if (format.dtmfPayloadType === null) {
      const offset = step.durationSamples - FRAME_SAMPLES
      const pcm = step.end ? null : keypadTone(step.event, offset, FRAME_SAMPLES)
      return this.audio(format, pcm)
    }
    if (step.first) this.#beginEvent()
    const durationSamples = (step.durationSamples * format.dtmfClockRate) / SAMPLE_RATE
    const payload = writeEvent({ ...step, durationSamples })
    this.#send(this.#packet(format.dtmfPayloadType, this.#eventTimestamp, payload))
    this.#advance(1)
  }

  /** Sound that waits for its packet goes out before the event. */
  #beginEvent(): void {
    this.#packetizer.flush(this.#onCut)
    this.#eventTimestamp = this.#timestamp
    this.#marker = true
  }

  /** Lets 20 ms pass: what comes next is late, and so is what still waits for its packet. */
  wait(): void {
    this.#advance(1)
  }

  /** Lets time pass without packets. What waits for its packet is dropped. */
  skip(frames: number): void {
    this.#packetizer.drop()
    this.#advance(frames)
  }

  /** Says that packets are not being sent for now, so that the next one is marked. */
  rest(): void {
    this.#marker = true
  }

  /** Gives the encoder back. */
  close(): void {
    this.#packetizer.close()
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

  #before(samples: number): number {
    return (this.#timestamp - samples * this.#ticksPerSample) >>> 0
  }

  #advance(frames: number): void {
    this.#timestamp = (this.#timestamp + frames * FRAME_SAMPLES * this.#ticksPerSample) >>> 0
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
