// What a finished call was, and what it costs: pure rules from what the network measured and the customer reported.
import type { HangupCause } from '@saperly/contract'
import { billedSeconds, costCents } from '@saperly/kernel'
import type { CallStatus } from '../store/port.ts'

export interface Ending {
  /** From answer to hang-up as the network measured it, or null when it was never answered. */
  measuredMs: number | null
  /** What the customer reported: a finite number >= 0, or null. */
  reportedSec: number | null
  maxDurationSec: number
  rateCentsPerMin: number
  cause: HangupCause
}

export interface Outcome {
  status: Exclude<CallStatus, 'initiated'>
  hangupCause: HangupCause
  durationSec: number
  costCents: number
}

/** Causes of a call that a person did not take, as opposed to one that could not be connected. */
const NOT_TAKEN: readonly HangupCause[] = [
  'busy',
  'declined',
  'no_answer',
  'cancelled',
  'opted_out',
]

/** Causes that mean "somebody on our side ended it": before an answer they read `cancelled`. */
const OUR_ENDING: readonly HangupCause[] = ['api_end', 'agent_hangup', 'max_duration', 'silence']

/**
 * The bill is for the longer of what was measured and what was reported, rounded up to a second, and never for more
 * than the call's maximum duration. A call that was neither answered nor reported costs nothing (contract, "Ending a
 * call").
 */
export function outcomeOf(ending: Ending): Outcome {
  const reported = Math.ceil(ending.reportedSec ?? 0)
  const measured = ending.measuredMs === null ? 0 : billedSeconds(ending.measuredMs)
  // A call that is cut at its maximum ends a moment later: that moment is ours, or the bill would exceed its hold.
  const durationSec = Math.min(Math.max(reported, measured), ending.maxDurationSec)
  if (ending.measuredMs !== null || durationSec > 0) {
    return {
      status: 'completed',
      hangupCause: ending.cause === 'cancelled' ? 'api_end' : ending.cause,
      durationSec,
      costCents: costCents(durationSec, ending.rateCentsPerMin),
    }
  }
  const cause = OUR_ENDING.includes(ending.cause) ? 'cancelled' : ending.cause
  const status = cause === 'insufficient_funds' ? 'rejected' : notTaken(cause)
  return { status, hangupCause: cause, durationSec: 0, costCents: 0 }
}

function notTaken(cause: HangupCause): 'no_answer' | 'failed' {
  return NOT_TAKEN.includes(cause) ? 'no_answer' : 'failed'
}
