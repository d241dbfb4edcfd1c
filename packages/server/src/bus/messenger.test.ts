// Questions between processes: answered, too late, to nobody, while the bus is away; and who counts as being there.
import { Fault, Ids, seededRandom, silentLog, SimClock } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Messenger, type Question } from './messenger.ts'
import { Roster, SILENCE_MS, type Standing } from './roster.ts'
import { BusHub } from './testing.ts'

const double: Question<number, number> = { name: 'double', schema: z.number(), answer: z.number() }

function hall() {
  const clock = new SimClock()
  const hub = new BusHub(clock, seededRandom(1))
  const ids = new Ids(clock, seededRandom(2))
  const enter = (standing: Partial<Standing> = {}) => {
    const bus = hub.member()
    const processId = ids.next('req')
    const messenger = new Messenger({ bus, prefix: 'test', processId, clock, log: silentLog })
    const leaseId = `lease_${processId}`
    const whole = {
      role: 'network',
      leaseId,
      closed: false,
      liveCalls: 0,
      workers: 1,
      ...standing,
    } as Standing
    const roster = new Roster({ messenger, clock, standing: () => whole })
    return { bus, processId, messenger, roster }
  }
  return { clock, hub, enter }
}

test('a question is answered by who listens, and nobody is known at once', async () => {
  const { clock, enter } = hall()
  const [a, b] = [enter(), enter()]
  b.messenger.answer(double, b.processId, async (n) => n * 2)
  const asked = a.messenger.ask(double, b.processId, 21, { limitMs: 1_000 })
  const lost = a.messenger.ask(double, 'elsewhere', 21, { limitMs: 1_000 })
  await clock.advance(0)
  expect(await asked).toEqual({ kind: 'answer', value: 42 })
  expect(await lost).toEqual({ kind: 'nobody' })
})

test('what comes after its time is not taken up, whatever the wall clocks say', async () => {
  const { clock, hub, enter } = hall()
  const [a, b] = [enter(), enter()]
  await clock.advance(10)
  let taken = 0
  b.messenger.answer(double, b.processId, async (n) => {
    taken++
    return n * 2
  })
  const startBy = a.roster.startBy(b.processId, 3_000)
  hub.weather = { lost: 0, doubled: 0, late: 1, delayMs: 20_000 }
  const asked = a.messenger.ask(double, b.processId, 1, { limitMs: 60_000, startBy })
  await clock.advance(60_000)
  expect(await asked).toEqual({ kind: 'late' })
  expect(taken).toBe(0)
  expect(a.roster.startBy('unknown', 3_000)).toBe(-Infinity)
})

test('a bus that is away is known at once, and a wait can be given up', async () => {
  const { clock, hub, enter } = hall()
  const [a, b] = [enter(), enter()]
  b.messenger.answer(double, b.processId, () => new Promise<number>(() => {}))
  const stop = new AbortController()
  const asked = a.messenger.ask(double, b.processId, 1, { limitMs: 60_000, signal: stop.signal })
  await clock.advance(10)
  stop.abort()
  expect(await asked).toEqual({ kind: 'silent' })
  hub.turn(false)
  const limitMs = 1_000
  expect(await a.messenger.ask(double, b.processId, 1, { limitMs })).toEqual({ kind: 'away' })
})

test('a fault of the other side is told, and what is unreadable never reaches the handler', async () => {
  const { clock, enter } = hall()
  const [a, b] = [enter(), enter()]
  const heard: unknown[] = []
  b.messenger.answer(double, b.processId, async (n) => {
    heard.push(n)
    throw new Fault('the database is away', { retryable: true })
  })
  const fault = a.messenger.ask(double, b.processId, 1, { limitMs: 1_000 })
  const loose: Question<unknown, number> = { ...double, schema: z.unknown() }
  const odd = a.messenger.ask(loose, b.processId, 'one', { limitMs: 1_000 })
  await clock.advance(0)
  expect([await fault, await odd]).toEqual([{ kind: 'fault' }, { kind: 'fault' }])
  expect(heard).toEqual([1])
})

test('the process with most room for each worker comes first; closed, silent and API ones never', async () => {
  const { clock, enter } = hall()
  const api = enter({ role: 'api', workers: 0 })
  const small = enter({ liveCalls: 10, workers: 1 })
  const large = enter({ liveCalls: 20, workers: 4 })
  enter({ closed: true })
  await clock.advance(1_100)
  expect(api.roster.withRoom()).toEqual([large.processId, small.processId])
  for (let i = 0; i < 21; i++) api.roster.give(large.processId).answered()
  expect(api.roster.withRoom()).toEqual([small.processId, large.processId])
  await clock.advance(1_000)
  expect(api.roster.withRoom()).toEqual([large.processId, small.processId])
  expect(api.roster.holderOf(`lease_${large.processId}`)).toBe(large.processId)
  expect(api.roster.holderOf(`lease_${api.processId}`)).toBe(api.processId)
  expect(api.roster.present).toBe(4)
  large.bus.turn(false)
  await clock.advance(SILENCE_MS + 1_000)
  expect(api.roster.withRoom()).toEqual([small.processId])
  expect(api.roster.holderOf(`lease_${large.processId}`)).toBe(null)
  small.roster.close()
  await clock.advance(1)
  expect(api.roster.withRoom()).toEqual([])
  expect(api.roster.present).toBe(2)
  expect(api.roster.isThere(small.processId)).toBe(false)
})

test('a newcomer is told at once who is there', async () => {
  const { clock, enter } = hall()
  const nodes = [enter({ liveCalls: 1 }), enter({ liveCalls: 2 })]
  await clock.advance(500)
  const api = enter({ role: 'api', workers: 0 })
  await clock.advance(1)
  expect(api.roster.withRoom()).toEqual(nodes.map(({ processId }) => processId))
  expect(nodes.map(({ roster }) => roster.present)).toEqual([3, 3])
})

test('a call that is being placed counts until a report that came after its answer', async () => {
  const { clock, enter } = hall()
  const first = enter()
  const second = enter()
  const api = enter({ role: 'api', workers: 0 })
  await clock.advance(1_100)
  const given = api.roster.give(first.processId)
  // Reports that may have been sent before the process took it up.
  await clock.advance(5_000)
  expect(api.roster.withRoom()).toEqual([second.processId, first.processId])
  given.answered()
  expect(api.roster.withRoom()).toEqual([second.processId, first.processId])
  await clock.advance(1_000)
  expect(api.roster.withRoom()).toEqual([first.processId, second.processId])
})
