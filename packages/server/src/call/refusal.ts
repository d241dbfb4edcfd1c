// The ledger's no, and the carrier's, in the contract's words.
import { failure, type FailureOf } from '@saperly/contract'
import type { CallRow, LedgerRefusal } from '../store/port.ts'

type ConcurrencyRefusal = Extract<LedgerRefusal, { reason: 'concurrency' }>

export function concurrencyFailure({
  limit,
  active,
}: ConcurrencyRefusal): FailureOf<'ConcurrencyLimited'> {
  return failure('ConcurrencyLimited', { limit, active })
}

export function refusalFailure(
  refusal: LedgerRefusal,
): FailureOf<'InsufficientFunds' | 'SpendLimitExceeded' | 'ConcurrencyLimited'> {
  switch (refusal.reason) {
    case 'insufficient_funds': {
      const { balanceCents, requestedCents } = refusal
      return failure('InsufficientFunds', { balanceCents, requestedCents })
    }
    case 'spend_limit': {
      const { limitCents, priorSpendCents, requestedCents } = refusal
      return failure('SpendLimitExceeded', { limitCents, priorSpendCents, requestedCents })
    }
    case 'concurrency':
      return concurrencyFailure(refusal)
  }
}

/** Of a call that is over before it began; `reason` is what the network said. */
export function startFailure(
  { id: callId, sipCode, ...call }: CallRow,
  reason: string | null,
): FailureOf<'CallStartFailed'> {
  const hangupCause = call.hangupCause ?? 'carrier_refused'
  return failure('CallStartFailed', { callId, reason: reason ?? hangupCause, hangupCause, sipCode })
}
