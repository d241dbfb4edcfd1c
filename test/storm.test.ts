// Many placements at one moment, on what covers only a few: exactly those succeed, and the books stay right.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Answer, ApiClient, openWorld, until, type World } from './world.ts'

/** With 500 cents of credit and 50 cents a slice, ten calls are covered. */
const CENTS_PER_MIN = 50
const COVERED = 10
const CREDIT = CENTS_PER_MIN * COVERED
const LIVE_CALLS = 30
const STORM = 200
const TENANT = { workspaceId: 'ws_default', environment: 'test' } as const
/** It rings until it is ended, so that every hold stays for as long as the test wants. */
const TO = '+15555550102'

let world: World
let api: ApiClient
let numberId = ''

beforeAll(async () => {
  const rate = { manualCentsPerMin: CENTS_PER_MIN, hostedCentsPerMin: CENTS_PER_MIN }
  world = await openWorld({
    config: {
      rates: [{ prefix: '+1', ...rate }],
      limits: { requestsPerSec: 10_000, burst: 10_000, liveCalls: LIVE_CALLS },
    },
  })
  api = world.api
  numberId = (await api.line()).numberId
  await api.consent(numberId, TO)
})
/** What every storm leaves behind: no live call, no negative balance, a clean ledger. */
async function clearUp(): Promise<void> {
  const { body: calls } = await api.get('/calls?status=initiated&limit=1000')
  await Promise.all(calls.map(({ id }: { id: string }) => api.post(`/calls/${id}/end`)))
  await until('all calls to be over', async () => world.server.calls.live === 0)
  const { body: transactions } = await api.get('/transactions?limit=1000')
  const balances = transactions.map((row: { balanceAfterCents: number }) => row.balanceAfterCents)
  expect(Math.min(...balances)).toBeGreaterThanOrEqual(0)
  expect(await world.server.store.tables.ledger.verify()).toEqual([])
}

afterEach(clearUp)
afterAll(() => world.close())

const place = (client: ApiClient, headers?: Record<string, string>): Promise<Answer> =>
  client.post('/calls', { fromNumberId: numberId, to: TO }, headers)

const balance = async (): Promise<number> => (await api.get('/usage')).body.balanceCents

/** Places from all clients in turn, all at once, and looks at the balance for as long as it lasts. */
async function storm(count: number, clients: ApiClient[]): Promise<Answer[]> {
  let over = false
  const watching = (async () => {
    while (!over) expect(await balance()).toBeGreaterThanOrEqual(0)
  })()
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) => place(clients[index % clients.length]!)),
  )
  over = true
  await watching
  return answers
}

function placedIn(answers: Answer[]): Answer[] {
  return answers.filter(({ status }) => status === 201)
}

/** What the answers that are not a call say, each kind once. */
function refusalsIn(answers: Answer[]): string[] {
  const refused = answers.filter(({ status }) => status !== 201)
  return [...new Set(refused.map(({ status, body }) => `${status} ${body._tag}`))]
}

async function keyWithCap(spendLimitCents: number, minter: ApiClient = api): Promise<ApiClient> {
  const scopes = ['calls:create', 'keys:admin']
  const minted = await minter.post('/api-tokens', { name: 'capped', scopes, spendLimitCents })
  expect(minted.status).toBe(201)
  return new ApiClient(world.url, minted.body.token)
}

test('two hundred placements on a balance that covers ten', { timeout: 60_000 }, async () => {
  expect(await balance()).toBe(CREDIT)
  const answers = await storm(STORM, [api])
  expect(placedIn(answers)).toHaveLength(COVERED)
  expect(refusalsIn(answers)).toEqual(['402 InsufficientFunds'])
  const refused = answers.find(({ status }) => status === 402)!
  expect(refused.body.requestedCents).toBe(CENTS_PER_MIN)
  expect(await balance()).toBe(0)
})

test('the whole hold of each is back', async () => {
  expect(await balance()).toBe(CREDIT)
})

test('a cap that covers ten', { timeout: 60_000 }, async () => {
  await world.server.store.tables.ledger.topUp(TENANT, 10_000, 'test', Date.now())
  const capped = await keyWithCap(CREDIT)
  const answers = await storm(STORM, [capped])
  expect(placedIn(answers)).toHaveLength(COVERED)
  expect(refusalsIn(answers)).toEqual(['402 SpendLimitExceeded'])
  const refused = answers.find(({ status }) => status === 402)!
  const { limitCents, requestedCents } = refused.body
  expect([limitCents, requestedCents]).toEqual([CREDIT, CENTS_PER_MIN])
})

test('a cap that a key shares with the keys that it minted', { timeout: 60_000 }, async () => {
  const parent = await keyWithCap(CREDIT)
  const children = [await keyWithCap(CREDIT - 100, parent), await keyWithCap(CREDIT, parent)]
  const answers = await storm(STORM, [parent, ...children])
  expect(placedIn(answers)).toHaveLength(COVERED)
  expect(refusalsIn(answers)).toEqual(['402 SpendLimitExceeded'])
})

test('as many live calls as are allowed, and no more', { timeout: 60_000 }, async () => {
  const answers = await storm(STORM / 2, [api])
  expect(placedIn(answers)).toHaveLength(LIVE_CALLS)
  expect(refusalsIn(answers)).toEqual(['429 ConcurrencyLimited'])
  const refused = answers.find(({ status }) => status === 429)!
  expect(refused.body).toMatchObject({ limit: LIVE_CALLS, active: LIVE_CALLS })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('the same idempotency key, twenty times at once, makes one call', async () => {
  const headers = { 'idempotency-key': 'once' }
  const before = (await api.get('/calls?limit=1000')).body.length
  const answers = await Promise.all(Array.from({ length: 20 }, () => place(api, headers)))
  const [first] = placedIn(answers)
  expect(new Set(placedIn(answers).map(({ body }) => body.id)).size).toBe(1)
  expect(['', '409 IdempotencyConflict']).toContain(refusalsIn(answers).join())
  expect((await api.get('/calls?limit=1000')).body).toHaveLength(before + 1)
  const again = await place(api, headers)
  expect(again.body).toEqual(first!.body)
  expect(again.headers.get('idempotency-replayed')).toBe('true')
})
