// What the control plane keeps of consent and opt-outs: who may be called, and who must not be.
import type { ConsentRow, OptOutRow, Page, Tenant } from './rows.ts'

export interface ConsentTable {
  grant(row: ConsentRow): Promise<void>
  /** Ends every active consent of the pair; the last one ended, or null when there was none. */
  revoke(
    tenant: Tenant,
    numberId: string,
    peerNumber: string,
    at: number,
  ): Promise<ConsentRow | null>
  /** The strongest consent of the pair that is in force at `at`. */
  active(
    tenant: Tenant,
    numberId: string,
    peerNumber: string,
    at: number,
  ): Promise<ConsentRow | null>
  list(
    tenant: Tenant,
    filter: {
      numberId: string | null
      peerNumber: string | null
      numberIds: readonly string[] | null
    },
    page: Page,
  ): Promise<ConsentRow[]>
  /** The opt-out in force from now on: the one that stood already, where there was one. */
  optOut(
    tenant: Tenant,
    peerNumber: string,
    source: string,
    at: number,
    reason?: string | null,
  ): Promise<OptOutRow>
  /** Opts all of them out; how many had not been. For lists of thousands: inside a transaction, in batches. */
  optOutAll(
    tenant: Tenant,
    peerNumbers: readonly string[],
    source: string,
    at: number,
  ): Promise<number>
  /** Those in force. */
  optOuts(tenant: Tenant, filter: { peerNumber: string | null }, page: Page): Promise<OptOutRow[]>
  liftOptOut(tenant: Tenant, peerNumber: string, source: string, at: number): Promise<boolean>
  isOptedOut(tenant: Tenant, peerNumber: string): Promise<boolean>
  /** What the audit trail calls the peer: it does not tell the number, and outlives the erasure of the person. */
  pseudonym(tenant: Tenant, peerNumber: string): string
  /** Both questions of placing at once: has the peer opted out, and is there consent of the pair in force at `at`. */
  standing(
    tenant: Tenant,
    numberId: string,
    peerNumber: string,
    at: number,
  ): Promise<{ optedOut: boolean; consented: boolean }>
}
