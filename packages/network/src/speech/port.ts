// Hearing and speaking as the rest of the network sees them. One file per engine stands behind this.
import type { Expect } from '../talk/port.ts'

/** Linear PCM, 16 bit, 8000 samples a second, mono: the only audio that crosses this port. */
export type Pcm = Int16Array

export interface Word {
  text: string
  /** Milliseconds from the start of the utterance. */
  fromMs: number
  toMs: number
}

export type EarsEvent =
  | { type: 'partial'; utterance: number; text: string }
  /** The answer to `finish`. `noMatch` comes with empty text: never an invented one. */
  | {
      type: 'final'
      utterance: number
      text: string
      noMatch: boolean
      /** 0–1. */
      confidence: number
    }
  /** The engine's own model finds that the peer has finished; `finish` asks for the text as ever. */
  | { type: 'endOfTurn'; utterance: number }
  /** Another engine hears from here on, an utterance in progress included. `to` null: none does, until one recovers. */
  | ({ type: 'switched'; recognizer: 'phrases' | 'free' } & EngineSwitch)
  /** The engine is gone or late; the utterance counts as not understood. `code` is a short word. */
  | { type: 'fault'; utterance: number; code: string }

/** From which engine to which, by name (null: none), and a short word for the reason. */
export interface EngineSwitch {
  from: string | null
  to: string | null
  reason: string
}

/** What is known of an engine's ears before they are opened. */
export interface Hearing {
  /** What the engine is able to hear; `phrases` is a closed list. */
  recognizer: 'phrases' | 'free'
  /** The engine tells `endOfTurn`. */
  endsTurns: boolean
  /** How long its final text may take after `finish`, milliseconds. */
  finalLimitMs: number
}

/** One listener: the recogniser of one leg. Never blocks; audio beyond its bound is dropped and reported as a fault. */
export interface Ears {
  /** What the engine is able to hear; `phrases` is a closed list. */
  readonly recognizer: 'phrases' | 'free'
  /** As in {@link Hearing}; absent: it never tells the end of a turn. */
  readonly endsTurns?: boolean
  /** As in {@link Hearing}; absent: the talking part's own limit. */
  readonly finalLimitMs?: number
  expect(expect: Expect): void
  /** Opens an utterance; frames written from now on belong to it (the caller passes its own pre-roll). */
  start(utterance: number): void
  /** One 20 ms frame. */
  write(frame: Pcm): void
  /** Asks for the final text of the open utterance. Exactly one `final` or `fault` follows. */
  finish(): void
  /** Drops the open utterance without a result. */
  cancel(): void
  close(): void
}

export interface AudioChunk {
  pcm: Pcm
  /** Words that begin in this chunk, timed from the start of the utterance. */
  words: readonly Word[]
  /** How well the engine that spoke it knows word times, where that is not what the mouth says of itself. */
  basis?: Mouth['wordTimes']
  /** In a first chunk: another engine spoke than was asked. `voice` asks for the same one again. */
  switched?: EngineSwitch & { voice: string | null }
}

/** One voice. */
export interface Mouth {
  /** How well word times are known. */
  readonly wordTimes: 'exact' | 'aligned' | 'estimated'
  /**
   * Renders one sentence or clause (at most 500 characters). Chunks arrive in order; the iteration stops early when
   * `signal` aborts. Throws a Fault when the engine cannot speak. `begun`: a part of the same utterance has its audio
   * already, so the voice must stay.
   */
  speak(
    text: string,
    voice: string | null,
    signal: AbortSignal,
    begun?: boolean,
  ): AsyncIterable<AudioChunk>
}

export interface EarsOptions {
  /** Name of a configured engine; absent or null: the node's own. */
  engine?: string | null
  language: string
  phrases: readonly string[]
  onEvent: (event: EarsEvent) => void
}

export interface Voice {
  id: string
  name: string
  gender: 'female' | 'male' | 'neutral'
  /** BCP-47. */
  language: string
}

/** What a media worker is given: a way to hear and to speak. */
export interface SpeechService {
  openEars(options: EarsOptions): Ears
  readonly mouth: Mouth
  close(): Promise<void>
}

/** Which engine pair a node runs: the embedded one, or the test pair that carries any text exactly as tones. */
export type SpeechEngine = 'embedded' | 'tone'
