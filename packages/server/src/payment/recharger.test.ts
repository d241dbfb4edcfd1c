// The recharge worker over a real store and a Stripe on loopback: whatever breaks, and wherever, the money that was taken
// is credited once, and taken once.
import {
  assert,
  deferred,
  Fault,
  Ids,
  ok,
  seededRandom,
  silentLog,
  SimClock,
  SystemClock,
} from '@saperly/kernel'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { addressPolicy } from '../outbound/address.ts'
import { Dialler } from '../outbound/dialler.ts'
import type { Store } from '../store/port.ts'
import { type TestServer, type TestStore, startTestServer } from '../store/testing.ts'
import { furnish, NOW, STRANGERS, TENANT } from '../store/testing-rows.ts'
import { ASK_WITHIN_MS, type PaymentProvider, type PaymentResult } from './port.ts'
import { DECLINE_PAUSE_MS, pauseAfter, POLL_MS, Recharger } from './recharger.ts'
import type { RechargeSettings } from './recharger.ts'
import { simulatedPayments } from './simulated.ts'
import { StripePayments } from './stripe.ts'
import { CUSTOMER, FakeStripe, STRIPE_KEY } from './testing.ts'

/** A workspace begins with 500 cents. */
const SETTINGS: RechargeSettings = {
  tenant: TENANT,
  belowCents: 501,
  amountCents: 2_500,
  maxPerDayCents: 10_000,
  customer: CUSTOMER,
  paymentMethod: 'pm_1',
}
const LEASE_MS = 180_000
const HOUR_MS = 3_600_000

let server: TestServer
let opened: TestStore
let clock: SimClock
let api: FakeStripe
let dialler: Dialler
let stripe: StripePayments
let workers: Recharger[]

beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())
beforeEach(async () => {
  clock = new SimClock(NOW)
  opened = await server.open()
  await furnish(opened.store)
  api = new FakeStripe(() => clock.now())
  // The wire is real, and so is its clock; the pauses of the worker are not.
  dialler = new Dialler(addressPolicy([], '127.0.0.1'), new SystemClock())
  stripe = new StripePayments({ dialler, secretKey: STRIPE_KEY, apiUrl: await api.listen() })
  workers = []
})
afterEach(async () => {
  for (const worker of workers) await worker.close()
  await dialler.close()
  await api.close()
  await opened.close()
  assert(clock.pending() === 0, 'a timer leaked')
})

interface WorkerOptions {
  store?: Pick<Store, 'tables' | 'transaction'>
  provider?: PaymentProvider
  settings?: Partial<RechargeSettings>
}

/** A process with its worker, begun. */
function worker({ store, provider = stripe, settings = {} }: WorkerOptions = {}): Recharger {
  const random = seededRandom(workers.length + 1)
  const made = new Recharger({
    store: store ?? opened.store,
    providers: { test: provider, live: null },
    settings: [{ ...SETTINGS, ...settings }],
    clock,
    ids: new Ids(clock, random),
    random,
    log: silentLog,
    committed: () => undefined,
  })
  workers.push(made)
  made.start()
  return made
}

const recharges = () => opened.store.tables.recharges.list(TENANT)
const balance = (): Promise<number> => opened.store.tables.ledger.balance(TENANT)
const page = { limit: 100, cursor: null }
/** Top-ups after the credit of a new workspace. */
const topUps = async () =>
  (await opened.store.tables.ledger.list(TENANT, page))
    .filter(({ type }) => type === 'topup')
    .slice(0, -1)
const trail = async (): Promise<Record<string, unknown>[]> =>
  (await opened.store.tables.audit.list(TENANT, page)).map(({ eventType, data }) => ({
    eventType,
    ...data,
  }))

/** Lets time pass, `stepMs` at a go, until something has come of it. */
async function after(stepMs: number, check: () => Promise<void> | void): Promise<void> {
  const advancing = async (): Promise<void> => {
    await clock.advance(stepMs)
    await check()
  }
  await vi.waitFor(advancing, { timeout: 20_000, interval: 10 })
}

const until = (check: () => Promise<void> | void): Promise<void> => after(0, check)

const spend = (cents: number): Promise<unknown> =>
  opened.store.tables.ledger.charge({
    tenant: TENANT,
    messageId: 'msg_1',
    keyId: null,
    amountCents: cents,
    note: 'text',
    at: NOW,
  })

/** The store, and how often it has refused to open a recharge. */
function countingRefusals() {
  const { tables } = opened.store
  let refusals = 0
  const open: typeof tables.recharges.open = async (...wanted) => {
    const row = await tables.recharges.open(...wanted)
    if (!row) refusals++
    return row
  }
  const counting = { ...tables, recharges: { ...tables.recharges, open } }
  const transaction: Store['transaction'] = (body) => opened.store.transaction(body)
  return { store: { tables: counting, transaction }, refused: () => refusals }
}

/** The store, and how often it has put an attempt off. */
function countingPostponed() {
  const { tables } = opened.store
  let count = 0
  const postpone: typeof tables.recharges.postpone = async (...which) => {
    await tables.recharges.postpone(...which)
    count++
  }
  const counting = { ...tables, recharges: { ...tables.recharges, postpone } }
  const transaction: Store['transaction'] = (body) => opened.store.transaction(body)
  return { store: { tables: counting, transaction }, postponed: () => count }
}

async function expectPaidOnce(): Promise<void> {
  expect(await recharges()).toMatchObject([{ state: 'paid' }])
  expect(api.intents).toMatchObject([{ status: 'succeeded', amount: 2_500 }])
  expect(await topUps()).toMatchObject([{ amountCents: 2_500 }])
  expect(await balance()).toBe(3_000)
  expect(await opened.store.tables.ledger.verify()).toEqual([])
}

describe('a balance that is low', () => {
  it('is recharged, and the trail says by which payment', async () => {
    worker()
    await until(expectPaidOnce)
    const { id } = (await recharges())[0]!
    expect(await trail()).toContainEqual({
      eventType: 'recharge.paid',
      rechargeId: id,
      amountCents: 2_500,
      reference: 'pi_1',
    })
    const [note] = await opened.raw(`select note from transfer where note like 'recharge%'`)
    expect(note).toEqual({ note: `recharge ${id} pi_1` })
    expect(api.asked).toHaveLength(1)
  })

  it('is seen at the next look around, and at once by whoever is told', async () => {
    const made = worker({ settings: { belowCents: 500 } })
    await clock.advance(POLL_MS - 1_000)
    await spend(1)
    made.wake(STRANGERS[0]!)
    await clock.advance(500)
    expect(await recharges()).toEqual([])
    made.wake(TENANT)
    await after(10, async () => expect(await balance()).toBe(2_999))
    expect(clock.now()).toBeLessThan(NOW + POLL_MS)

    await spend(2_999)
    await after(POLL_MS, async () => expect(await balance()).toBe(2_500))
  })

  it('is recharged with test money by ourselves', async () => {
    worker({ provider: simulatedPayments })
    await until(async () => expect(await balance()).toBe(3_000))
    const [paid] = await recharges()
    expect(paid).toMatchObject({ provider: 'simulated', reference: `simulated_${paid!.id}` })
  })

  it('is recharged once by two processes', async () => {
    const another = await opened.another()
    worker()
    worker({ store: another })
    await after(POLL_MS, expectPaidOnce)
    await clock.advance(LEASE_MS)
    await expectPaidOnce()
  })
})

describe('whatever breaks on the way, the money is taken and credited once:', () => {
  it.each(['broken', 'brokenAfter', 'lost', 'rateLimited'] as const)('%s', async (trouble) => {
    api.troubles.push(trouble)
    worker()
    await until(async () => expect((await recharges())[0]).toMatchObject({ attempts: 1 }))
    await after(1_000, expectPaidOnce)
    expect((await recharges())[0]).toMatchObject({ attempts: 2 })
  })

  it('a bank that takes its time', async () => {
    api.troubles.push('processing')
    worker()
    await after(1_000, async () => expect((await recharges())[0]!.attempts).toBeGreaterThan(2))
    expect(await balance()).toBe(500)
    api.intents[0]!.status = 'succeeded'
    await after(30_000, expectPaidOnce)
    expect(api.asked).toHaveLength(1)
  })

  it.each([
    ['fails', true],
    ['is made and its answer lost', false],
  ])('a process that dies after the charge, when its commit %s', async (_, rollsBack) => {
    const { store } = opened
    const commits = deferred<void>()
    worker({
      store: {
        tables: store.tables,
        // What the process does after this is nothing: no statement of it is ever answered again.
        transaction: async (body) => {
          const gone = new Fault('gone', { retryable: true })
          const dying = store.transaction(async (within) => {
            const value = await body(within)
            if (rollsBack) throw gone
            return value
          })
          await dying.catch((error: unknown) => assert(error === gone, 'only the commit fails'))
          commits.resolve()
          throw gone
        },
      },
    })
    await commits.promise
    await workers[0]!.close()
    expect(api.paid).toHaveLength(1)
    expect(await balance()).toBe(rollsBack ? 500 : 3_000)

    worker()
    await after(LEASE_MS, expectPaidOnce)
    expect(api.asked).toHaveLength(1)
  })

  it('a process that ends while the answer is waited for', async () => {
    api.troubles.push('held')
    const first = worker()
    await until(() => expect(api.intents).toHaveLength(1))
    await first.close()
    expect(await recharges()).toMatchObject([{ state: 'pending', attempts: 1 }])
    worker()
    await after(LEASE_MS, expectPaidOnce)
  })

  it('a process whose answer comes when another has found the payment', async () => {
    api.troubles.push('held')
    worker()
    await until(() => expect(api.intents).toHaveLength(1))
    // Another has taken over and found the payment; the first one's answer comes after it.
    const another = await opened.another()
    worker({ store: another })
    await after(LEASE_MS, expectPaidOnce)
    api.release()
    await workers[0]!.close()
    await expectPaidOnce()
  })
})

describe('a payment that is declined', () => {
  it('gives no money, is told in the trail, and is not tried again for an hour', async () => {
    api.troubles.push({ declineCode: 'insufficient_funds' })
    const { store, refused } = countingRefusals()
    const made = worker({ store })
    await until(async () => expect(await recharges()).toMatchObject([{ state: 'declined' }]))
    const { id } = (await recharges())[0]!
    expect(await trail()).toContainEqual({
      eventType: 'recharge.declined',
      rechargeId: id,
      amountCents: 2_500,
      reason: 'insufficient_funds',
    })
    made.wake(TENANT)
    await after(POLL_MS, () => expect(refused()).toBeGreaterThan(2))
    expect(clock.now()).toBeLessThan(NOW + DECLINE_PAUSE_MS)
    expect(await balance()).toBe(500)
    expect(await recharges()).toHaveLength(1)
    await after(DECLINE_PAUSE_MS, async () => expect(await balance()).toBe(3_000))
  })

  it('three times stops it until the operator gives money', async () => {
    const { store, refused } = countingRefusals()
    const settings = { paymentMethod: 'declined_expired_card' }
    worker({ store, provider: simulatedPayments, settings })
    await after(HOUR_MS / 2, async () =>
      expect(await recharges()).toMatchObject(Array(3).fill({ reason: 'expired_card' })),
    )
    const before = refused()
    await after(HOUR_MS / 2, () => expect(refused()).toBeGreaterThan(before + 5))
    expect(await recharges()).toHaveLength(3)
    await opened.store.tables.recharges.pardon(TENANT, clock.now())
    await after(POLL_MS, async () => expect(await recharges()).toHaveLength(4))
  })
})

describe('a provider who is away', () => {
  const away = (): Promise<never> => Promise.reject(new Fault('away', { retryable: true }))

  it('is asked for 20 hours, later and later; then the payment is looked for, and given up', async () => {
    const asked = new Map<string, number[]>()
    const charge: PaymentProvider['charge'] = ({ id }) => {
      asked.set(id, [...(asked.get(id) ?? []), clock.now() - NOW])
      return away()
    }
    const find = (): Promise<null> => Promise.resolve(null)
    const { store, postponed } = countingPostponed()
    worker({ store, provider: { name: 'absent', charge, find } })
    const first = async () => (await recharges()).at(-1)!
    await until(() => expect(postponed()).toBe(1))
    for (let row = await first(); row.state === 'pending'; row = await first()) {
      const before = postponed()
      await clock.advance(600_000)
      if (clock.now() < (row.nextAttemptAt ?? 0)) continue
      // However long the database takes, little time passes before the attempt is over.
      await after(1_000, async () =>
        expect(postponed() > before || (await first()).state !== 'pending').toBe(true),
      )
    }
    expect(await first()).toMatchObject({ state: 'declined', reason: 'unavailable' })
    const times = asked.get((await first()).id)!
    expect(times.length).toBeGreaterThan(15)
    expect(times.length).toBeLessThan(30)
    expect(times.at(-1)).toBeLessThanOrEqual(ASK_WITHIN_MS)
    expect(await topUps()).toEqual([])
  })

  it('and can not be asked about a payment either leaves it open', async () => {
    worker({ provider: { name: 'absent', charge: away, find: away } })
    await after(HOUR_MS, () => expect(clock.now()).toBeGreaterThan(NOW + 2 * ASK_WITHIN_MS))
    expect(await recharges()).toMatchObject([{ state: 'pending' }])
  })

  it('and answers when it has been given up: what was paid is credited all the same', async () => {
    const answer = deferred<PaymentResult>()
    const slow = { name: 'slow', charge: () => answer.promise, find: () => Promise.resolve(null) }
    worker({ provider: slow })
    await until(async () => expect(await recharges()).toMatchObject([{ attempts: 1 }]))
    await clock.advance(ASK_WITHIN_MS + 1)
    const another = await opened.another()
    worker({ store: another, provider: { ...slow, charge: away } })
    await after(0, async () =>
      expect((await recharges()).at(-1)).toMatchObject({
        state: 'declined',
        reason: 'unavailable',
      }),
    )
    answer.resolve(ok({ reference: 'pi_late' }))
    await until(async () => expect(await balance()).toBe(3_000))
    expect((await recharges()).at(-1)).toMatchObject({ state: 'paid', reference: 'pi_late' })
    expect(await topUps()).toHaveLength(1)
  })
})

it('the pauses grow from five seconds to an hour', () => {
  expect([1, 2, 3, 4, 5, 6, 7].map(pauseAfter)).toEqual([
    5_000, 20_000, 80_000, 320_000, 1_280_000, 3_600_000, 3_600_000,
  ])
})
