// Who decides whether a call that another process asked for comes into being: whoever first writes this record.
//
// The process that carries the call writes it in the transaction that makes the call; the one that asked, when it gives
// the answer up. The database lets one of them win, so after a lost answer nobody need guess, and no clock is asked.
import type { Tables, Tenant } from '../store/port.ts'

/** No customer can send such a key: a header has no line feed. */
const claimKey = (callId: string): string => `\nplacement of ${callId}`

/** True when it is ours to decide; false when the other side was first. An idempotency record, kept as long as any. */
export async function claimPlacement(
  tables: Pick<Tables, 'idempotency'>,
  { tenant, keyId, callId, at }: { tenant: Tenant; keyId: string; callId: string; at: number },
): Promise<boolean> {
  const requestHash = 'placement'
  const key = claimKey(callId)
  const { state } = await tables.idempotency.begin({ tenant, keyId, key, requestHash, at })
  return state === 'fresh'
}
