// What the store keeps of recharges: money that a payment provider is asked for when a balance has run low.
import type { Environment } from '@saperly/network'
import type { Tenant } from './rows.ts'

export type RechargeState = 'pending' | 'paid' | 'declined'

export interface RechargeRow extends Tenant {
  id: string
  /** Who is asked, by the name of the provider. */
  provider: string
  amountCents: number
  /** The provider's names for who pays, and by what. */
  customer: string
  paymentMethod: string
  state: RechargeState
  /** Attempts that were begun. */
  attempts: number
  nextAttemptAt: number | null
  /** The provider's name for the payment; null until it is paid. */
  reference: string | null
  /** Why it was declined, as one word. */
  reason: string | null
  createdAt: number
  settledAt: number | null
}

export interface RechargeTable {
  /** Those of the tenants whose available balance is below their threshold, and who have no recharge pending. */
  low(
    thresholds: readonly { tenant: Tenant; belowCents: number }[],
  ): Promise<{ tenant: Tenant; belowCents: number }[]>
  /**
   * Opens a recharge unless one is pending, the balance is not below `belowCents` (any more), the day's recharges would
   * go over `maxPerDayCents`, or declines stand in its way: one in the last `pauseMs`, or `maxDeclines` in the last 24
   * hours. Judged under the lock of the account, so that no two processes open one for the same reason.
   */
  open(
    recharge: Pick<
      RechargeRow,
      'id' | 'provider' | 'amountCents' | 'customer' | 'paymentMethod'
    > & { tenant: Tenant },
    limits: { belowCents: number; maxPerDayCents: number; pauseMs: number; maxDeclines: number },
    at: number,
  ): Promise<RechargeRow | null>
  /** Takes up to `limit` due ones of these providers for `leaseMs`, and counts the attempt (SKIP LOCKED). */
  claim(
    providers: Readonly<Record<Environment, string | null>>,
    limit: number,
    at: number,
    leaseMs: number,
  ): Promise<RechargeRow[]>
  /** Puts the next attempt off, unless somebody else has taken it meanwhile. */
  postpone(recharge: Pick<RechargeRow, 'id' | 'attempts'>, nextAttemptAt: number): Promise<void>
  /**
   * The row as it is settled now; null when it was settled before, and the money of the caller's transaction must not
   * move again. A payment settles a declined one too: it came after all.
   */
  settle(
    id: string,
    outcome: { state: 'paid'; reference: string } | { state: 'declined'; reason: string },
    at: number,
  ): Promise<RechargeRow | null>
  /** The operator has given money: former declines stand in the way of nothing any more. */
  pardon(tenant: Tenant, at: number): Promise<void>
  /** When the next is due, or null. */
  nextDueAt(providers: Readonly<Record<Environment, string | null>>): Promise<number | null>
  /** Newest first; at most 1,000. */
  list(tenant: Tenant): Promise<RechargeRow[]>
}
