// Recharges in the config: what fits together, and every fault by its name without a key in it.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from './config.ts'
import { keyFaults } from './payment-config.ts'

const WANTED = {
  belowCents: 1_000,
  amountCents: 5_000,
  maxPerDayCents: 20_000,
  customer: 'cus_1',
  paymentMethod: 'pm_1',
}
const LIVE_KEY = 'sk_live_0123456789abcdef'
const TEST_KEY = 'rk_test_0123456789abcdef'

function read(payments: unknown, environment: Record<string, string> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'saperly-payments-'))
  writeFileSync(join(directory, 'saperly.config.json'), JSON.stringify({ payments }))
  return readConfig(environment, directory).payments
}

function faultsOf(payments: unknown, environment: Record<string, string> = {}): readonly string[] {
  try {
    read(payments, environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

const both = { ws_a: { test: WANTED, live: WANTED } }
const testOnly = { ws_a: { test: WANTED } }

test('nothing is recharged by default, whatever keys are there', () => {
  const off = { provider: null, stripe: null, settings: [] }
  expect(read({})).toEqual(off)
  expect(read({}, { STRIPE_SECRET_KEY: LIVE_KEY })).toEqual(off)
})

test('a live key moves live money, and test money is simulated', () => {
  expect(read({ provider: 'stripe', workspaces: both }, { STRIPE_SECRET_KEY: LIVE_KEY })).toEqual({
    stripe: { secretKey: LIVE_KEY, apiUrl: 'https://api.stripe.com', environment: 'live' },
    provider: 'stripe',
    settings: [
      { tenant: { workspaceId: 'ws_a', environment: 'test' }, ...WANTED },
      { tenant: { workspaceId: 'ws_a', environment: 'live' }, ...WANTED },
    ],
  })
})

test('a test key moves test money only', () => {
  const environment = { STRIPE_SECRET_KEY: TEST_KEY, STRIPE_API_URL: 'http://127.0.0.1:1/' }
  expect(read({ provider: 'stripe', workspaces: testOnly }, environment)).toMatchObject({
    stripe: { apiUrl: 'http://127.0.0.1:1', environment: 'test' },
  })
  expect(keyFaults(read({ provider: 'stripe', workspaces: both }, environment))).toEqual([
    'config file: payments.workspaces.ws_a.live: needs a live STRIPE_SECRET_KEY',
  ])
})

test('what does not fit is named, all at once', () => {
  expect(faultsOf({ workspaces: testOnly })).toEqual([
    'config file: payments.provider: must be set where a workspace is recharged',
  ])
  expect(faultsOf({ provider: 'simulated', workspaces: both })).toEqual([
    'config file: payments.workspaces.ws_a.live: needs the provider stripe',
  ])
  const wrong = { ...WANTED, amountCents: 49, maxPerDayCents: 10, customer: 'a b' }
  expect(
    faultsOf({ provider: 'paypal', workspaces: { ws_a: { test: wrong } } }).map(
      (fault) => fault.split(': ')[1],
    ),
  ).toEqual([
    'payments.provider',
    'payments.workspaces.ws_a.test.amountCents',
    'payments.workspaces.ws_a.test.customer',
    'payments.workspaces.ws_a.test.maxPerDayCents',
  ])
  const small = { ...WANTED, maxPerDayCents: 4_999 }
  expect(faultsOf({ provider: 'simulated', workspaces: { ws_a: { test: small } } })).toEqual([
    'config file: payments.workspaces.ws_a.test.maxPerDayCents: must be at least amountCents',
  ])
})

test('a key is needed by a server, and by no command that only reads the config', () => {
  const config = read({ provider: 'stripe', workspaces: both })
  expect(keyFaults(config)).toEqual([
    'STRIPE_SECRET_KEY: must be set where payments.provider is stripe',
  ])
  const simulated = read({ provider: 'simulated', workspaces: testOnly })
  expect([simulated, read({})].flatMap(keyFaults)).toEqual([])
})

test('the key is checked, crosses no open wire, and stands in no fault', () => {
  const faults = faultsOf(
    { provider: 'stripe' },
    { STRIPE_SECRET_KEY: 'pk_live_published', STRIPE_API_URL: 'http://stripe.example.com' },
  )
  expect(faults).toHaveLength(2)
  expect(faults.join()).toMatch(/STRIPE_SECRET_KEY.*STRIPE_API_URL/)
  expect(faults.join()).not.toContain('published')
})

test('the example in the documentation is a good one', () => {
  const text = readFileSync(new URL('../../../docs/payments.md', import.meta.url), 'utf8')
  const example = /```json config\n([\s\S]*?)```/.exec(text)![1]!
  const { payments } = JSON.parse(example)
  const { settings } = read(payments, { STRIPE_SECRET_KEY: LIVE_KEY })
  expect(settings).toHaveLength(2)
})
