// A name for a peer that does not tell the number: what an opt-out keeps, and the trail says, when the person is erased.
import { createHmac } from 'node:crypto'
import type { Tenant } from '../store/port.ts'

/**
 * HMAC-SHA256 (hex) of the number in one tenant. Numbers are few enough to be tried one by one, so that only the key,
 * which the database does not hold, keeps this from being undone. `key` is that of the audit trail; the word in front
 * tells this use from its digests, whose text begins with a salt.
 */
export function peerHash(key: string, tenant: Tenant, peerNumber: string): string {
  const { workspaceId, environment } = tenant
  return createHmac('sha256', key)
    .update(`peer.${workspaceId}.${environment}.${peerNumber}`)
    .digest('hex')
}
