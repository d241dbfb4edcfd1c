// Asks the ledger for more money while a call or the target of its transfer talks.
import { CALL_HOLD, type CallRow } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { persistTwice, type CallLog } from './timeline.ts'

/**
 * Lets a hold of the call grow; false when balance or a cap has no more. `hold`: 0 (default) is the call's own. Goes on
 * asking while the database is away, until `signal` aborts: then it throws Cancelled, once nothing is under way. A hold
 * that grew twice because an answer was lost is too large, and no bill is larger for it.
 */
export async function extendHold(
  deps: Pick<CallDeps, 'store' | 'clock' | 'log' | 'committed' | 'fundsLow'>,
  log: CallLog,
  { call, cents, hold = CALL_HOLD }: { call: CallRow; cents: number; hold?: number },
  signal: AbortSignal,
): Promise<boolean> {
  const extend = () => deps.store.tables.ledger.extend(call.id, cents, deps.clock.now(), hold)
  const extended = await persistTwice(deps, extend, signal)
  if (extended.ok) log.audit('ledger.extend', { amountCents: cents })
  else if (extended.refusal.reason === 'insufficient_funds') deps.fundsLow?.(call)
  deps.committed()
  return extended.ok
}
