// Asks the ledger for more money while a call or the target of its transfer talks.
import type { CallDeps } from './deps.ts'
import { persistTwice, type CallLog } from './timeline.ts'

/**
 * Lets a hold of the call grow; false when balance or a cap has no more. `hold`: 0 (default) is the call's own. Goes on
 * asking while the database is away, until `signal` aborts: then it throws Cancelled, once nothing is under way. A hold
 * that grew twice because an answer was lost is too large, and no bill is larger for it.
 */
export async function extendHold(
  deps: Pick<CallDeps, 'store' | 'clock' | 'log' | 'committed'>,
  log: CallLog,
  { callId, cents, hold = 0 }: { callId: string; cents: number; hold?: number },
  signal: AbortSignal,
): Promise<boolean> {
  const extend = () => deps.store.tables.ledger.extend(callId, cents, deps.clock.now(), hold)
  const extended = await persistTwice(deps, extend, signal)
  if (extended.ok) log.audit('ledger.extend', { amountCents: cents })
  deps.committed()
  return extended.ok
}
