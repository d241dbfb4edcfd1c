// The circuit breaker: opens after several failures, rests, and lets one trial decide.
import { SimClock } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { Breaker, FAILURE_WINDOW_MS, MAX_FAILURES, OPEN_MS } from './breaker.ts'

function failing(times: number): { clock: SimClock; breaker: Breaker } {
  const clock = new SimClock()
  const breaker = new Breaker(clock)
  for (let i = 0; i < times; i++) breaker.failed()
  return { clock, breaker }
}

test('it stays closed below the bound, and for failures far apart', async () => {
  const { clock, breaker } = failing(MAX_FAILURES - 1)
  expect(breaker.allows()).toBe(true)
  await clock.advance(FAILURE_WINDOW_MS)
  breaker.failed()
  expect(breaker.state).toBe('closed')
})

test('it opens at the bound, and rests', async () => {
  const { clock, breaker } = failing(MAX_FAILURES)
  expect(breaker.state).toBe('open')
  expect(breaker.allows()).toBe(false)
  // What had begun before may still work; it decides nothing.
  breaker.worked()
  await clock.advance(OPEN_MS - 1)
  expect(breaker.allows()).toBe(false)
})

test('after the rest one trial is allowed; when it works the circuit closes', async () => {
  const { clock, breaker } = failing(MAX_FAILURES)
  await clock.advance(OPEN_MS)
  expect(breaker.allows()).toBe(true)
  expect(breaker.allows()).toBe(false)
  breaker.worked()
  expect(breaker.state).toBe('closed')
  breaker.failed()
  expect(breaker.state).toBe('closed')
})

test('a trial that fails opens it again, and one that is never heard of makes room for another', async () => {
  const { clock, breaker } = failing(MAX_FAILURES)
  await clock.advance(OPEN_MS)
  expect(breaker.allows()).toBe(true)
  breaker.failed()
  expect(breaker.allows()).toBe(false)
  await clock.advance(OPEN_MS)
  expect(breaker.allows()).toBe(true)
  await clock.advance(10_000)
  expect(breaker.allows()).toBe(true)
})
