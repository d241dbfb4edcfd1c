// A process that recharges dies at every step of it, one after the other; another takes over, and the books are right.
import { Fault, Ids, seededRandom, silentLog, SimClock, SystemClock } from '@saperly/kernel'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { addressPolicy } from '../outbound/address.ts'
import { Dialler } from '../outbound/dialler.ts'
import type { Store, Tables } from '../store/port.ts'
import { type TestServer, type TestStore, startTestServer } from '../store/testing.ts'
import { furnish, NOW, TENANT } from '../store/testing-rows.ts'
import type { PaymentProvider } from './port.ts'
import { POLL_MS, Recharger } from './recharger.ts'
import { StripePayments } from './stripe.ts'
import { CUSTOMER, FakeStripe, STRIPE_KEY } from './testing.ts'

/** Before and after each statement, each commit and the charge: as many as one recharge has. */
const STEPS = 18

let server: TestServer
let opened: TestStore
let clock: SimClock
let api: FakeStripe
let dialler: Dialler
let stripe: StripePayments

beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())
beforeEach(async () => {
  clock = new SimClock(NOW)
  opened = await server.open()
  await furnish(opened.store)
  api = new FakeStripe(() => clock.now())
  dialler = new Dialler(addressPolicy([], '127.0.0.1'), new SystemClock())
  stripe = new StripePayments({ dialler, secretKey: STRIPE_KEY, apiUrl: await api.listen() })
})
afterEach(async () => {
  await dialler.close()
  await api.close()
  await opened.close()
})

/** A store and a provider whose process is gone from its n-th step on: it asks nothing more and hears nothing more. */
class Mortal {
  readonly #diesAt: number
  steps = 0

  constructor(diesAt: number) {
    this.#diesAt = diesAt
  }

  get dead(): boolean {
    return this.steps > this.#diesAt
  }

  step(): void {
    if (this.dead || this.steps++ === this.#diesAt) throw new Fault('gone', { retryable: true })
  }

  async around<T>(run: () => Promise<T>): Promise<T> {
    this.step()
    const value = await run()
    this.step()
    return value
  }

  tables(tables: Tables): Tables {
    const wrap = <A extends object>(aggregate: A): A =>
      new Proxy(aggregate, {
        get: (target, name) => {
          const method = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>
          return (...args: unknown[]) => this.around(() => method(...args))
        },
      })
    const { recharges, ledger, audit } = tables
    return { ...tables, recharges: wrap(recharges), ledger: wrap(ledger), audit: wrap(audit) }
  }

  store(store: Store): Pick<Store, 'tables' | 'transaction'> {
    return {
      tables: this.tables(store.tables),
      // A death between the last statement and the commit takes everything back.
      transaction: async (body) => {
        const value = await store.transaction(async (tables) => {
          const result = await body(this.tables(tables))
          this.step()
          return result
        })
        this.step()
        return value
      },
    }
  }

  provider(provider: PaymentProvider): PaymentProvider {
    return {
      name: provider.name,
      charge: (...asked) => this.around(() => provider.charge(...asked)),
      find: (...asked) => this.around(() => provider.find(...asked)),
    }
  }
}

function worker(
  store: Pick<Store, 'tables' | 'transaction'>,
  provider: PaymentProvider,
  seed: number,
): Recharger {
  const random = seededRandom(seed)
  const made = new Recharger({
    store,
    providers: { test: provider, live: null },
    settings: [
      {
        tenant: TENANT,
        belowCents: 501,
        amountCents: 2_500,
        maxPerDayCents: 2_500,
        customer: CUSTOMER,
        paymentMethod: 'pm_1',
      },
    ],
    clock,
    ids: new Ids(clock, random),
    random,
    log: silentLog,
    committed: () => undefined,
  })
  made.start()
  return made
}

async function expectRight(): Promise<void> {
  const { recharges, ledger, audit } = opened.store.tables
  expect(await recharges.list(TENANT)).toMatchObject([{ state: 'paid' }])
  expect(api.intents).toMatchObject([{ status: 'succeeded', amount: 2_500 }])
  expect(await ledger.balance(TENANT)).toBe(3_000)
  expect(await ledger.verify()).toEqual([])
  const trail = await audit.list(TENANT, { limit: 10, cursor: null })
  expect(trail.map(({ eventType }) => eventType)).toEqual(['recharge.paid'])
}

const quickly = { timeout: 20_000, interval: 10 }

it.each(Array.from({ length: STEPS }, (_, step) => step))('dead at step %i', async (step) => {
  const mortal = new Mortal(step)
  const dying = worker(mortal.store(opened.store), mortal.provider(stripe), 1)
  await vi.waitFor(() => expect(mortal.dead).toBe(true), quickly)
  await dying.close()

  const heir = worker(await opened.another(), stripe, 2)
  await vi.waitFor(async () => {
    await clock.advance(POLL_MS)
    await expectRight()
  }, quickly)
  await heir.close()
  await expectRight()
  expect(clock.pending()).toBe(0)
})

it('those are all the steps there are', async () => {
  const mortal = new Mortal(Infinity)
  const living = worker(mortal.store(opened.store), mortal.provider(stripe), 1)
  await vi.waitFor(expectRight, quickly)
  await vi.waitFor(() => expect(mortal.steps).toBe(STEPS), quickly)
  await living.close()
})
