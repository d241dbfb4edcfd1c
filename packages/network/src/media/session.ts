// One leg's media: RTP in and out, digits, the talking part and the recorder, all moved on by one 20 ms turn.
import { type Clock, evenClock, type Log, type Random } from '@saperly/kernel'
import { Recorder } from '../record/recorder.ts'
import { silentFrame } from '../rtp/frame.ts'
import { InbandDigits } from '../rtp/inband-digits.ts'
import type { Beat, Pacer } from '../rtp/pacer.ts'
import type { PortPool } from '../rtp/ports.ts'
import type { StreamFigures } from '../rtp/quality.ts'
import { RtpStream } from '../rtp/stream.ts'
import type { Udp } from '../rtp/udp.ts'
import type { SpeechService } from '../speech/port.ts'
import type { Talk, TalkCommand, TalkOptions } from '../talk/port.ts'
import { DigitMerge } from './digit-merge.ts'
import type { DigitWay } from './digit-merge.ts'
import { muteTalk, type Bridgeable } from './bridge.ts'
import type { MediaAgreement, MediaEvent, MediaPlaneOptions } from './port.ts'
import { QualityWatch } from './quality-watch.ts'
import { promptSpeech } from './prompt.ts'
import type { TalkFactory } from './talk-factory.ts'

/** Frames of a stall whose sound is still heard afterwards; older sound is lost. */
const MAX_HEARD_AFTER_STALL = 50

export interface SessionDeps {
  clock: Clock
  random: Random
  log: Log
  udp: Udp
  ports: PortPool | null
  pacer: Pacer
  speech: SpeechService
  createTalk: TalkFactory
  timeouts: Pick<MediaPlaneOptions, 'firstPacketTimeoutMs' | 'packetTimeoutMs'>
  opusComplexity?: number | undefined
  onEvent: (event: MediaEvent) => void
  /** Something in this leg's turn threw; the leg is not to be used any more. */
  onError: (error: unknown) => void
}

export interface SessionOptions {
  legId: string
  address: string
  /** Null: the leg waits for a bridge. */
  talk: TalkOptions | null
  recordTo: string | null
}

export class MediaSession implements Bridgeable {
  readonly #deps: SessionDeps
  readonly #options: SessionOptions
  readonly #stream: RtpStream
  #talk: Talk
  #recorder: Recorder | null = null
  #beat: Beat | null = null
  /** Monotonic time from which the media timeout counts while nothing has been received; null while held. */
  #expectingSinceMs: number | null = null
  #lostReported = false
  #lastHeardAt = 0
  readonly #quality = new QualityWatch()
  /** Listens for keys in the sound; null where the peer has a better way of telling them. */
  #keysInSound: InbandDigits | null = null
  readonly #digits = new DigitMerge()
  #digitsBy: MediaAgreement['digitsBy'] = 'media'
  /** Who waits for keys that the signalling sends, the first one first. */
  readonly #signalled: (() => void)[] = []
  /** Connected before the answer: what comes in is taken off the wire and not listened to. */
  #early = false
  #closed = false
  /** What is to be sent in this turn. */
  readonly #next = (): Int16Array | null =>
    this.#early ? null : this.#talk.play(this.#deps.clock.now())

  private constructor(
    options: SessionOptions,
    deps: SessionDeps,
    parts: { stream: RtpStream; talk: Talk },
  ) {
    this.#deps = deps
    this.#options = options
    this.#stream = parts.stream
    this.#talk = parts.talk
  }

  /** Binds the leg's ports and opens its ears. Rejects with a Fault when there are none. */
  static async open(options: SessionOptions, shared: SessionDeps): Promise<MediaSession> {
    // All dates of a call come from one time line: turns and their lengths mean nothing across a clock that was set.
    const clock = evenClock(shared.clock)
    const deps = { ...shared, clock }
    const { legId, address } = options
    const { createTalk } = deps
    let session: MediaSession | null = null
    const onDigit = (digit: string): void => session?.digit(digit, 'media')
    const stream = await RtpStream.open(address, { ...deps, onDigit })
    try {
      const talk = options.talk
        ? await createTalk({
            clock,
            log: deps.log.child({ legId }),
            speech: promptSpeech(deps.speech, () => session?.hasten()),
            options: options.talk,
            onEvent: (event) => deps.onEvent({ type: 'talk', legId, event }),
            sendDigits: (digits, done) => session?.sendDigits(digits, done),
          })
        : muteTalk()
      session = new MediaSession(options, deps, { stream, talk })
      return session
    } catch (error) {
      await stream.close()
      throw error
    }
  }

  get port(): number {
    return this.#stream.port
  }

  get figures(): StreamFigures {
    return this.#stream.figures
  }

  /** Starts the stream, or changes it. The media clock runs from the first time on, the recording from the answer. */
  connect(agreement: MediaAgreement, early = false): void {
    if (this.#closed) return
    this.#early = early
    this.#digitsBy = agreement.digitsBy
    const { direction, ...stream } = agreement
    this.#quality.codec = agreement.codec
    const noEvents = agreement.dtmfPayloadType === null
    this.#keysInSound = noEvents ? (this.#keysInSound ?? new InbandDigits()) : null
    this.#stream.agree({
      ...stream,
      sends: direction === 'sendrecv' || direction === 'sendonly',
      receives: direction === 'sendrecv' || direction === 'recvonly',
    })
    // A peer that holds us may send nothing at all; the timeout counts anew once the hold is over.
    const expecting = direction === 'sendrecv' && !early
    this.#expectingSinceMs = expecting ? this.#deps.clock.monotonicMs() : null
    if (this.#options.recordTo && !early) {
      const { recordTo, legId } = this.#options
      this.#recorder ??= new Recorder(recordTo, this.#deps.log.child({ legId }))
    }
    this.#beat ??= this.#deps.pacer.add((skipped) => {
      let idle = true
      this.#guard(() => (idle = this.#turn(skipped)))
      return idle
    })
  }

  command(command: TalkCommand): void {
    this.#guard(() => this.#talk.command(command))
  }

  replaceTalk(make: (talk: Talk) => Talk): void {
    this.#guard(() => (this.#talk = make(this.#talk)))
  }

  /** A digit that the peer told, as an event or by its signalling: from now on its sound tells nothing new. */
  digit(digit: string, way: DigitWay): void {
    this.#keysInSound = null
    this.#pressed(digit, way)
  }

  /** One key that comes both ways counts once. */
  #pressed(digit: string, way: DigitWay): void {
    if (this.#early || !this.#digits.accept(digit, way, this.#deps.clock.monotonicMs())) return
    this.#guard(() => this.#talk.digit(digit, this.#deps.clock.now()))
  }

  /** Speech has become ready: the next turn comes as early as it may. */
  hasten(): void {
    this.#beat?.hasten()
  }

  /** Sends digits, by the media or by the signalling; `done` is called when they have been sent, or can't be. */
  sendDigits(digits: string, done: () => void): void {
    if (this.#digitsBy === 'signalling') {
      this.#signalled.push(done)
      return this.#deps.onEvent({ type: 'signalDigits', legId: this.#options.legId, digits })
    }
    if (this.#stream.sendDigits(digits, done)) return
    this.#deps.log.warn('media.digits_refused', { legId: this.#options.legId })
    // What can't be sent must not hold up what comes after it.
    queueMicrotask(done)
  }

  /** The signalling has sent what it was given first. */
  digitsSignalled(): void {
    this.#guard(() => this.#signalled.shift()?.())
  }

  /** Ends talking, sending and recording; resolves when files and sockets are closed. Called once. */
  async close(): Promise<MediaEvent & { type: 'closed' }> {
    this.#closed = true
    this.#beat?.cancel()
    this.#talk.close()
    const [recording] = await Promise.all([this.#recorder?.close(), this.#stream.close()])
    const { legId } = this.#options
    const quality = this.#quality.whole(this.#stream.figures)
    return { type: 'closed', legId, recording: recording ?? null, quality }
  }

  /** The boundary that keeps one leg's bug from the other legs of the worker. */
  #guard(action: () => void): void {
    if (this.#closed) return
    try {
      action()
    } catch (error) {
      this.#beat?.cancel()
      this.#deps.onError(error)
    }
  }

  #turn(skipped: number): boolean {
    if (skipped > 0) this.#makeUpFor(skipped)
    const left = this.#hear()
    const right = this.#stream.turn(this.#next)
    this.#recorder?.write(left, right)
    this.#watchSilence()
    this.#watchQuality()
    return right === null && !this.#stream.sendingDigits
  }

  /** After a stall: nothing can be sent for the time gone by, but what came in meanwhile is still heard. */
  #makeUpFor(skipped: number): void {
    this.#stream.skip(skipped)
    for (let i = 0; i < skipped; i++) {
      this.#recorder?.write(i < MAX_HEARD_AFTER_STALL ? this.#hear() : null, null)
    }
  }

  /** Gives the talking part what it is to hear; the frame to record, if there is a recording. */
  #hear(): Int16Array | null {
    if (!this.#stream.receives) {
      return this.#early ? silentFrame() : this.#listenTo(silentFrame(), 0)
    }
    const { recorded, heard } = this.#stream.hear(this.#recorder !== null)
    if (this.#early) return recorded
    for (const { frame, heldMs } of heard) {
      const digit = this.#keysInSound?.hear(frame) ?? null
      if (digit !== null) this.#pressed(digit, 'media')
      this.#listenTo(frame, heldMs)
    }
    return recorded
  }

  #listenTo(frame: Int16Array, heldMs: number): Int16Array {
    // The frame is dated when it came in, so that the wait in the jitter buffer counts as ours; never backwards.
    const cameAt = this.#deps.clock.now() - Math.round(heldMs)
    this.#lastHeardAt = Math.max(this.#lastHeardAt, cameAt)
    this.#talk.hear(frame, this.#lastHeardAt)
    return frame
  }

  #watchQuality(): void {
    if (!this.#quality.due()) return
    const quality = this.#quality.interval(this.#stream.figures)
    if (quality) this.#deps.onEvent({ type: 'quality', legId: this.#options.legId, quality })
  }

  #watchSilence(): void {
    if (this.#expectingSinceMs === null) return
    const { clock, timeouts, onEvent } = this.#deps
    const receivedMs = this.#stream.lastReceivedMs
    const sinceMs = Math.max(receivedMs ?? 0, this.#expectingSinceMs)
    const limitMs = receivedMs === null ? timeouts.firstPacketTimeoutMs : timeouts.packetTimeoutMs
    const silentMs = clock.monotonicMs() - sinceMs
    if (silentMs < limitMs) {
      this.#lostReported = false
    } else if (!this.#lostReported) {
      this.#lostReported = true
      onEvent({ type: 'mediaLost', legId: this.#options.legId, silentMs: Math.round(silentMs) })
    }
  }
}
