// The peer's side of the floor: finds the voice, feeds the recogniser, decides when a turn is over, collects its text.
import { Bug, type Log } from '@saperly/kernel'
import type { Ears, EarsEvent } from '../speech/port.ts'
import { FRAME_MS } from '../speech/pcm.ts'
import { ActivityDetector, type Activity, type Vad } from './activity.ts'
import { decideEndpoint, type EndpointDecision, type EndpointReason } from './endpoint.ts'
import { FrameRing } from './frame-ring.ts'
import type { Expect } from './port.ts'

/** Voiced frames in a row that make an onset. */
const ONSET_FRAMES = 3
/** Audio before the onset that the recogniser gets too, so that no beginning is lost. */
const PRE_ROLL_FRAMES = 12
/** Frames kept: what a late opening (waiting for an earlier text) may still need. */
const RING_FRAMES = 65
/** A detector that latched on, or a monologue, is cut here. */
export const MAX_PART_MS = 30_000
/** Parts of one turn: the peer goes on before the text of what came before is known. */
const MAX_PARTS = 8
/** Less voice than this, without a partial, was a click: the recogniser isn't even asked. */
const BLIP_VOICED_MS = 80
/** Silence after which a click is forgotten. */
const BLIP_SILENCE_MS = 200
/** How long the text may take after the end of the turn. */
const FINAL_WAIT_MS = 1_000
/** Beyond the limit of the engine itself: it is the engine's to say that it is late. */
const FINAL_MARGIN_MS = 200
/** How long it may take when another engine has to hear all of it again. */
const REPLAY_WAIT_MS = 3_000
/** The engine says that the turn is over, and voice goes on without a word in it: a noise. */
const ENDED_NOISE_MS = 600
/** A text that came too late belongs to the next turn, if that begins within this time. */
const LATE_TEXT_KEPT_MS = 3_000
/** A recogniser's text is cut here. */
const MAX_TEXT_CHARS = 4_000

/** One utterance of the recogniser. A turn has one, or several when the peer goes on meanwhile. */
export interface Part {
  readonly utterance: number
  readonly startedAt: number
  readonly openedMs: number
  state: 'open' | 'closing' | 'done'
  /** The recogniser gave up on it. */
  failed: boolean
  /** Media time at which the recogniser found the turn to be over; null when it has not, or words came after it. */
  endedMs: number | null
  /** What heard it. */
  recognizer: 'phrases' | 'free'
  voicedMs: number
  lastVoicedMs: number
  lastVoicedAt: number
  waitMs: number
  deadlineMs: number
  partial: string
  text: string
  confidence: number
}

export interface HeardTurn {
  text: string
  confidence: number
  /** `phrases` when any part of it was heard by a recogniser of phrases. */
  recognizer: 'phrases' | 'free'
  startedAt: number
  endedAt: number
  voicedMs: number
  lastVoicedMs: number
  waitMs: number
}

export type Ending = 'blip' | 'limit' | EndpointReason

export interface ListenerOptions {
  vad: Vad | null
  phrases: readonly string[]
  endpointingMs: number | null
  log: Log
}

const NOTHING_EXPECTED: Expect = {}

export class Listener {
  readonly #ears: Ears
  readonly #options: ListenerOptions
  readonly #activity: ActivityDetector
  readonly #ring = new FrameRing(RING_FRAMES)
  #parts: Part[] = []
  #mediaMs = 0
  #at = 0
  #last: Activity = { voiced: false, run: 0, lateMs: 0 }
  #utterances = 0
  /** Frames since the last part was closed: what a next one may take as its beginning. */
  #freeFrames = 0
  /** After an end in mid-voice: the rest of that voice begins nothing (`pause`), or only after the report (`report`). */
  #until: 'pause' | 'report' | null = null
  #expect: Expect = NOTHING_EXPECTED
  #nextExpect: Expect | null = null
  #phrases: readonly string[]
  /** What the rules say of the open part; null when what they look at has changed. */
  #decision: EndpointDecision | null = null
  #digitsPressed = 0
  #lateUtterance = 0
  #lateText: { text: string; atMs: number } | null = null

  constructor(ears: Ears, options: ListenerOptions) {
    this.#ears = ears
    this.#options = options
    this.#phrases = options.phrases
    this.#activity = new ActivityDetector(options.vad)
  }

  /** Milliseconds of media since the beginning. */
  get mediaMs(): number {
    return this.#mediaMs
  }

  /** Milliseconds of voice without a break, up to now. */
  get voiceMs(): number {
    return this.#last.run * FRAME_MS
  }

  get voiced(): boolean {
    return this.#last.voiced
  }

  /** What was found in the last frame. */
  get activity(): Activity {
    return this.#last
  }

  /** The part that the peer is saying. */
  get open(): Part | null {
    const last = this.#parts.at(-1)
    return last?.state === 'open' ? last : null
  }

  /** Every part of the turn is over and its text known. */
  get settled(): boolean {
    return this.#parts.every((part) => part.state === 'done')
  }

  /** A voice has begun, and may open a part. */
  get onset(): boolean {
    if (this.open || this.#until !== null || this.#parts.length >= MAX_PARTS) return false
    return this.#last.run >= ONSET_FRAMES
  }

  /** What is expected from now on; of an open part, from its end on. */
  expect(expect: Expect): void {
    this.#digitsPressed = 0
    if (this.open) this.#nextExpect = expect
    else this.#applyExpect(expect)
  }

  /** A key was pressed: counts towards the expected digits. */
  pressed(): void {
    this.#digitsPressed++
    this.#decision = null
  }

  /** The next 20 ms. */
  frame(frame: Int16Array, at: number): void {
    this.#mediaMs += FRAME_MS
    this.#at = at
    this.#last = this.#activity.observe(frame)
    if (!this.#last.voiced && this.#until === 'pause') this.#until = null
    this.#ring.put(frame)
    this.#freeFrames++
    const part = this.open
    if (part) {
      if (!part.failed) this.#ears.write(frame)
      this.#track(part)
    }
    this.#expire()
  }

  /** Opens a part at the onset, with the audio just before it. */
  openPart(): void {
    const voicedMs = this.voiceMs
    const part: Part = {
      utterance: ++this.#utterances,
      startedAt: this.#at - voicedMs,
      openedMs: this.#mediaMs,
      state: 'open',
      failed: false,
      endedMs: null,
      recognizer: this.#ears.recognizer,
      voicedMs,
      lastVoicedMs: this.#mediaMs,
      lastVoicedAt: this.#at,
      waitMs: 0,
      deadlineMs: 0,
      partial: '',
      text: '',
      confidence: 0,
    }
    this.#parts.push(part)
    this.#decision = null
    this.#ears.start(part.utterance)
    const count = Math.min(this.#ring.size, this.#freeFrames, this.#last.run + PRE_ROLL_FRAMES)
    for (const frame of this.#ring.last(count)) this.#ears.write(frame)
  }

  /** Whether, and by which rule, the open part is over; its wait is noted in the part. */
  ending(): Ending | null {
    const part = this.open
    if (!part) return null
    const silentMs = this.#mediaMs - part.lastVoicedMs
    const blip = part.voicedMs < BLIP_VOICED_MS && part.partial === ''
    if (blip) return silentMs >= BLIP_SILENCE_MS ? 'blip' : null
    const { waitMs, reason } = (this.#decision ??= this.#decide(part))
    part.waitMs = waitMs
    if (reason === 'digits_filled' || (!this.#last.voiced && silentMs >= waitMs)) return reason
    if (part.endedMs !== null && reason === 'engine_ended') {
      if (this.#mediaMs - part.endedMs >= ENDED_NOISE_MS) return reason
    }
    return this.#mediaMs - part.openedMs >= MAX_PART_MS ? 'limit' : null
  }

  #decide(part: Part): EndpointDecision {
    return decideEndpoint({
      recognizer: this.#ears.recognizer,
      partial: part.partial,
      phrases: this.#phrases,
      digitsWanted: this.#expect.digits ?? null,
      digitsPressed: this.#digitsPressed,
      endpointingMs: this.#options.endpointingMs,
      engineEnds: this.#ears.endsTurns ?? false,
      engineEnded: part.endedMs !== null,
    })
  }

  /** Asks for the text of the open part. */
  closePart(ending: Ending): void {
    const part = this.#mustBeOpen()
    this.#freeFrames = 0
    if (this.#last.voiced) this.#until = ending === 'limit' ? 'report' : 'pause'
    if (ending === 'limit' && part.partial === '') this.#activity.relearn()
    if (part.failed) {
      part.state = 'done'
      this.#ears.cancel()
    } else {
      part.state = 'closing'
      const limitMs = (this.#ears.finalLimitMs ?? 0) + FINAL_MARGIN_MS
      part.deadlineMs = this.#mediaMs + Math.max(FINAL_WAIT_MS, limitMs)
      this.#ears.finish()
    }
    this.#followExpect()
  }

  /** Forgets the open part. Earlier parts of the turn stay. */
  dropPart(): void {
    this.#mustBeOpen()
    this.#parts.pop()
    this.#ears.cancel()
    this.#followExpect()
  }

  /** Parts of the turn before the open one. */
  get earlier(): number {
    return this.open ? this.#parts.length - 1 : this.#parts.length
  }

  /** What the turn says so far. */
  get turn(): HeardTurn | null {
    const first = this.#parts[0]
    const last = this.#parts.at(-1)
    if (!first || !last) return null
    const said = this.#parts.filter((part) => part.text !== '')
    const late = this.#lateText?.text ?? ''
    return {
      text: [late, ...said.map((part) => part.text)].filter((text) => text !== '').join(' '),
      confidence: said.length > 0 ? Math.min(...said.map((part) => part.confidence)) : 0,
      recognizer: this.#parts.some((part) => part.recognizer === 'phrases') ? 'phrases' : 'free',
      startedAt: first.startedAt,
      endedAt: last.lastVoicedAt,
      voicedMs: this.#parts.reduce((sum, part) => sum + part.voicedMs, 0),
      lastVoicedMs: last.lastVoicedMs,
      waitMs: last.waitMs,
    }
  }

  /** The turn has been told, or is not worth it: the next one begins afresh. */
  clear(): void {
    this.#parts = []
    this.#lateText = null
    if (this.#until === 'report') this.#until = null
  }

  /** What the recogniser says. */
  heard(event: EarsEvent): void {
    if (event.type === 'switched') return this.#switched(event.recognizer)
    const part = this.#parts.find(({ utterance }) => utterance === event.utterance)
    if (event.type === 'fault') this.#options.log.warn('talk.ears_fault', { code: event.code })
    if (!part || part.state === 'done') return this.#heardLate(event)
    if (event.type === 'partial') return this.#heardPartial(part, event.text)
    if (event.type === 'endOfTurn') {
      part.endedMs ??= this.#mediaMs
      this.#decision = null
      return
    }
    if (event.type === 'fault') part.failed = true
    else if (!event.noMatch) {
      part.text = event.text.trim().slice(0, MAX_TEXT_CHARS)
      part.confidence = event.confidence
    }
    part.recognizer = this.#ears.recognizer
    if (part.state === 'closing') part.state = 'done'
  }

  #heardPartial(part: Part, text: string): void {
    const partial = text.slice(0, MAX_TEXT_CHARS)
    if (partial === part.partial) return
    part.partial = partial
    part.endedMs = null
    this.#decision = null
  }

  /** Another engine hears what is not told yet: it hears it from the beginning. */
  #switched(recognizer: 'phrases' | 'free'): void {
    this.#decision = null
    for (const part of this.#parts) {
      if (part.state === 'done') continue
      part.recognizer = recognizer
      part.endedMs = null
      if (part.state === 'closing') part.deadlineMs = this.#mediaMs + REPLAY_WAIT_MS
    }
  }

  close(): void {
    this.#ears.close()
    this.#activity.close()
  }

  #heardLate(event: EarsEvent): void {
    if (event.type !== 'final' || event.utterance !== this.#lateUtterance || event.noMatch) return
    this.#options.log.warn('talk.final_late')
    this.#lateText = { text: event.text.trim().slice(0, MAX_TEXT_CHARS), atMs: this.#mediaMs }
  }

  #track(part: Part): void {
    const { voiced, run, lateMs } = this.#last
    if (voiced) part.voicedMs += FRAME_MS
    // A single frame is a click: it doesn't prolong the turn.
    if (voiced && run >= 2) this.#lastVoiceAt(part, 0)
    else if (lateMs > 0) this.#lastVoiceAt(part, lateMs + FRAME_MS)
  }

  #lastVoiceAt(part: Part, agoMs: number): void {
    part.lastVoicedMs = Math.max(part.openedMs, this.#mediaMs - agoMs)
    part.lastVoicedAt = this.#at - (this.#mediaMs - part.lastVoicedMs)
  }

  #expire(): void {
    if (this.#lateText && this.#parts.length === 0) {
      if (this.#mediaMs - this.#lateText.atMs > LATE_TEXT_KEPT_MS) this.#lateText = null
    }
    for (const part of this.#parts) {
      if (part.state !== 'closing' || this.#mediaMs < part.deadlineMs) continue
      this.#options.log.warn('talk.final_missing')
      part.state = 'done'
      this.#lateUtterance = part.utterance
    }
  }

  #mustBeOpen(): Part {
    const part = this.open
    if (!part) throw new Bug('listener: no part is open')
    return part
  }

  #followExpect(): void {
    if (this.#nextExpect) this.#applyExpect(this.#nextExpect)
  }

  #applyExpect(expect: Expect): void {
    this.#expect = expect
    this.#nextExpect = null
    this.#phrases = [...this.#options.phrases, ...(expect.phrases ?? [])]
    this.#decision = null
    this.#ears.expect(expect)
  }
}
