// What a final SIP response, and the Reason beside it, mean for a call that was not answered: one table.
import type { NetworkCause } from '../port.ts'
import type { Reason } from '../sip/header.ts'

/** `vague`: the code alone says little, so a Reason that says more decides. */
interface Meaning {
  cause: NetworkCause
  /** In place of `cause` once an 18x has come. */
  rang?: NetworkCause
  vague?: true
}

/** RFC 3261 section 21 and what came after it. */
const CODES: Readonly<Record<number, Meaning>> = {
  404: { cause: 'invalid_number' },
  408: { cause: 'carrier_refused', rang: 'no_answer', vague: true },
  410: { cause: 'invalid_number' },
  416: { cause: 'invalid_number' },
  480: { cause: 'no_answer', vague: true },
  484: { cause: 'invalid_number' },
  485: { cause: 'invalid_number' },
  486: { cause: 'busy' },
  487: { cause: 'carrier_refused', rang: 'no_answer', vague: true },
  488: { cause: 'carrier_refused' },
  504: { cause: 'carrier_refused', rang: 'no_answer', vague: true },
  600: { cause: 'busy' },
  603: { cause: 'declined' },
  604: { cause: 'invalid_number' },
  606: { cause: 'carrier_refused' },
  // "Unwanted" is the callee's word (RFC 8197), "Rejected" that of somebody in between (RFC 8688).
  607: { cause: 'declined' },
  608: { cause: 'carrier_refused' },
}

/** Q.850: causes that tell what became of the call; others (16, 31, 127 …) say nothing of it. */
const Q850: Readonly<Record<number, NetworkCause>> = {
  1: 'invalid_number',
  2: 'carrier_refused',
  3: 'carrier_refused',
  17: 'busy',
  18: 'no_answer',
  19: 'no_answer',
  20: 'no_answer',
  21: 'declined',
  22: 'invalid_number',
  27: 'carrier_refused',
  28: 'invalid_number',
  34: 'carrier_refused',
  38: 'carrier_refused',
  41: 'carrier_refused',
  42: 'carrier_refused',
  44: 'carrier_refused',
  47: 'carrier_refused',
  50: 'carrier_refused',
  57: 'carrier_refused',
  58: 'carrier_refused',
  63: 'carrier_refused',
  65: 'carrier_refused',
  79: 'carrier_refused',
  88: 'carrier_refused',
  102: 'carrier_refused',
}

/** Any other code. */
const UNKNOWN: Meaning = { cause: 'carrier_refused', vague: true }

/** Why a call came to nothing. `rang`: an 18x had come before; `reason`: of the final response. */
export function causeOf(sipCode: number, rang: boolean, reason: Reason): NetworkCause {
  const meaning = meaningOf(sipCode)
  const told = meaning.vague ? causeOfReason(reason, rang) : null
  return told ?? plain(meaning, rang)
}

function causeOfReason({ q850, sipCode }: Reason, rang: boolean): NetworkCause | null {
  const told = q850 === null ? undefined : Q850[q850]
  if (told) return told
  const meaning = sipCode === null ? UNKNOWN : meaningOf(sipCode)
  return meaning.vague ? null : plain(meaning, rang)
}

function plain({ cause, rang: afterRinging }: Meaning, rang: boolean): NetworkCause {
  return rang ? (afterRinging ?? cause) : cause
}

function meaningOf(sipCode: number): Meaning {
  return CODES[sipCode] ?? UNKNOWN
}
