// What a media worker and the speech worker say to each other over one MessagePort. Audio never leaves these threads.
import type { TransferListItem } from 'node:worker_threads'
import type { Expect } from '../talk/port.ts'
import type { AudioChunk, EarsEvent, Mouth } from './port.ts'

/** The way between the two: a MessagePort, or what behaves like one between processes. */
export interface SpeechPort {
  postMessage(message: unknown, transfer?: readonly TransferListItem[]): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'close', listener: () => void): unknown
  close(): void
}

/** `ears` and `speech` are numbers that the media worker gives to its listeners and utterances. */
export type ToSpeech =
  | {
      type: 'open'
      ears: number
      engine: string | null
      language: string
      phrases: readonly string[]
    }
  | { type: 'expect'; ears: number; expect: Expect }
  | { type: 'start'; ears: number; utterance: number }
  | { type: 'frame'; ears: number; pcm: Int16Array }
  | { type: 'finish'; ears: number }
  | { type: 'cancel'; ears: number }
  | { type: 'close'; ears: number }
  | { type: 'speak'; speech: number; text: string; voice: string | null; begun: boolean }
  | { type: 'hush'; speech: number }

export type FromSpeech =
  /** The first message: what the engine is. */
  | { type: 'hello'; recognizer: 'phrases' | 'free'; wordTimes: Mouth['wordTimes'] }
  /** Frames taken since the last such message; frames not yet taken tell how far the engine lags behind. */
  | { type: 'taken'; ears: number; frames: number }
  | { type: 'heard'; ears: number; event: EarsEvent }
  | { type: 'chunk'; speech: number; chunk: AudioChunk }
  | { type: 'spoken'; speech: number }
  | { type: 'failed'; speech: number; message: string; retryable: boolean }
