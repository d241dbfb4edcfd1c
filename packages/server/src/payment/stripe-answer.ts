// What Stripe's API answers about payments: the shapes that are read, and what they mean.
import { fail, Fault, ok } from '@saperly/kernel'
import { z } from 'zod'
import { type PaymentResult, reasonOf } from './port.ts'

const errorSchema = z.object({
  type: z.string().optional(),
  code: z.string().nullish(),
  decline_code: z.string().nullish(),
})

export type StripeError = z.output<typeof errorSchema>

const intentSchema = z.object({
  id: z.string().regex(/^pi_\w{1,250}$/),
  status: z.string(),
  metadata: z.record(z.string(), z.string()).default({}),
  last_payment_error: errorSchema.nullish(),
})

/** A payment intent, as far as it concerns us. */
export type Intent = z.output<typeof intentSchema>

const pageSchema = z.object({ data: z.array(intentSchema), has_more: z.boolean() })
const failedSchema = z.object({ error: errorSchema })

/**
 * Where an intent stands: paid, refused for good, on its way, or waiting for somebody who is not there. A refused card
 * leaves the intent without a payment method, and a new confirmation would be needed to charge it.
 */
export type Standing =
  | { kind: 'final'; result: PaymentResult }
  | { kind: 'underWay' }
  | { kind: 'waiting'; reason: string }

export function standingOf({ id, status, last_payment_error: error }: Intent): Standing {
  switch (status) {
    case 'succeeded':
      return { kind: 'final', result: ok({ reference: id }) }
    case 'requires_payment_method':
      if (!error) return { kind: 'waiting', reason: status }
      return { kind: 'final', result: fail({ reason: refusalIn(error) ?? 'card_declined' }) }
    case 'canceled':
      return { kind: 'final', result: fail({ reason: refusalIn(error) ?? 'canceled' }) }
    case 'processing':
      return { kind: 'underWay' }
    case 'requires_action':
      return { kind: 'waiting', reason: 'authentication_required' }
    case 'requires_confirmation':
    case 'requires_capture':
      return { kind: 'waiting', reason: status }
    default:
      throw new Fault('the payment provider names a state that is not known', { retryable: false })
  }
}

/** The most telling word in an error: why the bank declined, else what Stripe calls it. */
export function refusalIn(error: StripeError | null | undefined): string | null {
  return reasonOf(error?.decline_code) ?? reasonOf(error?.code)
}

export function readIntent(text: string): Intent {
  return read(intentSchema, text)
}

export function readPage(text: string): z.output<typeof pageSchema> {
  return read(pageSchema, text)
}

/** The error in the body of an answer that is none of success; nothing in it when it is not Stripe's. */
export function readError(text: string): StripeError {
  const parsed = failedSchema.safeParse(jsonIn(text))
  return parsed.success ? parsed.data.error : {}
}

/** A success that can't be read says nothing about the money, so that it is asked for again. */
function read<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  const parsed = schema.safeParse(jsonIn(text))
  if (parsed.success) return parsed.data
  throw new Fault('the payment provider answers what can not be read', { retryable: true })
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
