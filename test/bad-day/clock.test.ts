// The time of day is set by an hour, forward and back, under a live call: docs/operations.md says what is promised.
import { type Clock, SystemClock, type Timer } from '@saperly/kernel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Books } from '../books.ts'
import { openWorld, until, type World } from '../world.ts'

const HOUR_MS = 3_600_000
const SILENT = '+15555550109'

/** The machine's clock, whose time of day somebody sets. */
class SetClock implements Clock {
  readonly #clock = new SystemClock()
  #setByMs = 0

  set(byMs: number): void {
    this.#setByMs += byMs
  }

  now(): number {
    return this.#clock.now() + this.#setByMs
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  schedule(delayMs: number, callback: () => void): Timer {
    return this.#clock.schedule(delayMs, callback)
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(delayMs, signal)
  }
}

const clock = new SetClock()
let world: World
let books: Books
let numberId = ''

beforeAll(async () => {
  world = await openWorld({
    environment: { ALLOW_PRIVATE_NETWORKS: '127.0.0.0/8' },
    adapters: { clock },
  })
  books = await Books.open(world)
  numberId = (await world.api.line()).numberId
  await world.api.consent(numberId, SILENT)
})
afterAll(async () => {
  await books.receiver.close()
  await world.close()
})

test.each([
  ['forward', HOUR_MS],
  ['back to what it was', -HOUR_MS],
  ['back before it', -HOUR_MS],
])('%s: the call goes on, and is billed for what it was', async (_, byMs) => {
  const { api } = world
  const placed = await api.post('/calls', { fromNumberId: numberId, to: SILENT })
  expect(placed.status).toBe(201)
  const callId: string = placed.body.id
  await until('the call to be answered', async () => {
    return (await api.get(`/calls/${callId}`)).body.phase === 'connected'
  })
  const startedMs = performance.now()
  clock.set(byMs)
  // Long enough for everything that looks at a clock now and then to have looked.
  await until('three seconds', async () => performance.now() - startedMs > 3_000)
  expect((await api.get(`/calls/${callId}`)).body.phase).toBe('connected')
  const { body: ended } = await api.post(`/calls/${callId}/end`)
  const talkedSec = (performance.now() - startedMs) / 1000
  expect(ended).toMatchObject({ status: 'completed', hangupCause: 'api_end' })
  expect(ended.durationSec).toBeGreaterThanOrEqual(3)
  // It was answered a moment before this side knew.
  expect(ended.durationSec).toBeLessThanOrEqual(Math.ceil(talkedSec) + 3)
  expect(Date.parse(ended.endedAt)).toBeGreaterThanOrEqual(Date.parse(ended.answeredAt))
  const { body: postings } = await api.get('/transactions?limit=100')
  const own = postings.filter((posting: { callId: string | null }) => posting.callId === callId)
  expect(own.map(({ type }: { type: string }) => type).toSorted()).toEqual(['reserve', 'settle'])
  await until('its end to be told', async () => books.terminal(callId).length > 0)
  expect(books.terminal(callId)).toHaveLength(1)
})

test('the books add up afterwards', async () => {
  const { tables } = world.server.store
  expect(await tables.ledger.verify()).toEqual([])
  await tables.audit.chain()
  expect(await tables.audit.verify()).toEqual([])
})
