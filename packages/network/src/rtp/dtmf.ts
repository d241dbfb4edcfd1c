// Digits as named telephone events (RFC 4733), sent and received.
import { FRAME_MS, FRAME_SAMPLES } from './frame.ts'
import { assert } from '@saperly/kernel'

const DIGITS = '0123456789*#ABCD'
const SENDABLE = /^[0-9*#A-Dw]+$/
/** A pressed key sounds for 100 ms, then its end is said three times, then 60 ms pass before the next. */
const TONE_FRAMES = 5
const END_FRAMES = 3
const GAP_FRAMES = 3
const DIGIT_FRAMES = TONE_FRAMES + END_FRAMES + GAP_FRAMES
/** `w` */
const PAUSE_FRAMES = 500 / FRAME_MS
/** -10 dBm0, as is usual. */
const VOLUME = 10
/** Digits waiting to be sent on one leg. */
export const MAX_QUEUED_DIGITS = 256

/** What one 20 ms frame carries while digits are being sent. */
export type ToneStep =
  /** A packet of event `event` (0–15); `first` and `end` mark its beginning and its end. */
  | { kind: 'event'; event: number; first: boolean; end: boolean; durationSamples: number }
  | { kind: 'pause' }

/** Event code of a digit, or null when it isn't one of `0-9*#A-D`. */
export function eventOfDigit(digit: string): number | null {
  const code = digit.length === 1 ? DIGITS.indexOf(digit) : -1
  return code < 0 ? null : code
}

/** The digit of an event code, or null when it is no key's. */
export function digitOfEvent(event: number): string | null {
  return DIGITS[event] ?? null
}

/** The four bytes of an event packet. */
export function writeEvent(step: ToneStep & { kind: 'event' }): Uint8Array {
  const { event, end, durationSamples } = step
  return Uint8Array.of(
    event,
    (end ? 0x80 : 0) | VOLUME,
    durationSamples >> 8,
    durationSamples & 0xff,
  )
}

/** Sends digits frame by frame. */
export class ToneSender {
  readonly #queue: { digit: string; done: (() => void) | null }[] = []
  #frame = 0

  get busy(): boolean {
    return this.#queue.length > 0
  }

  /**
   * Queues `digits` (`0-9*#A-Dw`); `done` is called with the frame after the last one. False, and nothing queued,
   * when something else is in it or the queue is full.
   */
  send(digits: string, done: () => void): boolean {
    if (!SENDABLE.test(digits)) return false
    if (this.#queue.length + digits.length > MAX_QUEUED_DIGITS) return false
    for (const digit of digits) this.#queue.push({ digit, done: null })
    this.#queue.at(-1)!.done = done
    return true
  }

  /** The step of this frame, or null when no digit is being sent. */
  next(): ToneStep | null {
    const current = this.#queue[0]
    if (current === undefined) return null
    const frame = this.#frame++
    const length = current.digit === 'w' ? PAUSE_FRAMES : DIGIT_FRAMES
    if (this.#frame === length) {
      this.#queue.shift()
      this.#frame = 0
      current.done?.()
    }
    if (current.digit === 'w' || frame >= TONE_FRAMES + END_FRAMES) return { kind: 'pause' }
    const event = eventOfDigit(current.digit)
    assert(event !== null, 'a queued digit has an event code')
    return {
      kind: 'event',
      event,
      first: frame === 0,
      end: frame >= TONE_FRAMES,
      durationSamples: FRAME_SAMPLES * Math.min(frame + 1, TONE_FRAMES),
    }
  }
}

/** Recognises digits in received event packets; each is reported once, at its first packet. */
export class ToneReceiver {
  #ssrc: number | null = null
  #event = 0
  /** Timestamp of the event being received, and the one a continuing segment of it would have. */
  #timestamp = 0
  #nextSegment = 0

  /** The digit that begins with this packet, or null: a repetition, an old one, or no digit. */
  receive(packet: { ssrc: number; timestamp: number; payload: Uint8Array }): string | null {
    const { ssrc, timestamp, payload } = packet
    if (payload.length < 4) return null
    const event = payload[0]!
    const digit = digitOfEvent(event)
    if (digit === null) return null
    const known = ssrc === this.#ssrc
    // Events are told apart by timestamp and not by marker, which may be lost or missing.
    if (known && ((timestamp - this.#timestamp) | 0) < 0) return null
    const continued = known && event === this.#event && timestamp === this.#nextSegment
    const repeated = known && timestamp === this.#timestamp
    this.#ssrc = ssrc
    this.#event = event
    this.#timestamp = timestamp
    this.#nextSegment = nextSegmentOf(timestamp, (payload[2]! << 8) | payload[3]!)
    return repeated || continued ? null : digit
  }
}

/** A key held for more than 0xffff samples goes on in a segment with a new timestamp (section 2.5.1.3). */
function nextSegmentOf(timestamp: number, durationSamples: number): number {
  return durationSamples === 0xffff ? (timestamp + durationSamples) >>> 0 : NaN
}
