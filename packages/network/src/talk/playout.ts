// What we say, in order: utterances rendered a sentence ahead, digits between them, and what was heard of each.
import type { Clock, Log } from '@saperly/kernel'
import type { Mouth } from '../speech/port.ts'
import { FRAME_MS } from '../speech/pcm.ts'
import type { TalkCommand, TalkEvent } from './port.ts'
import type { RenderOptions, Rendering } from './rendering.ts'
import { Utterance } from './utterance.ts'

/** What we have sent, but the far end's buffer has not played yet. */
const FAR_END_BUFFER_MS = 60
/** Utterances and digit strings waiting; beyond it an utterance is refused (`spoke` with `stopped`). */
export const MAX_QUEUED = 64
/** Pieces rendered and not yet played through: the current one and the next. */
const MAX_RENDERED_AHEAD = 2
/** An engine that gives no audio for so long has failed. */
export const RENDER_LIMIT_MS = 10_000
/** The writer of an utterance pauses: after so long a clause is said though more may follow, then whole words. */
const CLAUSE_PAUSE_MS = 250
const WORDS_PAUSE_MS = 1_000
/** An utterance whose announced continuation does not come for so long is over. */
export const CONTINUATION_LIMIT_MS = 30_000
/** Cut utterances whose further text is still to be dropped; the oldest is forgotten first. */
const MAX_CUT_REMEMBERED = 64
/** Voices of one call whose replacement is remembered. */
const MAX_VOICES = 16

type SpeakCommand = Extract<TalkCommand, { type: 'speak' }>
type SpokeOutcome = Extract<TalkEvent, { type: 'spoke' }>['outcome']

type Item =
  | { kind: 'utterance'; utterance: Utterance }
  | { kind: 'digits'; digits: string; sending: boolean }

export interface PlayoutOptions {
  clock: Clock
  mouth: Mouth
  voice: string | null
  log: Log
  emit: (event: TalkEvent) => void
  /** May this utterance begin now? */
  mayBegin: (utterance: Utterance) => boolean
  /** Its first packet goes out. */
  began: () => void
  /** An utterance that had begun is over. */
  ended: () => void
  sendDigits: (digits: string, done: () => void) => void
}

export class Playout {
  readonly #options: PlayoutOptions
  readonly #items: Item[] = []
  readonly #cut = new Set<string>()
  /** Voices whose engine failed, and what speaks in their place. */
  readonly #replaced = new Map<string, string | null>()
  #held = false
  #rendering = false
  #closed = false
  /** Since the last packet that carried speech, and since the head of the queue is waiting for audio or text. */
  #quietMs = 0
  #starvedMs = 0
  /** Counts the frames asked for. */
  #mediaMs = 0
  /** Monotonic time at which the head of the queue got its turn. */
  #headSinceMs: number

  constructor(options: PlayoutOptions) {
    this.#options = options
    this.#headSinceMs = options.clock.monotonicMs()
  }

  /** Something is being said or sent, or waits for it. */
  get busy(): boolean {
    return this.#items.length > 0
  }

  /** The utterance whose packets are going out (or held). */
  get speaking(): Utterance | null {
    const head = this.#items[0]
    return head?.kind === 'utterance' && head.utterance.startedAt !== null ? head.utterance : null
  }

  speak(command: SpeakCommand, at: number): void {
    const { utteranceId: id, text, more } = command
    if (this.#cut.has(id)) {
      if (!more) this.#cut.delete(id)
      return
    }
    const utterance = this.#openUtterance(id) ?? this.#enqueue(command, at)
    if (!utterance) return
    const whole = utterance.append(text, more)
    if (!whole) this.#options.log.warn('talk.utterance_too_long')
    this.#starvedMs = 0
    this.#render()
  }

  sendDigits(digits: string): void {
    if (this.#items.length >= MAX_QUEUED) return this.#options.log.warn('talk.queue_full')
    this.#items.push({ kind: 'digits', digits, sending: false })
  }

  /** The next frame, or null for silence. */
  next(at: number): Int16Array | null {
    const frame = this.#held ? null : this.#take(at)
    this.#mediaMs += FRAME_MS
    this.#quietMs = frame ? 0 : this.#quietMs + FRAME_MS
    return frame
  }

  hold(): void {
    this.#held = true
  }

  /** Goes on with the word that was cut off. */
  release(): void {
    this.#held = false
    this.speaking?.rewindToWord()
  }

  /** Ends the utterance being played, if it may be cut. */
  interrupt(at: number): void {
    this.#held = false
    const current = this.speaking
    if (current?.interruptible) this.#finish(current, 'interrupted', at)
  }

  /** Keeps what waits and may be interrupted from beginning for `ms`: its author may want to withdraw it. */
  delayQueued(ms: number): void {
    for (const item of this.#items) {
      if (item.kind !== 'utterance' || !item.utterance.interruptible) continue
      item.utterance.notBeforeMs = this.#mediaMs + ms
    }
  }

  /** Drops everything that is not protected. */
  stop(at: number): void {
    for (const item of this.#items.slice()) {
      if (item.kind === 'digits' && !item.sending) this.#remove(item)
      if (item.kind === 'utterance' && !item.utterance.protected) {
        this.#finish(item.utterance, 'stopped', at)
      }
    }
    this.#render()
  }

  /** Ends everything, protected or not; each utterance reports what was heard of it. */
  close(at: number): void {
    if (this.#closed) return
    this.#closed = true
    for (const item of this.#items.slice()) {
      if (item.kind === 'utterance') this.#finish(item.utterance, 'stopped', at)
      else this.#remove(item)
    }
  }

  #openUtterance(id: string): Utterance | null {
    for (const item of this.#items) {
      if (item.kind !== 'utterance' || item.utterance.closed) continue
      if (item.utterance.id === id) return item.utterance
    }
    return null
  }

  #enqueue(command: SpeakCommand, at: number): Utterance | null {
    const { utteranceId: id, interruptible, protected: isProtected } = command
    const utterance = new Utterance({
      id,
      interruptible: interruptible && !isProtected,
      protected: isProtected,
      voice: this.#voiceNow(command.voice ?? this.#options.voice),
    })
    if (this.#items.length >= MAX_QUEUED || this.#closed) {
      utterance.append(command.text, command.more)
      this.#options.log.warn('talk.queue_full')
      if (command.more) this.#rememberCut(id)
      this.#report(utterance, 'stopped', at)
      return null
    }
    if (this.#items.length === 0) this.#gotTurn()
    this.#items.push({ kind: 'utterance', utterance })
    return utterance
  }

  #take(at: number): Int16Array | null {
    // Each round but the last removes an item, so that the queue's bound is the loop's.
    for (let head = this.#items[0]; head; head = this.#items[0]) {
      if (head.kind === 'digits') {
        this.#press(head)
        return null
      }
      const { utterance } = head
      if (utterance.startedAt === null && !this.#mayBegin(utterance)) return null
      const frame = utterance.take()
      if (frame) this.#sent(utterance, at)
      if (utterance.played) this.#finish(utterance, utterance.silent ? 'stopped' : 'played', at)
      else if (utterance.broken) this.#finish(utterance, 'stopped', at)
      else if (!frame) this.#starve(utterance)
      this.#render()
      if (frame || this.#items[0] === head) return frame
    }
    return null
  }

  #mayBegin(utterance: Utterance): boolean {
    return utterance.notBeforeMs <= this.#mediaMs && this.#options.mayBegin(utterance)
  }

  #sent(utterance: Utterance, at: number): void {
    this.#starvedMs = 0
    if (utterance.startedAt !== null) return
    utterance.startedAt = at
    const { clock, emit, began } = this.#options
    const first = utterance.first
    const readyAtMs = Math.max(first?.readyAtMs ?? 0, this.#headSinceMs)
    const wireMs = Math.max(0, Math.round(clock.monotonicMs() - readyAtMs))
    emit({
      type: 'speaking',
      utteranceId: utterance.id,
      speechMs: first?.speechMs ?? 0,
      wireMs,
      at,
    })
    began()
  }

  /** Nothing to play: the engine is slow, or the writer. Each has its limit. */
  #starve(utterance: Utterance): void {
    this.#starvedMs += FRAME_MS
    const piece = utterance.current
    if (!piece) return this.#awaitText(utterance)
    if (this.#starvedMs < RENDER_LIMIT_MS) return
    this.#options.log.warn('talk.render_late')
    piece.abort()
  }

  #awaitText(utterance: Utterance): void {
    const waitedMs = this.#starvedMs
    if (waitedMs >= CONTINUATION_LIMIT_MS) {
      this.#options.log.warn('talk.continuation_missing')
      this.#rememberCut(utterance.id)
      utterance.end()
    } else if (waitedMs >= WORDS_PAUSE_MS) utterance.flush('words')
    else if (waitedMs >= CLAUSE_PAUSE_MS) utterance.flush('clause')
    if (utterance.current) this.#starvedMs = 0
  }

  #press(item: Extract<Item, { kind: 'digits' }>): void {
    if (item.sending) return
    item.sending = true
    this.#options.sendDigits(item.digits, () => {
      if (this.#items[0] !== item) return
      this.#remove(item)
      this.#options.emit({ type: 'digitsSent', digits: item.digits })
    })
  }

  #finish(utterance: Utterance, outcome: SpokeOutcome, at: number): void {
    const item = this.#items.find((one) => one.kind === 'utterance' && one.utterance === utterance)
    if (!item) return
    if (!utterance.closed) this.#rememberCut(utterance.id)
    if (this.#items[0] === item) this.#held = false
    this.#remove(item)
    this.#report(utterance, outcome, at)
    utterance.abort()
    if (utterance.startedAt !== null) this.#options.ended()
  }

  #report(utterance: Utterance, outcome: SpokeOutcome, at: number): void {
    // What was not cut is heard to its end; after a pause the far end has played out what we had sent.
    const cut = !utterance.played && !utterance.broken
    const lagMs = cut ? Math.max(0, FAR_END_BUFFER_MS - this.#quietMs) : 0
    const heard = utterance.heard(lagMs, this.#options.mouth.wordTimes)
    this.#options.emit({
      type: 'spoke',
      utteranceId: utterance.id,
      outcome,
      text: utterance.text,
      heard: outcome === 'played' ? utterance.text : heard.text,
      heardMs: heard.ms,
      basis: heard.basis,
      startedAt: utterance.startedAt ?? at,
      endedAt: at,
    })
  }

  #remove(item: Item): void {
    const index = this.#items.indexOf(item)
    if (index < 0) return
    this.#items.splice(index, 1)
    if (index === 0) this.#gotTurn()
  }

  #gotTurn(): void {
    this.#headSinceMs = this.#options.clock.monotonicMs()
    this.#starvedMs = 0
  }

  #rememberCut(id: string): void {
    this.#cut.add(id)
    const oldest = this.#cut.values().next()
    if (this.#cut.size > MAX_CUT_REMEMBERED && !oldest.done) this.#cut.delete(oldest.value)
  }

  /** One piece at a time, and never further ahead than the bound. */
  #render(): void {
    if (this.#rendering || this.#closed) return
    const found = this.#nextToRender()
    if (!found) return
    this.#rendering = true
    // A failure is kept by the piece: its utterance ends with `stopped` when the playout comes to it.
    const { utterance } = found
    found.piece
      .run({
        mouth: this.#options.mouth,
        voice: utterance.voice,
        begun: utterance.audible,
        clock: this.#options.clock,
        onSwitch: (change) => this.#switchVoice(utterance, change),
      })
      .catch((error: unknown) => this.#options.log.error('talk.mouth_failed', {}, error))
      .finally(() => {
        this.#rendering = false
        this.#render()
      })
  }

  /** A call that lost its voice keeps the one that took its place: two that alternate would be worse. */
  #switchVoice(
    utterance: Utterance,
    { from, to, reason, voice }: Parameters<RenderOptions['onSwitch']>[0],
  ): void {
    const asked = utterance.voice
    utterance.voice = voice
    if (asked !== null && this.#replaced.size < MAX_VOICES) this.#replaced.set(asked, voice)
    this.#options.emit({ type: 'speechSwitched', part: 'speak', from, to, reason })
    for (const item of this.#items) {
      if (item.kind !== 'utterance' || item.utterance.audible) continue
      if (item.utterance.voice === asked) item.utterance.voice = voice
    }
  }

  #voiceNow(asked: string | null): string | null {
    let voice = asked
    for (let i = 0; i < MAX_VOICES && voice !== null && this.#replaced.has(voice); i++) {
      voice = this.#replaced.get(voice) ?? null
    }
    return voice
  }

  #nextToRender(): { piece: Rendering; utterance: Utterance } | null {
    let ahead = 0
    for (const item of this.#items) {
      if (item.kind === 'digits') continue
      const { utterance } = item
      for (let i = 0, piece = utterance.pieceAt(0); piece; piece = utterance.pieceAt(++i)) {
        if (++ahead > MAX_RENDERED_AHEAD) return null
        if (piece.state === 'failed') break
        if (piece.state === 'waiting') return { piece, utterance }
      }
    }
    return null
  }
}
