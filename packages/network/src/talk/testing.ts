// A leg for tests: simulated media time, a mouth that speaks a word in 200 ms, and ears that hear what the test says.
import { Fault, SimClock, type Clock } from '@saperly/kernel'
import type { AudioChunk, Ears, EarsEvent, Mouth, SpeechService, Word } from '../speech/port.ts'
import { FRAME_MS, FRAME_SAMPLES } from '../speech/pcm.ts'
import type { Vad } from './activity.ts'
import type { Expect, Talk, TalkCommand, TalkEvent, TalkOptions } from './port.ts'
import { createTalk } from './talk.ts'

export const WORD_MS = 200
const LOUD = new Int16Array(FRAME_SAMPLES).fill(8_000)
const QUIET = new Int16Array(FRAME_SAMPLES)

/** Renders each word as 200 ms. A text with `BROKEN` fails in its middle, one with `HANGS` never gives audio. */
export class FakeMouth implements Mouth {
  readonly wordTimes: Mouth['wordTimes']
  readonly texts: string[] = []
  delayMs = 40
  readonly #clock: Clock

  constructor(clock: Clock, wordTimes: Mouth['wordTimes']) {
    this.#clock = clock
    this.wordTimes = wordTimes
  }

  async *speak(
    text: string,
    _voice: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<AudioChunk> {
    this.texts.push(text)
    await this.#clock.sleep(text.includes('HANGS') ? 10_000_000 : this.delayMs, signal)
    let atMs = 0
    for (const word of text.split(/\s+/u)) {
      if (word.includes('BROKEN')) throw new Fault('mouth: broken', { retryable: false })
      const pcm = new Int16Array(WORD_MS * 8).fill(1_000)
      const timed: Word = { text: word, fromMs: atMs, toMs: atMs + WORD_MS }
      yield { pcm, words: this.wordTimes === 'estimated' ? [] : [timed] }
      atMs += WORD_MS
    }
  }
}

/** Hears `next` (or nothing), after `delayMs`; null never answers. */
export class FakeEars implements Ears {
  recognizer: 'phrases' | 'free'
  endsTurns = false
  readonly calls: string[] = []
  readonly expected: Expect[] = []
  next: string[] = []
  delayMs: number | null = 0
  frames = 0
  utterance = 0
  readonly #clock: Clock
  readonly #onEvent: (event: EarsEvent) => void

  constructor(clock: Clock, recognizer: 'phrases' | 'free', onEvent: (event: EarsEvent) => void) {
    this.#clock = clock
    this.recognizer = recognizer
    this.#onEvent = onEvent
  }

  expect(expect: Expect): void {
    this.expected.push(expect)
  }

  start(utterance: number): void {
    this.utterance = utterance
    this.frames = 0
    this.calls.push(`start ${utterance}`)
  }

  write(): void {
    this.frames++
  }

  finish(): void {
    const { utterance } = this
    this.calls.push(`finish ${utterance}`)
    const text = this.next.shift() ?? ''
    if (this.delayMs === null) return
    if (this.delayMs === 0) return this.final(utterance, text)
    this.#clock.schedule(this.delayMs, () => this.final(utterance, text))
  }

  cancel(): void {
    this.calls.push(`cancel ${this.utterance}`)
  }

  close(): void {
    this.calls.push('close')
  }

  partial(text: string): void {
    this.#onEvent({ type: 'partial', utterance: this.utterance, text })
  }

  final(utterance: number, text: string): void {
    const confidence = text === '' ? 0 : 0.9
    this.#onEvent({ type: 'final', utterance, text, noMatch: text === '', confidence })
  }

  event(event: EarsEvent): void {
    this.#onEvent(event)
  }

  fault(): void {
    this.#onEvent({ type: 'fault', utterance: this.utterance, code: 'gone' })
  }
}

export interface LegOptions extends Partial<TalkOptions> {
  recognizer?: 'phrases' | 'free'
  endsTurns?: boolean
  /** In place of the one that speaks a word in 200 ms. */
  mouth?: Mouth
  wordTimes?: Mouth['wordTimes']
  vad?: Vad | null
  onEvent?: (event: TalkEvent, leg: Leg) => void
}

type EventOf<T extends TalkEvent['type']> = Extract<TalkEvent, { type: T }>

/** One leg under simulated time. */
export class Leg {
  readonly clock = new SimClock()
  readonly startedAt = this.clock.now()
  readonly mouth: FakeMouth
  readonly events: TalkEvent[] = []
  /** One per frame: was speech sent? */
  readonly sent: boolean[] = []
  readonly pressed: { digits: string; done: () => void }[] = []
  readonly talk: Talk
  #ears: FakeEars | null = null
  #spoken = 0

  constructor(options: LegOptions = {}) {
    const { recognizer = 'free', wordTimes = 'exact', vad = null, onEvent, ...rest } = options
    const { endsTurns = false, mouth, ...own } = rest
    this.mouth = new FakeMouth(this.clock, wordTimes)
    const speech: SpeechService = {
      mouth: mouth ?? this.mouth,
      openEars: (ears) => {
        this.#ears = new FakeEars(this.clock, recognizer, ears.onEvent)
        this.#ears.endsTurns = endsTurns
        return this.#ears
      },
      close: async () => {},
    }
    this.talk = createTalk({
      clock: this.clock,
      speech,
      vad,
      options: {
        language: 'en-US',
        voice: null,
        phrases: [],
        endpointingMs: null,
        interruptible: true,
        ...own,
      },
      onEvent: (event) => {
        this.events.push(event)
        onEvent?.(event, this)
      },
      sendDigits: (digits, done) => void this.pressed.push({ digits, done }),
    })
  }

  get ears(): FakeEars {
    if (!this.#ears) throw new Error('no ears were opened')
    return this.#ears
  }

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.clock.now() - this.startedAt
  }

  types(): string[] {
    return this.events.map(({ type }) => type)
  }

  of<T extends TalkEvent['type']>(type: T): EventOf<T>[] {
    return this.events.filter((event): event is EventOf<T> => event.type === type)
  }

  /** Lets `ms` pass while the peer says nothing. */
  quiet(ms: number): Promise<void> {
    return this.#run(QUIET, ms)
  }

  /** Lets `ms` pass while the peer talks. */
  voice(ms: number): Promise<void> {
    return this.#run(LOUD, ms)
  }

  /** The peer says `text` for `ms`, then is silent until the turn is over. */
  async says(text: string, ms = 600): Promise<void> {
    this.ears.next.push(text)
    await this.voice(ms)
    await this.quiet(1_000)
  }

  speak(text: string, more: Partial<Extract<TalkCommand, { type: 'speak' }>> = {}): string {
    const utteranceId = more.utteranceId ?? `u${++this.#spoken}`
    this.talk.command({
      type: 'speak',
      text,
      more: false,
      interruptible: true,
      protected: false,
      voice: null,
      ...more,
      utteranceId,
    })
    return utteranceId
  }

  listen(expect: Expect = {}, silenceTimeoutMs: number | null = null): void {
    this.talk.command({ type: 'listen', expect, silenceTimeoutMs })
  }

  /** Frames of speech sent so far. */
  get sentMs(): number {
    return this.sent.filter(Boolean).length * FRAME_MS
  }

  async #run(frame: Int16Array, ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += FRAME_MS) {
      await this.clock.advance(FRAME_MS)
      this.talk.hear(frame, this.clock.now())
      this.sent.push(this.talk.play(this.clock.now()) !== null)
    }
  }
}
