// The ledger's no in the contract's words.
import { failure, type FailureOf } from '@saperly/contract'
import type { LedgerRefusal } from '../store/port.ts'

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
