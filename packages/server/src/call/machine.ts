// The life of a call as one total table: every state × every event has a cell. docs/spec/call.md explains it.
import { assert } from '@saperly/kernel'
import type { CallState } from '../store/port.ts'

/** What can happen to a call, from wherever it comes. */
export type CallEvent =
  /** The carrier is about to be asked. */
  | 'dial'
  /** A person's phone rings (first 18x; inbound: we are about to answer). */
  | 'ring'
  | 'answer'
  /** Somebody on our side wants it over: API, directive, limits. */
  | 'end'
  /** The network is done with it, for whatever reason. */
  | 'networkEnded'
  /** The platform itself gives it up: refused before the carrier was asked, or its process died. */
  | 'abandon'

/** A next state, or legal without consequence, or a bug. */
type Cell = { next: CallState } | 'ignored' | 'impossible'

const to = (next: CallState): Cell => ({ next })

export const callTable: Record<CallState, Record<CallEvent, Cell>> = {
  queued: {
    dial: to('dialing'),
    ring: to('ringing'),
    answer: 'impossible',
    end: to('ending'),
    networkEnded: to('ended'),
    abandon: to('ended'),
  },
  dialing: {
    dial: 'impossible',
    ring: to('ringing'),
    answer: to('connected'),
    end: to('ending'),
    networkEnded: to('ended'),
    abandon: to('ended'),
  },
  ringing: {
    dial: 'impossible',
    ring: 'ignored',
    answer: to('connected'),
    end: to('ending'),
    networkEnded: to('ended'),
    abandon: to('ended'),
  },
  connected: {
    dial: 'impossible',
    ring: 'ignored',
    answer: 'impossible',
    end: to('ending'),
    networkEnded: to('ended'),
    abandon: to('ended'),
  },
  ending: {
    dial: 'ignored',
    ring: 'ignored',
    answer: 'ignored',
    end: 'ignored',
    networkEnded: to('ended'),
    abandon: to('ended'),
  },
  ended: {
    dial: 'ignored',
    ring: 'ignored',
    answer: 'ignored',
    end: 'ignored',
    networkEnded: 'ignored',
    abandon: 'ignored',
  },
}

/** The state after `event`, or null when the event has no consequence in this state. Asserts that it is possible. */
export function nextState(state: CallState, event: CallEvent): CallState | null {
  const cell = callTable[state][event]
  assert(cell !== 'impossible', `${event} in state ${state}`)
  return cell === 'ignored' ? null : cell.next
}

/** States in which the network may be asked for something. */
export const liveStates = ['queued', 'dialing', 'ringing', 'connected', 'ending'] as const

/** The coarse phase shown on the wire. */
export function phaseOf(
  state: CallState,
  answeredAt: number | null,
): 'dialing' | 'ringing' | 'connected' | 'ended' {
  switch (state) {
    case 'queued':
    case 'dialing':
      return 'dialing'
    case 'ringing':
      return 'ringing'
    case 'connected':
      return 'connected'
    case 'ending':
      return answeredAt === null ? 'ringing' : 'connected'
    case 'ended':
      return 'ended'
  }
}
