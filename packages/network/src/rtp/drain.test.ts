// Ports of calls that are over: open until nobody sends there, not for ever, and closed with the pool.
import { SimClock } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { DRAIN_MS, MAX_DRAIN_MS, MAX_DRAINING_SOCKETS, PortDrain } from './drain.ts'

function setUp() {
  const clock = new SimClock()
  const freed: number[] = []
  const closed: number[] = []
  const drain = new PortDrain(clock, (port) => void freed.push(port))
  const add = (port: number): (() => void) =>
    drain.add(port, { port, send: () => {}, close: async () => void closed.push(port) })
  return { clock, freed, closed, drain, add }
}

test('a port that is quiet is free after 30 s, its socket closed before', async () => {
  const { clock, freed, closed, add } = setUp()
  add(10_000)
  await clock.advance(DRAIN_MS - 1)
  expect([freed, closed]).toEqual([[], []])
  await clock.advance(1)
  expect([freed, closed]).toEqual([[10_000], [10_000]])
  expect(clock.pending()).toBe(0)
})

test('each late packet puts it off, but no longer than ten minutes', async () => {
  const { clock, freed, add } = setUp()
  const heard = add(10_000)
  await clock.advance(20_000)
  heard()
  add(10_002)
  await clock.advance(DRAIN_MS - 1)
  expect(freed).toEqual([])
  await clock.advance(1)
  expect(freed).toEqual([10_000, 10_002])
  const stubborn = add(10_004)
  for (let ms = 0; ms < MAX_DRAIN_MS; ms += 1000) {
    expect(freed).not.toContain(10_004)
    stubborn()
    await clock.advance(1000)
  }
  expect(freed).toContain(10_004)
  expect(clock.pending()).toBe(0)
})

test('too many sockets are not kept, their ports drain all the same', async () => {
  const { clock, freed, closed, drain, add } = setUp()
  for (let i = 0; i <= MAX_DRAINING_SOCKETS; i++) add(2 * i)
  expect(closed).toEqual([0])
  await clock.advance(DRAIN_MS)
  drain.settle()
  expect(freed).toHaveLength(MAX_DRAINING_SOCKETS + 1)
  expect(closed).toHaveLength(MAX_DRAINING_SOCKETS + 1)
})

test('closing closes every socket and leaves no timer', async () => {
  const { clock, freed, closed, drain, add } = setUp()
  for (const port of [10_000, 10_002]) add(port)
  await drain.close()
  expect([freed, closed, clock.pending()]).toEqual([[], [10_000, 10_002], 0])
})
