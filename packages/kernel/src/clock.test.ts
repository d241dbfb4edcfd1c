// Time: the simulated clock fires in order of deadline and repeats exactly; both count what is pending.
import { expect, test } from 'vitest'
import { Bug } from './assert.ts'
import { SimClock, SystemClock } from './clock.ts'

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
