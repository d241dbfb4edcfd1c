// What the peer said and pressed, kept until the brain may have it.
import type { Directive, ManualEvent } from '@saperly/contract'
import type { Expect, TalkEvent } from '@saperly/network'

export type Turn = Extract<TalkEvent, { type: 'turn' }>

/** An event without what every event carries. */
export type EventBody = ManualEvent extends infer E
  ? E extends ManualEvent
    ? Omit<E, 'requestId' | 'callId' | 'at'>
    : never
  : never

type Wanted = NonNullable<Extract<Directive, { type: 'wait_for_user' }>['expect']>

/** What a brain expects, as the network takes it. */
export function expectOf({ phrases, digits, hints }: Wanted): Expect {
  return {
    ...(phrases ? { phrases } : {}),
    ...(digits ? { digits } : {}),
    ...(hints ? { hints } : {}),
  }
}

/** Digits kept while nobody has asked for them; more are dropped. */
export const MAX_HELD_DIGITS = 64

export class Heard {
  #turn: Turn | null = null
  #digits = ''
  #interrupted: { heard: string } | null = null
  /** Digits that were asked for; fewer are held back until `silence`. */
  wantedDigits = 0

  get digits(): string {
    return this.#digits
  }

  get hasTurn(): boolean {
    return this.#turn !== null
  }

  /** Turns that the brain could not have one by one become one. */
  addTurn(turn: Turn): void {
    this.#turn = this.#turn ? joined(this.#turn, turn) : turn
  }

  /** Nobody is to be asked about what was said until now. */
  forgetTurn(): void {
    this.#turn = null
  }

  /** True when enough has been pressed for the brain to have it. */
  addDigits(digits: string): boolean {
    this.#digits = (this.#digits + digits).slice(0, MAX_HELD_DIGITS)
    return this.#digits.length >= this.wantedDigits
  }

  /** The peer cut in after these words; the next turn says so. */
  interruptedAfter(heard: string): void {
    this.#interrupted = { heard }
  }

  /** The next event for the brain, or null. A turn comes before digits. */
  take(): { body: EventBody; endpointingMs: number | null } | null {
    if (this.#turn) {
      const turn = this.#turn
      const interrupted = this.#interrupted
      this.#turn = null
      this.#interrupted = null
      return { body: turnEvent(turn, interrupted), endpointingMs: turn.endpointingMs }
    }
    if (this.#digits === '') return null
    const digits = this.#digits
    this.#digits = ''
    return { body: { type: 'dtmf', digits }, endpointingMs: null }
  }
}

function turnEvent(turn: Turn, interrupted: { heard: string } | null): EventBody {
  return {
    type: 'turn',
    text: turn.text,
    startedAt: new Date(turn.startedAt).toISOString(),
    endedAt: new Date(turn.endedAt).toISOString(),
    confidence: turn.confidence,
    source: 'speech',
    recognizer: turn.recognizer,
    noMatch: turn.noMatch,
    interrupted,
  }
}

function joined(first: Turn, second: Turn): Turn {
  return {
    ...second,
    text: `${first.text} ${second.text}`.trim(),
    noMatch: first.noMatch && second.noMatch,
    startedAt: first.startedAt,
    recognizer: first.recognizer === 'phrases' ? 'phrases' : second.recognizer,
    confidence: Math.min(first.confidence, second.confidence),
  }
}

/** What the timeline says of a change of engine. */
export function switchData(
  event: Extract<TalkEvent, { type: 'speechSwitched' }>,
): Record<string, unknown> {
  const { part, from, to, reason } = event
  return { part, from, to, reason }
}
