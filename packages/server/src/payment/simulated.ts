// Payments with test money: always paid, unless the payment method says by its own name that it declines.
import { fail, ok } from '@saperly/kernel'
import { type Payment, type PaymentProvider, type PaymentResult, reasonOf } from './port.ts'

/** `declined`, or `declined_` with the reason: `declined_insufficient_funds`. */
const DECLINES = /^declined(?:_(.+))?$/

/** The rule by which a payment method pays or declines; the same payment always comes to the same. */
function outcomeOf({ id, paymentMethod }: Payment): PaymentResult {
  const declines = DECLINES.exec(paymentMethod)
  if (!declines) return ok({ reference: `simulated_${id}` })
  return fail({ reason: reasonOf(declines[1]) ?? 'card_declined' })
}

export const simulatedPayments: PaymentProvider = {
  name: 'simulated',
  charge: (payment) => Promise.resolve(outcomeOf(payment)),
  // Nothing is kept: what comes of a payment follows from itself.
  find: (payment) => Promise.resolve(outcomeOf(payment)),
}
