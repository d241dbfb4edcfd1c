// Asks the ledger for more money while a call or the target of its transfer talks.
import type { CallDeps } from './deps.ts'
import { persist, type CallLog } from './timeline.ts'

/** Lets a hold of the call grow; false when balance or a cap has no more. `hold`: 0 (default) is the call's own. */
export async function extendHold(
  deps: Pick<CallDeps, 'store' | 'clock' | 'log' | 'committed'>,
  log: CallLog,
  { callId, cents, hold = 0 }: { callId: string; cents: number; hold?: number },
): Promise<boolean> {
  const extended = await persist(deps, () =>
    deps.store.tables.ledger.extend(callId, cents, deps.clock.now(), hold),
  )
  if (extended.ok) log.audit('ledger.extend', { amountCents: cents })
  deps.committed()
  return extended.ok
}
