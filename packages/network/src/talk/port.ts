// What can be said to, and heard from, the talking part of a leg. Text and times only: no audio type exists here.

/** What the caller is likely to say next; a grammar-only recogniser needs it, every recogniser profits from it. */
export interface Expect {
  phrases?: readonly string[]
  /** Number of digits (1–32) whose arrival, pressed or spoken, ends the turn at once. */
  digits?: number
  hints?: readonly string[]
}

/** How one leg talks. */
export interface TalkOptions {
  /** BCP-47. */
  language: string
  /** Name of the engine that hears, or null for the node's own. */
  engine?: string | null
  /** Voice of the node's own engine, `engine:voice` of another, or null for the default. */
  voice: string | null
  /** Phrases that are always listened for, beside the documented default list. */
  phrases: readonly string[]
  /** Replaces the pause rules when set; milliseconds of silence that end a turn. */
  endpointingMs: number | null
  /** False: the peer's voice never stops our speech (digits still arrive). */
  interruptible: boolean
  /** Whether a person or a machine answered is found out and told, from the first frame on. Absent: no. */
  detectMachine?: boolean
}

export type TalkCommand =
  /**
   * Says `text` after what is queued, and not into the peer's words (a protected one doesn't wait for them). Commands
   * with the same `utteranceId` continue one utterance until one comes without `more`; what still comes for one that
   * was cut is dropped up to there.
   */
  | {
      type: 'speak'
      utteranceId: string
      text: string
      more: boolean
      interruptible: boolean
      /** Can't be cut by anything but the end of the leg (the disclosure). */
      protected: boolean
      voice: string | null
    }
  /** Stops and drops everything that is not protected; each dropped utterance reports `spoke` with `stopped`. */
  | { type: 'stop' }
  /**
   * What to expect and when to report silence (null: never), both until the next `listen`. The expectation holds at
   * once (the peer may cut in), but not within an utterance that is being heard; silence counts from the end of what
   * is queued, and is told once.
   */
  | { type: 'listen'; expect: Expect; silenceTimeoutMs: number | null }
  /** RFC 4733 events `0-9*#A-D`; `w` waits 500 ms. Queued behind what is being said. */
  | { type: 'sendDigits'; digits: string }

/**
 * How the heard text was found: from word times, from alignment, or in proportion to the audio played. What was played
 * to the end of a sentence is `exact` anyway.
 */
export type HeardBasis = 'exact' | 'aligned' | 'estimated'

export type TalkEvent =
  /** The first packet of an utterance has been sent. Milliseconds spent in the engine, and from audio to packet. */
  | { type: 'speaking'; utteranceId: string; speechMs: number; wireMs: number; at: number }
  /** An utterance is over; exactly once for each. `heard` is what was really played, in words. */
  | {
      type: 'spoke'
      utteranceId: string
      outcome: 'played' | 'interrupted' | 'stopped'
      text: string
      heard: string
      heardMs: number
      basis: HeardBasis
      startedAt: number
      endedAt: number
    }
  /** The peer said something and has finished. */
  | {
      type: 'turn'
      text: string
      noMatch: boolean
      confidence: number
      recognizer: 'phrases' | 'free'
      startedAt: number
      endedAt: number
      /** From the last voiced packet to this event, the deliberate wait included. */
      endpointingMs: number
      /** The deliberate wait alone; the rest of `endpointingMs` is our own overhead. */
      waitMs: number
    }
  /** Another engine hears or speaks from here on. Null: none (nothing is heard until one recovers). */
  | {
      type: 'speechSwitched'
      part: 'hear' | 'speak'
      from: string | null
      to: string | null
      reason: string
    }
  /** The peer went on speaking after a turn was reported, before anything was played in answer. A turn follows. */
  | { type: 'resumed' }
  /** A digit was pressed by the peer: one event for each key. It cuts what is interruptible. */
  | { type: 'digits'; digits: string }
  | { type: 'digitsSent'; digits: string }
  /** Nothing was heard for as long as `listen` asked for. */
  | { type: 'silence'; seconds: number }
  /**
   * Who answered, as it sounds (`detectMachine`); later ones revise it. A `beep` is told once it is over, and is the
   * last. `confidence` from 0 to 1; `atMs` in milliseconds of media since the answer.
   */
  | {
      type: 'machine'
      verdict: 'human' | 'machine' | 'beep'
      confidence: number
      at: number
      atMs: number
    }

/**
 * The talking part of one leg, driven by the media clock: `hear` and `play` are each called once per 20 ms frame.
 * Implemented in talk/, hosted by a media session.
 */
export interface Talk {
  /**
   * One received frame: 160 samples, 8 kHz; `voiced` audio or concealment. It is kept, so nobody writes to it any more.
   * `at` is epoch ms of the frame's end.
   */
  hear(frame: Int16Array, at: number): void
  /** The next 160 samples to send, null for silence, or `LATE_FRAME` for nothing. */
  play(at: number): Int16Array | null
  /** A digit arrived by RFC 4733. */
  digit(digit: string, at: number): void
  command(command: TalkCommand): void
  close(): void
}
