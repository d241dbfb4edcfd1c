// Payments through Stripe's API (v1, Payment Intents): off session, confirmed at once, under an idempotency key.
//
// A key brings back the first answer to it, a 500 included, for 24 hours at least. So after an attempt of which the end
// is not known, the intent is looked for among the customer's; only if there is none, the money is asked for again.
import { fail, Fault } from '@saperly/kernel'
import type { Environment } from '@saperly/network'
import type { Dialler } from '../outbound/dialler.ts'
import { DialError, type DialLimits } from '../outbound/watch.ts'
import type { Payment, PaymentProvider, PaymentResult } from './port.ts'
import {
  type Intent,
  readError,
  readIntent,
  readPage,
  refusalIn,
  type StripeError,
  standingOf,
} from './stripe-answer.ts'

export const STRIPE_API_URL = 'https://api.stripe.com'
/** Answers keep the shape of this version, whatever the account's own is. */
const API_VERSION = '2024-06-20'
/** The metadata that says whose payment an intent is. */
const OURS = 'saperly_recharge'

/** A bank may take its time; Stripe's own clients wait for 80 s. */
const LIMITS: DialLimits = {
  connectMs: 10_000,
  idleMs: 80_000,
  wholeMs: 80_000,
  maxBytes: 1024 * 1024,
}
const PAGE_SIZE = 100
/** Pages of a customer's payments that are looked through: since the one that is looked for was asked for. */
const MAX_PAGES = 10
/** How far Stripe's clock may be behind ours. */
const CLOCK_SLACK_SEC = 3_600

export interface StripeDeps {
  dialler: Pick<Dialler, 'request'>
  /** Whose mode it is of, test or live, is whose money it moves. */
  secretKey: string
  /** Without a slash at its end. */
  apiUrl: string
}

interface Request {
  method: 'GET' | 'POST'
  path: string
  form: Readonly<Record<string, string>>
  idempotencyKey?: string
  environment: Environment
  signal: AbortSignal
}

interface Answer {
  status: number
  text: string
}

export class StripePayments implements PaymentProvider {
  readonly name = 'stripe'
  readonly #deps: StripeDeps

  constructor(deps: StripeDeps) {
    this.#deps = deps
  }

  async charge(payment: Payment, signal: AbortSignal): Promise<PaymentResult> {
    const answer = await this.#send({
      method: 'POST',
      path: '/v1/payment_intents',
      form: formOf(payment),
      idempotencyKey: payment.id,
      environment: payment.tenant.environment,
      signal,
    })
    if (answer.status === 200) return this.#resultOf(readIntent(answer.text), payment, signal)
    const error = readError(answer.text)
    if (answer.status === 402) return fail({ reason: refusalIn(error) ?? 'card_declined' })
    // What does not pass Stripe's checks was never tried: a customer or a payment method that is not there.
    if (isOfRequest(answer.status, error)) return fail({ reason: refusalIn(error) ?? 'refused' })
    throw faultOf(answer.status)
  }

  async find(payment: Payment, signal: AbortSignal): Promise<PaymentResult | null> {
    const { customer, askedAt, tenant } = payment
    const since = Math.floor(askedAt / 1000) - CLOCK_SLACK_SEC
    let after: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = await this.#send({
        method: 'GET',
        path: '/v1/payment_intents',
        form: {
          customer,
          'created[gte]': String(since),
          limit: String(PAGE_SIZE),
          ...(after !== undefined && { starting_after: after }),
        },
        environment: tenant.environment,
        signal,
      })
      if (answer.status !== 200) {
        if (readError(answer.text).code === 'resource_missing') return null
        throw faultOf(answer.status)
      }
      const { data, has_more: more } = readPage(answer.text)
      const ours = data.find(({ metadata }) => metadata[OURS] === payment.id)
      if (ours) return this.#resultOf(ours, payment, signal)
      after = data.at(-1)?.id
      if (!more || after === undefined) return null
    }
    throw new Fault('a customer has more payments than are looked through', { retryable: false })
  }

  async #resultOf(intent: Intent, payment: Payment, signal: AbortSignal): Promise<PaymentResult> {
    const standing = standingOf(intent)
    if (standing.kind === 'final') return standing.result
    if (standing.kind === 'underWay') {
      throw new Fault('the payment is under way', { retryable: true })
    }
    await this.#cancel(intent.id, payment, signal)
    return fail({ reason: standing.reason })
  }

  /** What waits for somebody who is not there must not be paid by him after we have called it declined. */
  async #cancel(intentId: string, payment: Payment, signal: AbortSignal): Promise<void> {
    const { status } = await this.#send({
      method: 'POST',
      path: `/v1/payment_intents/${intentId}/cancel`,
      form: {},
      environment: payment.tenant.environment,
      signal,
    })
    // It may have been paid in this moment: the next look will tell.
    if (status !== 200) throw faultOf(status === 400 ? 409 : status)
  }

  /** @throws Fault when no whole answer came, Cancelled */
  async #send({ method, path, form, idempotencyKey, ...where }: Request): Promise<Answer> {
    const { dialler, secretKey, apiUrl } = this.#deps
    const fields = new URLSearchParams(form).toString()
    const posts = method === 'POST'
    try {
      const response = await dialler.request({
        ...where,
        method,
        url: `${apiUrl}${path}${posts ? '' : `?${fields}`}`,
        headers: {
          authorization: `Bearer ${secretKey}`,
          'stripe-version': API_VERSION,
          ...(posts && { 'content-type': 'application/x-www-form-urlencoded' }),
          ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        },
        body: posts ? fields : null,
        limits: LIMITS,
      })
      return { status: response.status, text: await response.text() }
    } catch (error) {
      if (!(error instanceof DialError)) throw error
      const retryable = error.kind !== 'refused'
      throw new Fault('the payment provider can not be reached', { cause: error, retryable })
    }
  }
}

function formOf({ id, tenant, amountCents, currency, customer, paymentMethod }: Payment) {
  return {
    amount: String(amountCents),
    currency,
    customer,
    payment_method: paymentMethod,
    off_session: 'true',
    confirm: 'true',
    // Nobody is there to be led to another page, and without a page to come back to none may be asked for.
    'automatic_payment_methods[enabled]': 'true',
    'automatic_payment_methods[allow_redirects]': 'never',
    [`metadata[${OURS}]`]: id,
    'metadata[saperly_workspace]': tenant.workspaceId,
  }
}

/** Whether the answer says that the request itself is at fault, in what the workspace's settings say. */
function isOfRequest(status: number, { type }: StripeError): boolean {
  return (status === 400 || status === 404) && type === 'invalid_request_error'
}

/** A key that is in use (409), too many requests (429) and Stripe's own trouble (5xx) pass; the rest does not alone. */
function faultOf(status: number): Fault {
  const retryable = status === 409 || status === 429 || status >= 500
  return new Fault(`the payment provider answers ${status}`, { retryable })
}
