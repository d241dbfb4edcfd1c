// The port to whoever takes money from a customer's card or account.
import type { Result } from '@saperly/kernel'
import type { Tenant } from '../store/port.ts'

/** One payment, asked for in the same words at every attempt. */
export interface Payment {
  /** At most one payment is ever made under this id. */
  id: string
  tenant: Tenant
  amountCents: number
  currency: 'usd'
  /** The provider's names for who pays, and by what. */
  customer: string
  paymentMethod: string
  /** When it was asked for first. */
  askedAt: number
}

/** Paid, under the provider's reference; or final that it is not, with the reason as one word. */
export type PaymentResult = Result<{ reference: string }, { reason: string }>

export interface PaymentProvider {
  readonly name: string
  /**
   * Takes the money. Asked again with the same payment within {@link ASK_WITHIN_MS} of `askedAt`, it takes it once and
   * answers the same.
   * @throws Fault when it is unknown what became of it, retryable unless somebody has to set something right first;
   * Cancelled when `signal` aborts
   */
  charge(payment: Payment, signal: AbortSignal): Promise<PaymentResult>
  /**
   * What became of a payment that was asked for before; null when the provider has none of it. One that is neither paid
   * nor refused, and that nobody will finish, is called off.
   * @throws Fault, Cancelled: as `charge`
   */
  find(payment: Payment, signal: AbortSignal): Promise<PaymentResult | null>
}

/** For so long a provider knows an id again; Stripe promises 24 hours. Later a payment is only looked for. */
export const ASK_WITHIN_MS: number = 20 * 3_600_000

/** A provider's word for a refusal, if it is one: what it says goes into the trail and the log. */
export function reasonOf(word: string | null | undefined): string | null {
  return word && /^[a-z0-9_]{1,64}$/.test(word) ? word : null
}
