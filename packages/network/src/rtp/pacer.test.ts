// The pacing wheel on simulated time: no drift, catching up, skipping, moving a turn forward and taking it back.
import { drain, SimClock, type Clock, type Timer } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { Pacer, SLOT_MS } from './pacer.ts'

/** A clock whose timers fire when told to, at whatever time it is by then: a busy machine. */
class LateClock implements Clock {
  nowMs = 0
  #due: { atMs: number; callback: () => void } | null = null
  now = (): number => this.nowMs
  monotonicMs = (): number => this.nowMs
  schedule(delayMs: number, callback: () => void): Timer {
    const due = { atMs: this.nowMs + delayMs, callback }
    this.#due = due
    return { cancel: () => void (this.#due === due && (this.#due = null)) }
  }
  sleep = (): Promise<void> => Promise.reject(new Error('unused'))
  /** Lets time pass to `atMs` and the timer fire, if it is due. */
  wake(atMs: number): void {
    this.nowMs = atMs
    for (let due = this.#due; due !== null && due.atMs <= atMs; due = this.#due) {
      this.#due = null
      due.callback()
    }
  }
}

test('gives every leg a turn each 20 ms without drift, spread over four slots', async () => {
  const clock = new SimClock()
  const pacer = new Pacer(clock)
  const turns: number[][] = Array.from({ length: 8 }, () => [])
  const beats = turns.map((times) =>
    pacer.add(() => {
      times.push(clock.monotonicMs())
      return false
    }),
  )
  await clock.advance(10_000)
  for (const times of turns) {
    expect(times.length).toBeGreaterThanOrEqual(500)
    expect(new Set(times.map((ms) => (ms - times[0]!) % 20))).toEqual(new Set([0]))
  }
  const perSlot = [0, 5, 10, 15].map((ms) => turns.filter((times) => times[0] === ms).length)
  expect(perSlot).toEqual([2, 2, 2, 2])
  for (const beat of beats) beat.cancel()
  expect(clock.pending()).toBe(0)
  expect(pacer.size).toBe(0)
})

test('timers that are always late do not add up', () => {
  const clock = new LateClock()
  const pacer = new Pacer(clock)
  let turns = 0
  pacer.add(() => (turns++, false))
  for (let ms = 3; ms < 30_000; ms += 7) clock.wake(ms)
  expect(turns).toBe(1500)
})

test('catches up by at most three frames, and says what it left out', () => {
  const clock = new LateClock()
  const pacer = new Pacer(clock)
  const skips: number[] = []
  pacer.add((skipped) => (skips.push(skipped), false))
  clock.wake(0)
  clock.wake(59)
  expect(skips).toEqual([0, 0, 0])
  clock.wake(1060)
  const [first, ...rest] = skips.slice(3)
  expect(first).toBe(48)
  expect(rest).toEqual([0, 0])
  // Every frame of real time was either sent or skipped.
  expect(skips.length + skips.reduce((sum, n) => sum + n, 0)).toBe(1060 / 20 + 1)
})

test('a hastened turn comes with the next slot, and is taken back while idle', async () => {
  const clock = new SimClock()
  const pacer = new Pacer(clock)
  const times: number[] = []
  const beat = pacer.add(() => (times.push(clock.monotonicMs()), true))
  await clock.advance(101)
  expect(times.at(-1)).toBe(100)
  beat.hasten()
  beat.hasten()
  await clock.advance(5)
  expect(times.at(-1)).toBe(105)
  await clock.advance(20)
  expect(times.at(-1)).toBe(125)
  await clock.advance(2)
  beat.hasten()
  await clock.advance(1000)
  // Over time the leg has had as many turns as there were frames.
  expect(Math.abs(times.length - clock.monotonicMs() / 20)).toBeLessThanOrEqual(1.5)
  beat.cancel()
})

test('every hastened turn comes at once: none of them pays for an earlier one', async () => {
  const clock = new SimClock()
  const pacer = new Pacer(clock)
  const times: number[] = []
  const beat = pacer.add(() => (times.push(clock.monotonicMs()), true))
  await clock.advance(101)
  for (let i = 0; i < 20; i++) {
    // Whenever speech becomes ready, in whichever slot, its first packet is at most a slot away.
    await clock.advance(83 + (i % 4) * 5)
    const readyMs = clock.monotonicMs()
    beat.hasten()
    await clock.advance(5)
    expect(times.at(-1)).toBeGreaterThanOrEqual(readyMs)
  }
  await clock.advance(1000)
  expect(Math.abs(times.length - clock.monotonicMs() / 20)).toBeLessThanOrEqual(1.5)
  beat.cancel()
})

test('legs may end and begin inside a turn', async () => {
  const clock = new SimClock()
  const pacer = new Pacer(clock)
  let second = 0
  const first = pacer.add(() => {
    first.cancel()
    const other = pacer.add(() => {
      if (++second === 3) other.cancel()
      return true
    })
    return true
  })
  await clock.advance(200)
  await drain()
  expect(second).toBe(3)
  expect(clock.pending()).toBe(0)
})

test('sockets are read before the turns of every slot, once for all that are due', async () => {
  const clock = new SimClock()
  const order: string[] = []
  const pacer = new Pacer(clock, () => order.push('sweep'))
  await clock.advance(100)
  expect(order).toEqual([])
  const beats = [pacer.add(() => order.push('turn') > 0), pacer.add(() => order.push('turn') > 0)]
  await clock.advance(4 * SLOT_MS - 1)
  expect(order).toEqual(['sweep', 'turn', 'sweep', 'turn', 'sweep', 'sweep'])
  for (const beat of beats) beat.cancel()
  expect(clock.pending()).toBe(0)
})
