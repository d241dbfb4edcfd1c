// The floor: who is talking, as one total table. Three states of our mouth by three of the peer's turn, less one.
import { Bug } from '@saperly/kernel'

/**
 * | our mouth | peer quiet | peer's voice open | waiting for its text |
 * | --- | --- | --- | --- |
 * | silent  | idle     | hearing  | deciding |
 * | playing | speaking | talkover | settling |
 * | held    | –        | paused   | weighing |
 */
export type FloorState =
  | 'idle'
  | 'hearing'
  | 'deciding'
  | 'speaking'
  | 'talkover'
  | 'settling'
  | 'paused'
  | 'weighing'

export type FloorEvent =
  /** The peer's voice began. */
  | 'onset'
  /** The voice lasted long enough to suspect an interruption. */
  | 'suspect'
  /** It is an interruption: a word was recognised, or the voice went on. */
  | 'confirm'
  /** No confirmation came in time. */
  | 'doubt'
  /** The peer's silence lasted as long as the endpoint rules ask. */
  | 'end'
  /** What began was too short to be speech. */
  | 'blip'
  /** The peer's turn is known (its text, or that it was not understood) and is worth telling. */
  | 'turn'
  /** What was heard turned out to be nothing worth telling. */
  | 'noise'
  /** Our first packet of an utterance goes out. */
  | 'speak'
  /** Our utterance is over, by whatever cause but `confirm`. */
  | 'spoken'

/** What is to be done on a transition, in order. */
export type FloorEffect =
  | 'openPart'
  | 'closePart'
  | 'dropPart'
  | 'reportTurn'
  | 'dropTurn'
  | 'hold'
  | 'release'
  | 'cut'

export interface Transition {
  to: FloorState
  effects: readonly FloorEffect[]
}

/** A transition, legal and without consequence, or impossible: whoever raised it is wrong. */
type Cell = Transition | 'ignored' | 'impossible'

function go(to: FloorState, ...effects: FloorEffect[]): Transition {
  return { to, effects }
}

const NO = 'impossible'

export const FLOOR: Readonly<Record<FloorState, Readonly<Record<FloorEvent, Cell>>>> = {
  idle: {
    onset: go('hearing', 'openPart'),
    suspect: NO,
    confirm: NO,
    doubt: NO,
    end: NO,
    blip: NO,
    turn: NO,
    noise: NO,
    speak: go('speaking'),
    spoken: 'ignored',
  },
  hearing: {
    onset: NO,
    suspect: NO,
    confirm: NO,
    doubt: NO,
    end: go('deciding', 'closePart'),
    blip: go('idle', 'dropPart'),
    turn: NO,
    noise: NO,
    speak: go('talkover'),
    spoken: 'ignored',
  },
  deciding: {
    // The peer goes on before we know what was said: one turn in several parts.
    onset: go('hearing', 'openPart'),
    suspect: NO,
    confirm: NO,
    doubt: NO,
    end: NO,
    blip: NO,
    turn: go('idle', 'reportTurn'),
    noise: go('idle', 'dropTurn'),
    speak: go('settling'),
    spoken: 'ignored',
  },
  speaking: {
    onset: go('talkover', 'openPart'),
    suspect: NO,
    confirm: NO,
    doubt: NO,
    end: NO,
    blip: NO,
    turn: NO,
    noise: NO,
    speak: NO,
    spoken: go('idle'),
  },
  talkover: {
    onset: NO,
    suspect: go('paused', 'hold'),
    // The text of an earlier part came while a later one is open.
    confirm: go('hearing', 'cut'),
    doubt: NO,
    end: go('settling', 'closePart'),
    blip: go('speaking', 'dropPart'),
    turn: NO,
    noise: NO,
    speak: NO,
    spoken: go('hearing'),
  },
  settling: {
    onset: go('talkover', 'openPart'),
    suspect: NO,
    confirm: go('deciding', 'cut'),
    doubt: NO,
    end: NO,
    blip: NO,
    turn: go('speaking', 'reportTurn'),
    noise: go('speaking', 'dropTurn'),
    speak: NO,
    spoken: go('deciding'),
  },
  paused: {
    onset: NO,
    suspect: NO,
    confirm: go('hearing', 'cut'),
    doubt: go('talkover', 'release'),
    end: go('weighing', 'closePart'),
    blip: NO,
    turn: NO,
    noise: NO,
    speak: NO,
    spoken: go('hearing'),
  },
  weighing: {
    onset: go('paused', 'openPart'),
    suspect: NO,
    confirm: go('deciding', 'cut'),
    doubt: go('settling', 'release'),
    end: NO,
    blip: NO,
    turn: NO,
    noise: go('speaking', 'release', 'dropTurn'),
    speak: NO,
    spoken: go('deciding'),
  },
}

/** The transition of `event` in `state`. Throws Bug where the table says that it can't happen. */
export function stepFloor(state: FloorState, event: FloorEvent): Transition {
  const cell = FLOOR[state][event]
  if (cell === 'impossible') throw new Bug(`floor: ${event} in ${state}`)
  return cell === 'ignored' ? { to: state, effects: [] } : cell
}

export type MouthState = 'silent' | 'playing' | 'held'
export type EarState = 'quiet' | 'open' | 'deciding'

/** The two coordinates of each state. */
export const FLOOR_SIDES: Readonly<Record<FloorState, { mouth: MouthState; ear: EarState }>> = {
  idle: { mouth: 'silent', ear: 'quiet' },
  hearing: { mouth: 'silent', ear: 'open' },
  deciding: { mouth: 'silent', ear: 'deciding' },
  speaking: { mouth: 'playing', ear: 'quiet' },
  talkover: { mouth: 'playing', ear: 'open' },
  settling: { mouth: 'playing', ear: 'deciding' },
  paused: { mouth: 'held', ear: 'open' },
  weighing: { mouth: 'held', ear: 'deciding' },
}
