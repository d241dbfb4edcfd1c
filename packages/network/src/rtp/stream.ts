// One leg's RTP and RTCP: what is sent each 20 ms, what is believed of what arrives, and what is known about it.
import { randomHex, type Clock, type Random } from '@saperly/kernel'
import { CODECS, type Codec } from '../codec/codec.ts'
import { ToneReceiver, ToneSender } from './dtmf.ts'
import { FRAME_MS, LATE_FRAME } from './frame.ts'
import { Hearing, type HeardTurn } from './hearing.ts'
import { Intake, type ReceiveFormat } from './intake.ts'
import { JitterBuffer } from './jitter.ts'
import { parseRtp, type RtpPacket } from './packet.ts'
import { PeerReports } from './peer-reports.ts'
import { bindPair, type PortPool, type SocketPair } from './ports.ts'
import { PLAIN, protectionFor, type Protection } from './protection.ts'
import type { StreamFigures } from './quality.ts'
import { Reception } from './reception.ts'
import { middleOfNtp, parseRtcp, writeRtcp, type ReportBlock, type RtcpPacket } from './rtcp.ts'
import { RtpSender, type SendFormat } from './sender.ts'
import { SourceLock, type Address } from './source.ts'
import type { SrtpKeys } from './srtp-keys.ts'
import type { Udp } from './udp.ts'

const RTCP_FRAMES = 5000 / FRAME_MS
/** A sign of life without sound (RFC 3389). */
const COMFORT_NOISE = 13

/** What both sides agreed on, for one stream. */
export interface StreamAgreement extends SendFormat, ReceiveFormat {
  remote: Address & { rtcpPort?: number | null }
  /** Payload types by which telephone events may come. */
  dtmfAccepts: readonly number[]
  /** Null: plain RTP. With keys, nothing that isn't secured by them is believed. */
  srtp: SrtpKeys | null
  sends: boolean
  receives: boolean
}

export interface StreamDeps {
  clock: Clock
  random: Random
  udp: Udp
  /** Null: any free pair of the system. */
  ports: PortPool | null
  onDigit: (digit: string) => void
  /** What Opus may spend, 0–10; a default when it is left out. */
  opusComplexity?: number | undefined
}

export class RtpStream {
  readonly #clock: Clock
  readonly #onDigit: (digit: string) => void
  readonly #sender: RtpSender
  readonly #cname: string
  readonly #jitter = new JitterBuffer()
  readonly #hearing = new Hearing(this.#jitter)
  readonly #reception = new Reception()
  readonly #intake = new Intake()
  readonly #tonesIn = new ToneReceiver()
  readonly #tonesOut = new ToneSender()
  #pair: SocketPair | null = null
  #agreement: StreamAgreement | null = null
  #source: SourceLock | null = null
  #protection: Protection = PLAIN
  #lastReceivedMs: number | null = null
  #senderReport: { middle: number; atMs: number } | null = null
  readonly #peerReports = new PeerReports()
  /** The first report comes after half the time (RFC 3550 section 6.2), so that short calls have one too. */
  #framesToReport = RTCP_FRAMES / 2

  private constructor(deps: StreamDeps) {
    this.#clock = deps.clock
    this.#onDigit = deps.onDigit
    this.#sender = new RtpSender(deps, (packet) => this.#send(packet))
    this.#cname = randomHex(deps.random, 8)
  }

  /** Binds a port pair of `address`. Rejects with a Fault when there is none. Discards everything until `agree`. */
  static async open(address: string, deps: StreamDeps): Promise<RtpStream> {
    const stream = new RtpStream(deps)
    stream.#pair = await bindPair(deps.udp, address, deps.ports, {
      rtp: (data, from, port, ageMs) => stream.#receive(data, from, port, ageMs),
      rtcp: (data, from) => stream.#receiveReport(data, from),
    })
    return stream
  }

  /** The even port for RTP. */
  get port(): number {
    return this.#pair!.port
  }

  /** Monotonic time of the last packet that was believed; null before the first. */
  get lastReceivedMs(): number | null {
    return this.#lastReceivedMs
  }

  /** Whether packets may be sent: agreed, and not held. */
  get sends(): boolean {
    return this.#agreement?.sends ?? false
  }

  get receives(): boolean {
    return this.#agreement?.receives ?? false
  }

  get sendingDigits(): boolean {
    return this.#tonesOut.busy
  }

  /** What there is to be known of the stream so far. */
  get figures(): StreamFigures {
    const { ms, packets } = this.#reception.jitterSum
    return {
      packetsSent: this.#sender.packets,
      packetsReceived: this.#reception.received,
      packetsLost: this.#reception.lost,
      packetsLate: this.#jitter.counts.late,
      framesConcealed: this.#jitter.counts.concealed,
      jitterSumMs: ms,
      jitterPackets: packets,
      bufferMs: this.#jitter.targetMs,
      peer: this.#peerReports.figures,
      roundTripMs: this.#peerReports.roundTripMs,
    }
  }

  /** Starts the stream or changes it. A new remote address is learned afresh; a mere hold keeps what was learned. */
  agree(agreement: StreamAgreement): void {
    const before = this.#agreement?.remote
    const { remote } = agreement
    if (before?.address !== remote.address || before.port !== remote.port) {
      this.#source = new SourceLock(remote)
    }
    this.#protection = protectionFor(agreement.srtp, this.#protection)
    this.#agreement = sameShape(agreement)
  }

  /** What was received, for this turn. `recorded`: somebody keeps a recording of it. */
  hear(recorded: boolean): HeardTurn {
    return this.#hearing.turn(this.#clock.monotonicMs(), recorded)
  }

  /** Queues digits; false when they can't be sent as they are (see {@link ToneSender.send}). */
  sendDigits(digits: string, done: () => void): boolean {
    return this.#tonesOut.send(digits, done)
  }

  /**
   * One 20 ms turn: sends a digit's frame if one is due, else what `next` gives (null is silence, {@link LATE_FRAME} is
   * nothing). While held nothing is sent and nothing is asked for. Returns the samples that went out, null for silence
   * or nothing.
   */
  turn(next: () => Int16Array | null): Int16Array | null {
    const agreement = this.#agreement
    if (agreement === null) return null
    if (--this.#framesToReport <= 0) this.#report([])
    if (!agreement.sends) {
      this.#sender.rest()
      this.#sender.skip(1)
      return null
    }
    const step = this.#tonesOut.next()
    const pcm = step === null ? next() : null
    if (pcm === LATE_FRAME) {
      this.#sender.wait()
      return null
    }
    if (step) this.#sender.tone(agreement, step)
    else this.#sender.audio(agreement, pcm)
    return pcm
  }

  /** Time went by without turns: the timestamp follows it. */
  skip(frames: number): void {
    this.#sender.skip(frames)
  }

  /** Says goodbye and gives the ports back. Idempotent. */
  async close(): Promise<void> {
    if (this.#agreement) this.#report([{ type: 'goodbye', ssrcs: [this.#sender.ssrc] }])
    this.#agreement = null
    this.#sender.close()
    this.#intake.close()
    await this.#pair?.close()
  }

  #send(packet: Uint8Array): void {
    const { address, port } = this.#source!.target
    // Sealed even when it can't be sent: the count of packets under one key must go on.
    const sealed = this.#protection.sealPacket(packet)
    if (port > 0) this.#pair!.rtp.send(sealed, port, address)
  }

  #receive(data: Uint8Array, address: string, port: number, ageMs: number): void {
    const agreement = this.#agreement
    const opened = agreement && this.#protection.openPacket(data)
    const packet = opened && parseRtp(opened)
    if (!packet) return
    const isTone = agreement.dtmfAccepts.includes(packet.payloadType)
    const codec = isTone ? null : this.#intake.codecOf(packet.payloadType, agreement)
    if (!isTone && codec === null && packet.payloadType !== COMFORT_NOISE) return
    const cameMs = this.#clock.monotonicMs() - ageMs
    if (!this.#source!.accept(packet, address, port, cameMs)) return
    this.#lastReceivedMs = cameMs
    if (codec) return this.#take(this.#intake.inSamples(packet, codec), codec, cameMs)
    this.#reception.count(packet, null)
    const digit = isTone ? this.#tonesIn.receive(packet) : null
    if (digit !== null) this.#onDigit(digit)
  }

  #take(packet: RtpPacket, codec: Codec, cameMs: number): void {
    this.#reception.count(packet, cameMs)
    // What a held peer sends anyway must not wait here for the end of the hold.
    if (!this.#agreement!.receives) return
    this.#jitter.push(packet, this.#intake.sound(codec, packet.payload), cameMs)
  }

  /** Reports count as a sign of life, and are answered with the time since. Only the peer's host is believed. */
  #receiveReport(data: Uint8Array, address: string): void {
    if (this.#agreement === null || this.#source!.target.address !== address) return
    const opened = this.#protection.openReport(data)
    const packets = opened && parseRtcp(opened)
    if (packets === null) return
    const nowMs = this.#clock.monotonicMs()
    this.#lastReceivedMs = nowMs
    for (const packet of packets) {
      if (packet.type !== 'report') continue
      if (packet.sender) this.#senderReport = { middle: middleOfNtp(packet.sender), atMs: nowMs }
      const ofUs = packet.blocks.find(({ ssrc }) => ssrc === this.#sender.ssrc)
      if (!ofUs) continue
      // In ticks of the clock of what we send; who judges the line counts in samples.
      const jitter = ofUs.jitter / CODECS[this.#agreement.codec].ticksPerSample
      this.#peerReports.receive({ ...ofUs, jitter }, this.#sender.packets, nowMs)
    }
  }

  /** A compound report: how we send, how we receive, who we are, and what is added. */
  #report(more: readonly RtcpPacket[]): void {
    this.#framesToReport = RTCP_FRAMES
    const { address, port } = this.#source!.target
    const { remote } = this.#agreement!
    // Where the peer says, unless it turned out to be elsewhere; then beside the port that was learned.
    const toPort = (port === remote.port && remote.rtcpPort) || port + 1
    if (port === 0 || toPort > 0xffff) return
    const { ssrc } = this.#sender
    const sender = this.#sender.packets > 0 ? this.#sender.info() : null
    if (sender) this.#peerReports.sent(middleOfNtp(sender), this.#clock.monotonicMs())
    const packets: RtcpPacket[] = [
      { type: 'report', ssrc, sender, blocks: this.#blocks() },
      { type: 'description', ssrc, cname: this.#cname },
      ...more,
    ]
    const report = this.#protection.sealReport(writeRtcp(packets))
    this.#pair!.rtcp.send(report, toPort, address)
  }

  #blocks(): ReportBlock[] {
    const block = this.#reception.report()
    if (block === null) return []
    const last = this.#senderReport
    const sinceMs = last ? this.#clock.monotonicMs() - last.atMs : 0
    return [
      {
        ...block,
        jitter: Math.floor(block.jitter * this.#intake.ticksPerSample),
        lastSenderReport: last?.middle ?? 0,
        delaySinceLastReport: Math.round((sinceMs / 1000) * 65_536),
      },
    ]
  }
}

/**
 * A copy that is laid out like that of every other leg, wherever the agreement came from. Each packet asks it something,
 * and asking objects of many layouts costs as much as reading the packet.
 */
function sameShape(agreement: StreamAgreement): StreamAgreement {
  const { address, port, rtcpPort = null } = agreement.remote
  return {
    remote: { address, port, rtcpPort },
    codec: agreement.codec,
    payloadType: agreement.payloadType,
    accepts: agreement.accepts.map(({ codec, payloadType }) => ({ codec, payloadType })),
    dtmfPayloadType: agreement.dtmfPayloadType,
    dtmfClockRate: agreement.dtmfClockRate,
    dtmfAccepts: [...agreement.dtmfAccepts],
    ptimeMs: agreement.ptimeMs,
    srtp: agreement.srtp,
    sends: agreement.sends,
    receives: agreement.receives,
  }
}
