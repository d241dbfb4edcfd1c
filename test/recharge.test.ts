// A whole server whose customer runs out of money: a call is refused, and the card is charged.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeStripe, STRIPE_KEY, CUSTOMER } from '../packages/server/src/payment/testing.ts'
import { openOperator, readConfig } from '@saperly/server'
import { type Answer, openWorld, until, type World } from './world.ts'

const TENANT = { workspaceId: 'ws_default', environment: 'test' } as const
const ANSWERS = '+15555550100'

let api: FakeStripe
let world: World

beforeAll(async () => {
  api = new FakeStripe(() => Date.now())
  const wanted = { belowCents: 100, amountCents: 1_000, maxPerDayCents: 2_000 }
  world = await openWorld({
    environment: { STRIPE_SECRET_KEY: STRIPE_KEY, STRIPE_API_URL: await api.listen() },
    config: {
      payments: {
        provider: 'stripe',
        workspaces: {
          ws_default: { test: { ...wanted, customer: CUSTOMER, paymentMethod: 'pm_1' } },
        },
      },
    },
  })
})
afterAll(async () => {
  await world.close()
  await api.close()
})

/** Leaves the workspace one cent, and a number that may call. */
async function ruin(): Promise<() => Promise<Answer>> {
  const { ledger } = world.server.store.tables
  const { numberId } = await world.api.line()
  await world.api.consent(numberId, ANSWERS)
  const spent = await ledger.charge({
    tenant: TENANT,
    amountCents: (await ledger.balance(TENANT)) - 1,
    messageId: 'msg_1',
    keyId: null,
    note: 'text',
    at: Date.now(),
  })
  expect(spent.ok).toBe(true)
  return () => world.api.post('/calls', { fromNumberId: numberId, to: ANSWERS })
}

const balance = (): Promise<number> => world.server.store.tables.ledger.balance(TENANT)

const trailOf = async (eventType: string): Promise<Record<string, unknown>[]> =>
  (await world.api.get('/audit-events')).body.filter(
    (entry: { eventType: string }) => entry.eventType === eventType,
  )

test('a call that is refused for lack of money has the card charged', async () => {
  const place = await ruin()
  expect(await place()).toMatchObject({ status: 402, body: { _tag: 'InsufficientFunds' } })
  await until('the recharge', async () => (await balance()) === 1_001)
  expect(api.paid).toMatchObject([{ amount: 1_000, customer: CUSTOMER, payment_method: 'pm_1' }])
  const { body: entries } = await world.api.get('/transactions')
  expect(entries[0]).toMatchObject({ type: 'topup', amountCents: 1_000, balanceAfterCents: 1_001 })
  expect(await trailOf('recharge.paid')).toHaveLength(1)
})

test('a card that declines is left alone until the operator gives money', async () => {
  const place = await ruin()
  api.troubles.push({ declineCode: 'insufficient_funds' })
  expect(await place()).toMatchObject({ status: 402 })
  await until('the decline', async () => (await trailOf('recharge.declined')).length === 1)
  expect(await place()).toMatchObject({ status: 402 })

  const operator = await openOperator(readConfig({ DATA_DIR: world.dataDir }, world.dataDir))
  expect(await operator.topUp(TENANT, 1)).toEqual({ balanceCents: 2 })
  await operator.close()
  expect(await place()).toMatchObject({ status: 402 })
  await until('the recharge', async () => (await balance()) === 1_002)
  expect(api.asked).toHaveLength(3)
})
