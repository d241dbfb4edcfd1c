// The Stripe adapter against an API of the documented shape, over real HTTP: what it asks, and what answers mean.
import { assert, Fault, SimClock } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { addressPolicy } from '../outbound/address.ts'
import { Dialler } from '../outbound/dialler.ts'
import type { Payment } from './port.ts'
import { StripePayments } from './stripe.ts'
import { CUSTOMER, FakeStripe, STRIPE_KEY } from './testing.ts'

const NOW = Date.UTC(2026, 0, 15, 12)

let clock: SimClock
let api: FakeStripe
let apiUrl: string
let dialler: Dialler
let stripe: StripePayments

beforeEach(async () => {
  clock = new SimClock(NOW)
  api = new FakeStripe(() => clock.now())
  apiUrl = await api.listen()
  dialler = new Dialler(addressPolicy([], '127.0.0.1'), clock)
  stripe = new StripePayments({ dialler, secretKey: STRIPE_KEY, apiUrl })
})
afterEach(async () => {
  await dialler.close()
  await api.close()
  assert(clock.pending() === 0, 'a timer leaked')
})

function payment(patch: Partial<Payment> = {}): Payment {
  return {
    id: 'rch_1',
    tenant: { workspaceId: 'ws_a', environment: 'test' },
    amountCents: 2_500,
    currency: 'usd',
    customer: CUSTOMER,
    paymentMethod: 'pm_1',
    askedAt: NOW,
    ...patch,
  }
}

const { signal } = new AbortController()
const charge = (patch?: Partial<Payment>) => stripe.charge(payment(patch), signal)
const find = (patch?: Partial<Payment>) => stripe.find(payment(patch), signal)
const faultOf = async (work: Promise<unknown>): Promise<Fault> => {
  const fault: unknown = await work.then(
    () => null,
    (error: unknown) => error,
  )
  assert(fault instanceof Fault, 'a fault was expected')
  return fault
}

describe('a charge', () => {
  it('asks for the money off session, confirmed at once, under its id', async () => {
    expect(await charge()).toEqual({ ok: true, value: { reference: 'pi_1' } })
    const { headers, form } = api.asked[0]!
    expect(headers).toMatchObject({
      authorization: `Bearer ${STRIPE_KEY}`,
      'content-type': 'application/x-www-form-urlencoded',
      'idempotency-key': 'rch_1',
      'stripe-version': '2024-06-20',
    })
    expect(Object.fromEntries(form)).toEqual({
      amount: '2500',
      currency: 'usd',
      customer: CUSTOMER,
      payment_method: 'pm_1',
      off_session: 'true',
      confirm: 'true',
      'automatic_payment_methods[enabled]': 'true',
      'automatic_payment_methods[allow_redirects]': 'never',
      'metadata[saperly_recharge]': 'rch_1',
      'metadata[saperly_workspace]': 'ws_a',
    })
  })

  it('is one payment however often it is asked for', async () => {
    expect(await charge()).toEqual(await charge())
    expect(api.intents).toHaveLength(1)
  })

  it('that the bank declines says why, again and again', async () => {
    api.troubles.push({ declineCode: 'insufficient_funds' })
    const declined = { ok: false, failure: { reason: 'insufficient_funds' } }
    expect(await charge()).toEqual(declined)
    expect(await charge()).toEqual(declined)
    expect(await find()).toEqual(declined)
  })

  it('never carries on what a stranger wrote as a reason', async () => {
    api.troubles.push({ declineCode: 'Call +15555550123!' })
    expect(await charge()).toEqual({ ok: false, failure: { reason: 'card_declined' } })
  })

  it('of a customer who is not there is refused, and there is nothing to find', async () => {
    const refused = { ok: false, failure: { reason: 'resource_missing' } }
    expect(await charge({ customer: 'cus_none' })).toEqual(refused)
    expect(await find({ customer: 'cus_none' })).toBeNull()
  })

  it('that waits for the payer is called off, so that it can not be paid later', async () => {
    api.troubles.push('requires_action')
    expect(await charge()).toEqual({ ok: false, failure: { reason: 'authentication_required' } })
    expect(api.intents).toMatchObject([{ status: 'canceled' }])
  })

  it.each(['broken', 'brokenAfter', 'lost', 'rateLimited', 'processing'] as const)(
    'that is %s may be asked for again',
    async (trouble) => {
      api.troubles.push(trouble)
      expect(await faultOf(charge())).toMatchObject({ retryable: true })
    },
  )

  it('whose key is in use is asked for again, and is the same', async () => {
    api.troubles.push('held')
    const slow = charge()
    await vi.waitFor(() => expect(api.intents).toHaveLength(1))
    expect(await faultOf(charge())).toMatchObject({
      message: 'the payment provider answers 409',
      retryable: true,
    })
    api.release()
    expect(await slow).toEqual({ ok: true, value: { reference: 'pi_1' } })
    expect(await charge()).toEqual(await slow)
  })

  it('that gets no answer for 80 s is given up, and found', async () => {
    api.troubles.push('held')
    const slow = faultOf(charge())
    await vi.waitFor(() => expect(api.intents).toHaveLength(1))
    await clock.advance(79_000)
    await clock.advance(1_000)
    expect(await slow).toMatchObject({ retryable: true })
    expect(await find()).toEqual({ ok: true, value: { reference: 'pi_1' } })
  })

  it('with another amount under the same id is a fault that no retry mends', async () => {
    await charge()
    expect(await faultOf(charge({ amountCents: 3_000 }))).toMatchObject({ retryable: false })
  })

  it('with a wrong key is such a fault too, and the key is in no message of it', async () => {
    stripe = new StripePayments({ dialler, secretKey: 'sk_test_wrongwrong', apiUrl })
    const fault = await faultOf(charge())
    expect(fault.retryable).toBe(false)
    expect(String(fault.stack) + JSON.stringify(fault)).not.toContain('wrongwrong')
  })

  it('to an address that policy forbids is never made', async () => {
    const tenant = { workspaceId: 'ws_a', environment: 'live' } as const
    expect(await faultOf(charge({ tenant }))).toMatchObject({ retryable: false })
    expect(api.asked).toEqual([])
  })
})

describe('what was asked for before', () => {
  it('is found although the key brings back an error for ever', async () => {
    api.troubles.push('brokenAfter')
    await faultOf(charge())
    await faultOf(charge())
    expect(await find()).toEqual({ ok: true, value: { reference: 'pi_1' } })
    expect(api.intents).toHaveLength(1)
  })

  it('is not there when the request never arrived', async () => {
    await charge({ id: 'rch_other' })
    expect(await find()).toBeNull()
  })

  it('is looked for beyond the first page of the customer', async () => {
    await charge()
    for (let each = 0; each < 120; each++) {
      api.intents.push({ ...api.intents[0]!, id: `pi_more${each}`, metadata: {} })
    }
    expect(await find()).toEqual({ ok: true, value: { reference: 'pi_1' } })
  })

  it('may be under way for long, and is final then', async () => {
    api.troubles.push('processing')
    await faultOf(charge())
    expect(await faultOf(find())).toMatchObject({ message: 'the payment is under way' })
    api.intents[0]!.status = 'succeeded'
    expect(await find()).toEqual({ ok: true, value: { reference: 'pi_1' } })
  })

  it.each([
    ['requires_confirmation', 'requires_confirmation'],
    ['requires_action', 'authentication_required'],
    ['requires_payment_method', 'requires_payment_method'],
  ])('and stands at %s is called off', async (status, reason) => {
    await charge()
    api.intents[0]!.status = status
    expect(await find()).toEqual({ ok: false, failure: { reason } })
    expect(api.intents[0]!.status).toBe('canceled')
  })
})
