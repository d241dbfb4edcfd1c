// Asks the ledger for more money while a call or the target of its transfer talks.
import { CALL_HOLD, type CallRow } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { persistTwice, type CallLog } from './timeline.ts'

/**
 * Lets a hold of the call grow; false when balance or a cap has no more. `hold`: 0 (default) is the call's own. Goes on
 * asking while the database is away, until `signal` aborts: then it throws Cancelled, once nothing is under way. However
 * often it has to ask, the hold grows once.
 */
export async function extendHold(
  deps: Pick<CallDeps, 'store' | 'clock' | 'ids' | 'log' | 'committed' | 'fundsLow'>,
  log: CallLog,
  { call, cents, hold = CALL_HOLD }: { call: CallRow; cents: number; hold?: number },
  signal: AbortSignal,
): Promise<boolean> {
  const { ledger } = deps.store.tables
  const txnId = deps.ids.next('txn')
  const extend = () => ledger.extend(call.id, cents, deps.clock.now(), hold, txnId)
  const extended = await persistTwice(deps, extend, signal)
  if (extended.ok) log.audit('ledger.extend', { amountCents: cents })
  else if (extended.refusal.reason === 'insufficient_funds') deps.fundsLow?.(call)
  deps.committed()
  return extended.ok
}
