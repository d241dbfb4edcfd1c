// The talking part of one leg: puts the peer's voice, our speech and the floor together, frame by frame.
import { silentLog, type Clock, type Log } from '@saperly/kernel'
import type { EarsEvent, SpeechService } from '../speech/port.ts'
import { FRAME_MS } from '../speech/pcm.ts'
import type { Vad } from './activity.ts'
import { hasWord } from './endpoint.ts'
import { FLOOR_SIDES, stepFloor } from './floor.ts'
import type { EarState, FloorEffect, FloorEvent, FloorState, MouthState } from './floor.ts'
import { Listener, type Ending, type HeardTurn } from './listener.ts'
import { MachineDetector } from './machine-detector.ts'
import { Playout } from './playout.ts'
import type { Talk, TalkCommand, TalkEvent, TalkOptions } from './port.ts'
import { SilenceWatch } from './silence.ts'

/** Voice over our speech that makes us pause. */
const SUSPECT_VOICE_MS = 180
/** Voice over our speech that needs no recognised word to interrupt it, and is told even if not understood. */
const CONFIRM_VOICE_MS = 500
/** An interruption that isn't confirmed by then was none: we go on. */
const RESUME_AFTER_MS = 1_000
/** Voice of less than this in which nothing was recognised was a noise, not a turn that was not understood. */
const FAINT_VOICE_MS = 120
/** What was queued before an interruption or a key waits this long after it: its author may withdraw it. */
const WITHDRAW_MS = 500

export interface CreateTalk {
  clock: Clock
  speech: SpeechService
  /** Null: energy alone finds the voice (the tone engine). Closed with the talk. */
  vad: Vad | null
  options: TalkOptions
  /** Events in order. May post commands; they take effect after the event. Called once more at `close`, never later. */
  onEvent: (event: TalkEvent) => void
  /** Sends RFC 4733 events; `done` is to be called once, when the last one has ended. */
  sendDigits: (digits: string, done: () => void) => void
  log?: Log
}

/** Opens the talking part of a leg. Throws what `openEars` throws. */
export function createTalk(options: CreateTalk): Talk {
  return new LegTalk(options)
}

class LegTalk implements Talk {
  readonly #clock: Clock
  readonly #options: TalkOptions
  readonly #onEvent: (event: TalkEvent) => void
  readonly #log: Log
  readonly #listener: Listener
  readonly #playout: Playout
  readonly #silence = new SilenceWatch()
  /** Null when it is not asked for, and once nothing more can come of it. */
  #machine: MachineDetector | null
  readonly #outbox: TalkEvent[] = []
  #state: FloorState = 'idle'
  #depth = 0
  #closed = false
  #at: number
  #heardAtMs: number
  /** How long the last frame had waited in the jitter buffer. */
  #bufferedMs = 0
  #ending: Ending = 'otherwise'
  /** Voice since our speech could be interrupted by it. */
  #overMs = 0
  #heldMs = 0
  /** A turn was told, and nothing has been played since. */
  #unanswered = false
  /** `resumed` was told: a turn has to follow. */
  #owed = false

  constructor({ clock, speech, vad, options, onEvent, sendDigits, log = silentLog }: CreateTalk) {
    this.#clock = clock
    this.#options = options
    this.#onEvent = onEvent
    this.#log = log
    this.#machine = options.detectMachine ? new MachineDetector() : null
    this.#at = clock.now()
    this.#heardAtMs = clock.monotonicMs()
    const ears = speech.openEars({
      engine: options.engine ?? null,
      language: options.language,
      phrases: options.phrases,
      onEvent: (event) => this.#enter(() => this.#onEars(event)),
    })
    const { phrases, endpointingMs } = options
    this.#listener = new Listener(ears, { vad, phrases, endpointingMs, log })
    this.#playout = new Playout({
      clock,
      mouth: speech.mouth,
      voice: options.voice,
      log,
      emit: (event) => void this.#outbox.push(event),
      mayBegin: (utterance) => utterance.protected || this.#ear === 'quiet',
      began: () => this.#began(),
      ended: () => this.#raise('spoken'),
      sendDigits: (digits, done) => sendDigits(digits, () => this.#enter(done)),
    })
  }

  hear(frame: Int16Array, at: number): void {
    this.#enter(() => {
      this.#at = at
      this.#heardAtMs = this.#clock.monotonicMs()
      this.#bufferedMs = Math.max(0, this.#clock.now() - at)
      this.#listener.frame(frame, at)
      this.#whoAnswered(frame)
      if (this.#listener.onset) this.#onset()
      if (this.#ear === 'open') {
        if (this.#listener.voiced) this.#overMs += FRAME_MS
        this.#follow()
      }
      if (this.#mouth === 'held') this.#doubt()
      this.#conclude()
      const seconds = this.#silence.tick(this.#playout.busy, this.#ear === 'quiet')
      if (seconds !== null) this.#outbox.push({ type: 'silence', seconds })
    })
  }

  play(at: number): Int16Array | null {
    let frame: Int16Array | null = null
    this.#enter(() => {
      this.#at = at
      frame = this.#playout.next(at)
      this.#machine?.sent(frame)
    })
    return frame
  }

  digit(digit: string, at: number): void {
    this.#enter(() => {
      this.#at = at
      this.#outbox.push({ type: 'digits', digits: digit })
      this.#listener.pressed()
      this.#silence.restart()
      if (!this.#options.interruptible) return
      this.#playout.delayQueued(WITHDRAW_MS)
      if (this.#mayInterrupt) this.#playout.interrupt(at)
    })
  }

  command(command: TalkCommand): void {
    this.#enter(() => {
      switch (command.type) {
        case 'speak':
          return this.#playout.speak(command, this.#at)
        case 'stop':
          return this.#playout.stop(this.#at)
        case 'listen':
          return this.#listen(command)
        case 'sendDigits':
          return this.#playout.sendDigits(command.digits)
      }
    })
  }

  /** Each utterance that is still queued reports what was heard of it; a turn that is not over is lost. */
  close(): void {
    this.#enter(() => {
      this.#playout.close(this.#at)
      this.#listener.close()
      this.#closed = true
    })
  }

  get #mouth(): MouthState {
    return FLOOR_SIDES[this.#state].mouth
  }

  get #ear(): EarState {
    return FLOOR_SIDES[this.#state].ear
  }

  get #mayInterrupt(): boolean {
    return this.#options.interruptible && (this.#playout.speaking?.interruptible ?? false)
  }

  /** Every entrance: acts, then tells what came of it, so that a listener that posts commands finds a settled state. */
  #enter(action: () => void): void {
    if (this.#closed) return
    this.#depth++
    try {
      action()
      while (this.#depth === 1) {
        const event = this.#outbox.shift()
        if (!event) break
        this.#onEvent(event)
      }
    } finally {
      this.#depth--
    }
  }

  #raise(event: FloorEvent): void {
    const before = this.#state
    const { to, effects } = stepFloor(before, event)
    this.#state = to
    if (to !== before) {
      this.#log.debug('talk.floor', { event, from: before, to, mediaMs: this.#listener.mediaMs })
    }
    for (const effect of effects) this.#effect(effect)
  }

  #effect(effect: FloorEffect): void {
    switch (effect) {
      case 'openPart':
        return this.#listener.openPart()
      case 'closePart':
        return this.#listener.closePart(this.#ending)
      case 'dropPart':
        return this.#listener.dropPart()
      case 'reportTurn':
        return this.#report()
      case 'dropTurn':
        return this.#listener.clear()
      case 'hold':
        this.#heldMs = this.#listener.mediaMs
        return this.#playout.hold()
      case 'release':
        this.#overMs = 0
        return this.#playout.release()
      case 'cut':
        this.#playout.delayQueued(WITHDRAW_MS)
        return this.#playout.interrupt(this.#at)
    }
  }

  #whoAnswered(frame: Int16Array): void {
    const found = this.#machine?.observe(frame, this.#listener.activity)
    if (found) {
      const { verdict, confidence, atMs, ground } = found
      this.#log.debug('talk.machine', { verdict, ground, mediaMs: atMs })
      this.#outbox.push({ type: 'machine', verdict, confidence, at: this.#at, atMs })
    }
    if (this.#machine?.over) this.#machine = null
  }

  #listen(command: Extract<TalkCommand, { type: 'listen' }>): void {
    this.#listener.expect(command.expect)
    this.#silence.arm(command.silenceTimeoutMs)
    // An answer without words.
    if (!this.#playout.busy) this.#unanswered = false
  }

  #began(): void {
    this.#unanswered = false
    this.#overMs = 0
    this.#raise('speak')
  }

  #onset(): void {
    this.#overMs = this.#listener.voiceMs - FRAME_MS
    this.#raise('onset')
  }

  /** The peer's voice is open: does it interrupt us, does it take a turn back, is it over? */
  #follow(): void {
    this.#contest()
    this.#tellResumed()
    const ending = this.#listener.ending()
    if (ending === null) return
    this.#ending = ending
    this.#log.debug('talk.endpoint', { reason: ending, mediaMs: this.#listener.mediaMs })
    if (ending !== 'blip') return this.#raise('end')
    if (this.#listener.earlier === 0) return this.#raise('blip')
    // The turn before it is not told yet: the click ends, the turn stays.
    this.#raise('end')
  }

  #contest(): void {
    if (this.#state === 'talkover' && this.#mayInterrupt && this.#overMs >= SUSPECT_VOICE_MS) {
      this.#raise('suspect')
    }
    if (this.#state !== 'paused') return
    const word = hasWord(this.#listener.open?.partial ?? '')
    if (word || this.#overMs >= CONFIRM_VOICE_MS) this.#raise('confirm')
  }

  #tellResumed(): void {
    const part = this.#listener.open
    if (!part || !this.#unanswered) return
    if (part.voicedMs < SUSPECT_VOICE_MS && !hasWord(part.partial)) return
    this.#unanswered = false
    this.#owed = true
    this.#outbox.push({ type: 'resumed' })
  }

  #doubt(): void {
    if (this.#listener.mediaMs - this.#heldMs >= RESUME_AFTER_MS) this.#raise('doubt')
  }

  #onEars(event: EarsEvent): void {
    this.#listener.heard(event)
    if (event.type === 'switched') {
      const { from, to, reason } = event
      this.#outbox.push({ type: 'speechSwitched', part: 'hear', from, to, reason })
    }
    if (this.#ear === 'open') this.#follow()
    this.#conclude()
  }

  /** When the text of the whole turn is known: tells it, or drops what was nothing. */
  #conclude(): void {
    if (this.#ear !== 'deciding' || !this.#listener.settled) return
    const turn = this.#listener.turn
    if (!turn) return
    const spoken = hasWord(turn.text)
    if (this.#mouth === 'silent') {
      const faint = turn.text === '' && turn.voicedMs < FAINT_VOICE_MS && !this.#owed
      return this.#raise(faint ? 'noise' : 'turn')
    }
    if (spoken && this.#mayInterrupt) {
      this.#raise('confirm')
      return this.#raise('turn')
    }
    const worthTelling = spoken || this.#owed || turn.voicedMs >= CONFIRM_VOICE_MS
    if (!worthTelling) return this.#raise('noise')
    if (this.#mouth === 'held') this.#raise('doubt')
    this.#raise('turn')
  }

  #report(): void {
    const turn = this.#listener.turn
    this.#listener.clear()
    if (!turn) return
    this.#silence.disarm()
    this.#unanswered = true
    this.#owed = false
    this.#outbox.push(this.#turnEvent(turn))
  }

  #turnEvent(turn: HeardTurn): TalkEvent {
    const sinceFrameMs = this.#clock.monotonicMs() - this.#heardAtMs
    const mediaMs = this.#listener.mediaMs - turn.lastVoicedMs
    return {
      type: 'turn',
      text: turn.text,
      noMatch: turn.text === '',
      confidence: turn.confidence,
      recognizer: turn.recognizer,
      startedAt: turn.startedAt,
      endedAt: turn.endedAt,
      endpointingMs: Math.max(0, Math.round(this.#bufferedMs + mediaMs + sinceFrameMs)),
      waitMs: turn.waitMs,
    }
  }
}
