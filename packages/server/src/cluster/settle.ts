// What became of a placement whose answer was lost, read from the call's row.
import { failure } from '@saperly/contract'
import { type Clock, fail, ok, type Result } from '@saperly/kernel'
import type { PlaceFailure } from '../call/port.ts'
import type { CallRow, Store, Tenant } from '../store/port.ts'

/** How long a carrier may still take to decide; then the call is told as it stands. */
const DECISION_LIMIT_MS = 15_000
const LOOK_INTERVAL_MS = 500

/**
 * As the session that places a call would have said it: it rings, was answered or declined, or could not start. Of why
 * it could not, only what the row holds.
 */
export async function outcomeOfPlacing(
  { store, clock }: { store: Store; clock: Clock },
  tenant: Tenant,
  callId: string,
): Promise<Result<CallRow, PlaceFailure>> {
  const startedMs = clock.monotonicMs()
  for (;;) {
    const call = await store.tables.calls.get(tenant, callId)
    // The record of the placement is written with the call, so without a call there was a refusal that nobody heard.
    if (!call) return fail(failure('Unavailable', { reason: 'the call was refused' }))
    if (!isUndecided(call)) return decided(call)
    if (clock.monotonicMs() - startedMs > DECISION_LIMIT_MS) return ok(call)
    await clock.sleep(LOOK_INTERVAL_MS, new AbortController().signal)
  }
}

/** The carrier has not said yet what becomes of it. */
export function isUndecided({ state }: CallRow): boolean {
  return state === 'queued' || state === 'dialing'
}

function decided(call: CallRow): Result<CallRow, PlaceFailure> {
  if (call.state !== 'ended' || call.status !== 'failed') return ok(call)
  const { id: callId, sipCode } = call
  const hangupCause = call.hangupCause ?? 'carrier_refused'
  return fail(failure('CallStartFailed', { callId, reason: hangupCause, hangupCause, sipCode }))
}
