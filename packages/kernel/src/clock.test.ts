// Time: the simulated clock fires in order of deadline and repeats exactly; both count what is pending.
import { expect, test } from 'vitest'
import { Bug } from './assert.ts'
import { evenClock, SimClock, SystemClock } from './clock.ts'

test('fires in order of deadline, then of scheduling, and sees its own time', async () => {
  const clock = new SimClock(1_000_000)
  const log: string[] = []
  clock.schedule(20, () => log.push(`b ${clock.now()}`))
  clock.schedule(10, () => {
    log.push(`a ${clock.monotonicMs()}`)
    clock.schedule(5, () => log.push('nested'))
  })
  clock.schedule(20, () => log.push('c'))
  const never = clock.schedule(15, () => log.push('never'))
  never.cancel()
  await clock.advance(20)
  expect(log).toEqual(['a 10', 'nested', 'b 1000020', 'c'])
  expect(clock.pending()).toBe(0)
})

test('a sleep ends early when its signal aborts, and leaves no timer', async () => {
  for (const clock of [new SimClock(), new SystemClock()]) {
    const stop = new AbortController()
    const sleep = clock.sleep(60_000, stop.signal)
    expect(clock.pending()).toBe(1)
    stop.abort()
    await expect(sleep).rejects.toMatchObject({ name: 'Cancelled' })
    expect(clock.pending()).toBe(0)
  }
})

test('a delay out of range is a bug', () => {
  expect(() => new SimClock().schedule(-1, () => {})).toThrow(Bug)
  expect(() => new SystemClock().schedule(2 ** 31, () => {})).toThrow(Bug)
})

test('the time of day may be set: nothing fires for it, and an even clock goes on', async () => {
  const clock = new SimClock(1_000_000)
  const even = evenClock(clock)
  let fired = 0
  clock.schedule(1_000, () => fired++)
  clock.jump(3_600_000)
  await clock.advance(10)
  expect([fired, clock.now(), clock.monotonicMs()]).toEqual([0, 4_600_010, 10])
  expect([even.now(), even.monotonicMs()]).toEqual([1_000_010, 10])
  clock.jump(-7_200_000)
  await clock.advance(990)
  expect([fired, even.now()]).toEqual([1, 1_001_000])
})
