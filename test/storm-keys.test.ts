// A thousand placements at one moment, each idempotency key used twice, on what covers four hundred: exactly those.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ScriptedNetwork } from './scripted-network.ts'
import { type Answer, ApiClient, openWorld, until, type World } from './world.ts'

const CENTS_PER_MIN = 13
const COVERED = 400
/** One idempotency key in five is of a capped API key, which can have this many calls. */
const CAPPED_SHARE = 5
const CAPPED = 40
/** The limit on live calls: reached by the second storm, which the funds would allow. */
const LIVE_CALLS = 450
const STORM = 1000
/** Requests with the same idempotency key. */
const USES = 2
const TENANT = { workspaceId: 'ws_default', environment: 'test' } as const
/** It rings until it is ended, so that every hold stays for as long as the test wants. */
const TO = '+15555550102'

let world: World
let api: ApiClient
let capped: ApiClient
let numberId = ''

beforeAll(async () => {
  const rate = { manualCentsPerMin: CENTS_PER_MIN, hostedCentsPerMin: CENTS_PER_MIN }
  world = await openWorld({
    network: (clock) => {
      const network = new ScriptedNetwork(clock)
      network.ringingOn.add(TO)
      return Promise.resolve(network)
    },
    config: {
      rates: [{ prefix: '+1', ...rate }],
      limits: { requestsPerSec: 100_000, burst: 100_000, liveCalls: LIVE_CALLS },
    },
  })
  api = world.api
  numberId = (await api.line()).numberId
  await api.consent(numberId, TO)
  const spendLimitCents = CAPPED * CENTS_PER_MIN
  const minted = await api.post('/api-tokens', {
    name: 'capped',
    scopes: ['calls:create', 'calls:read'],
    spendLimitCents,
  })
  capped = new ApiClient(world.url, minted.body.token)
  await fund(COVERED)
})
afterAll(() => world.close())

/** Tops up until exactly so many holds are covered, and a cent less than one more. */
async function fund(holds: number): Promise<void> {
  const { ledger } = world.server.store.tables
  const wanted = (holds + 1) * CENTS_PER_MIN - 1
  await ledger.topUp(TENANT, wanted - (await ledger.balance(TENANT)), 'test', Date.now())
}

interface Asked {
  idempotencyKey: string
  client: ApiClient
  answer: Answer
}

async function place(client: ApiClient, idempotencyKey: string): Promise<Asked> {
  const body = { fromNumberId: numberId, to: TO, ringTimeoutSec: 120 }
  const answer = await client.post('/calls', body, { 'idempotency-key': idempotencyKey })
  return { idempotencyKey, client, answer }
}

/** A part of them from the capped key; both uses of an idempotency key stand side by side. */
function storm(name: string, count: number): Promise<Asked[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => {
      const key = Math.floor(index / USES)
      return place(key % CAPPED_SHARE === 0 ? capped : api, `${name}-${key}`)
    }),
  )
}

/** The calls that were made, by idempotency key; each key made one at most. */
function madeIn(asked: readonly Asked[]): Map<string, string> {
  const made = new Map<string, string>()
  for (const { idempotencyKey, answer } of asked) {
    if (answer.status !== 201) continue
    const { id } = answer.body
    expect(made.get(idempotencyKey) ?? id).toBe(id)
    made.set(idempotencyKey, id)
  }
  expect(new Set(made.values()).size).toBe(made.size)
  return made
}

function refusalsIn(asked: readonly Asked[], client: ApiClient): string[] {
  const refused = asked.filter((each) => each.client === client && each.answer.status !== 201)
  return [
    ...new Set(refused.map(({ answer: { status, body } }) => `${status} ${body._tag}`)),
  ].sort()
}

const keysOf = (asked: readonly Asked[], client: ApiClient): Set<string> =>
  new Set(asked.filter((each) => each.client === client).map((each) => each.idempotencyKey))

async function liveCalls(): Promise<number> {
  const { body } = await api.get('/calls?status=initiated&limit=1000')
  return body.length
}

let first: Asked[]

test(
  'funds for four hundred, a cap for forty, and every key twice',
  { timeout: 120_000 },
  async () => {
    first = await storm('first', STORM)
    const made = madeIn(first)
    expect(made.size).toBe(COVERED)
    expect(await liveCalls()).toBe(COVERED)
    const fromCapped = [...keysOf(first, capped)].filter((key) => made.has(key))
    expect(fromCapped.length).toBeLessThanOrEqual(CAPPED)
    const told = ['402 InsufficientFunds', '402 SpendLimitExceeded', '409 IdempotencyConflict']
    expect(told).toEqual(expect.arrayContaining(refusalsIn(first, capped)))
    expect(told).toEqual(expect.arrayContaining(refusalsIn(first, api)))
    expect(refusalsIn(first, api)).not.toContain('402 SpendLimitExceeded')
    expect(await world.server.store.tables.ledger.verify()).toEqual([])
  },
)

test(
  'every key answers as it did, and none makes a second call',
  { timeout: 120_000 },
  async () => {
    const made = madeIn(first)
    const again = await storm('first', STORM)
    expect(madeIn(again)).toEqual(made)
    for (const { idempotencyKey, answer } of again) {
      if (made.has(idempotencyKey)) expect(answer.headers.get('idempotency-replayed')).toBe('true')
    }
    expect(await liveCalls()).toBe(COVERED)
  },
)

test('the limit on live calls, with money for all', { timeout: 120_000 }, async () => {
  await fund(STORM)
  const second = await storm('second', STORM)
  expect(madeIn(second).size).toBe(LIVE_CALLS - COVERED)
  expect(await liveCalls()).toBe(LIVE_CALLS)
  expect(['409 IdempotencyConflict', '429 ConcurrencyLimited']).toEqual(
    expect.arrayContaining(refusalsIn(second, api)),
  )
})

test('all of it comes back when the calls are over', { timeout: 120_000 }, async () => {
  const before = await world.server.store.tables.ledger.posted(TENANT)
  const { body: calls } = await api.get('/calls?status=initiated&limit=1000')
  await Promise.all(calls.map(({ id }: { id: string }) => api.post(`/calls/${id}/end`)))
  await until('all calls to be over', async () => world.server.calls.live === 0)
  expect((await api.get('/usage')).body.balanceCents).toBe(before)
  expect(await world.server.store.tables.ledger.verify()).toEqual([])
})
