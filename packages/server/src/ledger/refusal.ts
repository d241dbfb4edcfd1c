// Why the ledger said no: the database's answer as the refusal that the call and the API speak of.
import { Bug } from '@saperly/kernel'
import type { LedgerRefusal } from '../store/port.ts'

/** What every move of the ledger answers; see `ledger_answer` in the migrations. */
export interface LedgerAnswer {
  refusal: 'insufficient_funds' | 'spend_limit' | 'concurrency' | 'no_hold' | null
  balanceCents: number
  heldCents: number
  takenCents: number | null
  shortfallCents: number
  limitCents: number
  priorCents: number
  openLimit: number
  openNow: number
}

/** The refusal in an answer, or null when the move was made. Moving money on a call without an open hold is a bug. */
export function refusalIn(answer: LedgerAnswer, requestedCents: number): LedgerRefusal | null {
  switch (answer.refusal) {
    case null:
      return null
    case 'insufficient_funds':
      return { reason: 'insufficient_funds', balanceCents: answer.balanceCents, requestedCents }
    case 'spend_limit':
      return {
        reason: 'spend_limit',
        limitCents: answer.limitCents,
        priorSpendCents: answer.priorCents,
        requestedCents,
      }
    case 'concurrency':
      return { reason: 'concurrency', limit: answer.openLimit, active: answer.openNow }
    case 'no_hold':
      throw new Bug('a hold was extended that is not open')
  }
}
