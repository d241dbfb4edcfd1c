// Slices: the hold is always ahead of the cost, to the cent, and a call that gets no more is cut inside of it.
import { costCents, SimClock, untilCancelled } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  CUT_AHEAD_SEC,
  EXTEND_AHEAD_SEC,
  firstSliceCents,
  Funds,
  sliceAt,
  WARN_AHEAD_SEC,
} from './funds.ts'

test('the held cents are what the covered seconds cost, slice after slice', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 500 }),
      fc.integer({ min: 1, max: 14_400 }),
      (rate, maxDurationSec) => {
        let covered = Math.min(60, maxDurationSec)
        let held = firstSliceCents(rate, maxDurationSec)
        for (;;) {
          expect(held).toBe(costCents(covered, rate))
          const slice = sliceAt(covered, rate, maxDurationSec)
          if (slice.extendAfterMs === null) break
          held += slice.extendByCents
          covered = slice.nextCoveredSec
        }
        expect(covered).toBe(maxDurationSec)
      },
    ),
  )
})

type Answer = boolean | Promise<boolean>

function watch(clock: SimClock, funds: (asked: number) => Answer, maxDurationSec = 900) {
  const log: string[] = []
  let asked = 0
  const note = (what: string) => void log.push(`${clock.monotonicMs()} ${what}`)
  const watched = new Funds(
    clock,
    { rateCentsPerMin: 13, maxDurationSec },
    {
      extend: async (cents, signal) => {
        note(`extend ${cents}`)
        return untilCancelled(Promise.resolve(funds(asked++)), signal)
      },
      warn: (secondsLeft) => note(`warn ${secondsLeft}`),
      cut: (cause) => note(`cut ${cause}`),
      failed: (error) => note(`failed ${String(error)}`),
    },
  )
  return { log, watched }
}

test('asks ahead of the end, warns when there is no more, cuts inside what is held', async () => {
  const clock = new SimClock()
  const { log } = watch(clock, (asked) => asked === 0)
  await clock.advance(900_000)
  expect(log).toEqual([
    `${(60 - EXTEND_AHEAD_SEC) * 1000} extend 13`,
    `${(120 - EXTEND_AHEAD_SEC) * 1000} extend 13`,
    `${(120 - EXTEND_AHEAD_SEC) * 1000} warn ${EXTEND_AHEAD_SEC}`,
    `${(120 - CUT_AHEAD_SEC) * 1000} cut insufficient_funds`,
  ])
  expect(clock.pending()).toBe(0)
})

test('a call that is held for whole asks for nothing, and ends at its maximum', async () => {
  const clock = new SimClock()
  const { log } = watch(clock, () => true, 60)
  await clock.advance(900_000)
  expect(log).toEqual(['60000 cut max_duration'])
})

test('a ledger that does not answer: the caller is told, and the call is cut inside what is held', async () => {
  const clock = new SimClock()
  const { log, watched } = watch(clock, () => new Promise(() => {}))
  await clock.advance(900_000)
  expect(log).toEqual([
    `${(60 - EXTEND_AHEAD_SEC) * 1000} extend 13`,
    `${(60 - WARN_AHEAD_SEC) * 1000} warn ${WARN_AHEAD_SEC}`,
    `${(60 - CUT_AHEAD_SEC) * 1000} cut insufficient_funds`,
  ])
  await watched.stop()
  expect(watched.coveredOf(75_000)).toBe(60_000)
})

test('an answer that comes late, but before the end, keeps the call up', async () => {
  const clock = new SimClock()
  const late = async (): Promise<boolean> => {
    await clock.sleep(13_000, new AbortController().signal)
    return true
  }
  const { log, watched } = watch(clock, (asked) => (asked === 0 ? late() : true))
  await clock.advance(110_000)
  expect(log).toEqual([`45000 extend 13`, `52000 warn ${WARN_AHEAD_SEC}`, '105000 extend 13'])
  await watched.stop()
  await clock.advance(900_000)
  expect(log).toHaveLength(3)
  expect(clock.pending()).toBe(0)
})

test('the time of day may jump an hour either way: nothing is asked for early, nor cut late', async () => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    const clock = new SimClock()
    const { log } = watch(clock, (asked) => asked === 0)
    await clock.advance(30_000)
    clock.jump(jumpMs)
    await clock.advance(900_000)
    expect(log.map((line) => line.split(' ')[0])).toEqual(['45000', '105000', '105000', '119000'])
  }
})
