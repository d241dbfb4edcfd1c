// One utterance of ours: its text as it is written, its sentences as they are rendered, and how far it was played.
import type { HeardBasis } from './port.ts'
import { heardPrefix } from './heard.ts'
import { Rendering } from './rendering.ts'
import { SentenceChunker, isSpeakable } from './sentences.ts'

/** Longest text of one utterance; what goes beyond is not spoken. */
const MAX_UTTERANCE_CHARS = 20_000

export interface UtteranceOptions {
  id: string
  interruptible: boolean
  protected: boolean
  voice: string | null
}

export interface Heard {
  text: string
  ms: number
  basis: HeardBasis
}

export class Utterance {
  readonly id: string
  readonly interruptible: boolean
  readonly protected: boolean
  /** Changes when its engine failed before it had begun. */
  voice: string | null
  /** Epoch ms of its first packet; null before. */
  startedAt: number | null = null
  /** Media time of the playout before which it must not begin. */
  notBeforeMs = 0
  readonly #chunker = new SentenceChunker()
  readonly #pieces: Rendering[] = []
  #current = 0
  #text = ''
  #closed = false

  constructor(options: UtteranceOptions) {
    this.id = options.id
    this.interruptible = options.interruptible
    this.protected = options.protected
    this.voice = options.voice
  }

  get text(): string {
    return this.#text
  }

  /** Nothing more will be written to it. */
  get closed(): boolean {
    return this.#closed
  }

  /** All of it has been played. */
  get played(): boolean {
    return this.#closed && this.#current >= this.#pieces.length
  }

  /** There was something to say, and the engine gave no audio for it. */
  get silent(): boolean {
    return this.startedAt === null && this.#pieces.length > 0
  }

  /** Its engine failed, and all that was rendered before has been played. */
  get broken(): boolean {
    return this.#pieces[this.#current]?.broken ?? false
  }

  /** Some of it has its audio, so that another voice would be heard as a change. */
  get audible(): boolean {
    return this.#pieces.some((piece) => piece.audible)
  }

  get first(): Rendering | null {
    return this.#pieces[0] ?? null
  }

  /** The piece being played or to be played next. */
  get current(): Rendering | null {
    return this.#pieces[this.#current] ?? null
  }

  /** The piece `ahead` places behind the current one. */
  pieceAt(ahead: number): Rendering | null {
    return this.#pieces[this.#current + ahead] ?? null
  }

  /** Adds text; without `more` it is the last. Returns false when some of it was over the limit. */
  append(text: string, more: boolean): boolean {
    const joined = needsSpace(this.#text, text) ? ` ${text}` : text
    const kept = joined.slice(0, MAX_UTTERANCE_CHARS - this.#text.length)
    this.#text += kept
    const chunks = this.#chunker.push(kept)
    if (!more) chunks.push(...this.#chunker.end())
    this.#closed = !more
    this.#add(chunks)
    return kept.length === joined.length
  }

  /** The writer pauses: says what can be said of what is there. */
  flush(until: 'clause' | 'words'): void {
    this.#add(this.#chunker.flush(until))
  }

  /** No more text will come, whatever was announced. */
  end(): void {
    if (!this.#closed) this.append('', false)
  }

  /** The next frame, or null when there is none now. Moves on from piece to piece. */
  take(): Int16Array | null {
    this.#skipPlayed()
    const frame = this.current?.take() ?? null
    this.#skipPlayed()
    return frame
  }

  rewindToWord(): void {
    this.current?.rewindToWord()
  }

  abort(): void {
    for (const piece of this.#pieces) piece.abort()
    for (const piece of this.#pieces) piece.release()
  }

  /** What was heard of it when `lagMs` of what was sent had not been played out at the far end. */
  heard(lagMs: number, known: HeardBasis): Heard {
    const started = this.#pieces.slice(0, this.#current + 1).filter((piece) => piece.takenMs > 0)
    const sentMs = started.reduce((sum, piece) => sum + piece.takenMs, 0)
    const ms = Math.max(0, sentMs - lagMs)
    let leftMs = ms
    let text = ''
    let basis: HeardBasis = 'exact'
    for (const piece of started) {
      if (leftMs >= piece.totalMs) text += piece.text
      else {
        text += heardPrefix(piece, leftMs)
        basis = piece.words.length > 0 ? (piece.basis ?? known) : 'estimated'
        break
      }
      leftMs -= piece.totalMs
    }
    return { text: text.trim(), ms: Math.round(ms), basis }
  }

  #add(chunks: readonly string[]): void {
    for (const chunk of chunks) {
      if (isSpeakable(chunk)) this.#pieces.push(new Rendering(chunk))
    }
  }

  #skipPlayed(): void {
    while (this.current?.played) {
      this.current.release()
      this.#current++
    }
  }
}

/** Sentences that were sent one by one get the space between them that streamed words bring along. */
function needsSpace(before: string, text: string): boolean {
  return /[.!?…]["'”’)]*$/u.test(before) && /^\p{Lu}/u.test(text)
}
