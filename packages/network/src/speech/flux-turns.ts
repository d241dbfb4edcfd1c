// The turns that Deepgram Flux tells (TurnInfo on /v2/listen), as the text of one utterance of ours.
import type { VendorMessage } from './vendor-socket.ts'

/** Turns of one utterance; the oldest text is given up beyond it. */
const MAX_TURNS = 16
/** A transcript is cut here. */
const MAX_TRANSCRIPT_CHARS = 8_000
/** Audio that an update may lag behind and still be taken for all of it, milliseconds: the vendor works in steps of 80. */
const STEP_MS = 80

const EVENTS = ['Update', 'StartOfTurn', 'EagerEndOfTurn', 'TurnResumed', 'EndOfTurn'] as const
type FluxEvent = (typeof EVENTS)[number]

/** The part of a TurnInfo that we use. */
export interface TurnInfo {
  event: FluxEvent
  sequence: number
  turn: number
  /** End of the audio that was transcribed, milliseconds of the stream. */
  untilMs: number
  transcript: string
  /** 0–1. */
  confidence: number
}

/** Null when the message is not a TurnInfo as documented. */
export function readTurnInfo(message: VendorMessage): TurnInfo | null {
  const event = EVENTS.find((known) => known === message['event'])
  const { sequence_id: sequence, turn_index: turn, transcript } = message
  const untilSec = message['audio_window_end']
  if (!event || !isCount(sequence) || !isCount(turn) || typeof transcript !== 'string') return null
  if (typeof untilSec !== 'number' || !Number.isFinite(untilSec) || untilSec < 0) return null
  return {
    event,
    sequence,
    turn,
    untilMs: untilSec * 1000,
    transcript: transcript.slice(0, MAX_TRANSCRIPT_CHARS).trim(),
    confidence: confidenceOf(message['words']),
  }
}

interface Turn {
  text: string
  confidence: number
  sequence: number
  ended: boolean
}

/** The turns of one connection. Only those of the utterance in progress are kept. */
export class FluxTurns {
  readonly #turns = new Map<number, Turn>()
  /** Turns up to this one belong to earlier utterances. */
  #past = -1
  /** Where in the stream the utterance began. */
  #fromMs = 0
  #untilMs = 0

  /** An utterance begins at `fromMs` of the stream: what is still told about the audio before it is not its text. */
  begin(fromMs: number): void {
    this.#past = Math.max(this.#past, this.#openTurn ?? this.#past)
    this.#turns.clear()
    this.#fromMs = fromMs
  }

  /** Takes what the vendor tells; true when it is news of this utterance. A late or repeated message is not. */
  apply(info: TurnInfo): boolean {
    this.#untilMs = Math.max(this.#untilMs, info.untilMs)
    if (info.turn <= this.#past) return false
    if (info.untilMs <= this.#fromMs && this.#fromMs > 0) {
      if (info.event === 'EndOfTurn') this.#past = info.turn
      return false
    }
    const known = this.#turns.get(info.turn)
    if (known?.ended || (known && info.sequence <= known.sequence && info.event !== 'EndOfTurn')) {
      return false
    }
    this.#turns.set(info.turn, {
      text: info.transcript,
      confidence: info.confidence,
      sequence: info.sequence,
      ended: info.event === 'EndOfTurn',
    })
    if (this.#turns.size > MAX_TURNS) this.#turns.delete(Math.min(...this.#turns.keys()))
    return true
  }

  /** Whether the vendor hears a turn that it has not ended. */
  get ongoing(): boolean {
    return this.#openTurn !== null
  }

  get text(): string {
    return this.#said.map(({ text }) => text).join(' ')
  }

  /** That of the least certain turn; 0 without words. */
  get confidence(): number {
    const said = this.#said
    return said.length === 0 ? 0 : Math.min(...said.map(({ confidence }) => confidence))
  }

  /** Whether the audio of the stream up to `ms` has been transcribed. */
  covers(ms: number): boolean {
    return this.#untilMs + STEP_MS >= ms
  }

  get #openTurn(): number | null {
    for (const [index, turn] of this.#turns) if (!turn.ended && turn.text !== '') return index
    return null
  }

  get #said(): Turn[] {
    return [...this.#turns]
      .toSorted(([a], [b]) => a - b)
      .map(([, turn]) => turn)
      .filter(({ text }) => text !== '')
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** The mean of the words' own confidences. */
function confidenceOf(words: unknown): number {
  if (!Array.isArray(words)) return 0
  const each = words.flatMap((word: unknown) => {
    const value =
      typeof word === 'object' && word !== null && 'confidence' in word ? word.confidence : null
    return typeof value === 'number' && value >= 0 && value <= 1 ? [value] : []
  })
  return each.length === 0 ? 0 : each.reduce((sum, value) => sum + value, 0) / each.length
}
