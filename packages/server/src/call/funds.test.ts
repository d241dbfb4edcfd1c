// Slices: the hold is always ahead of the cost, to the cent, and a call that gets no more is cut inside of it.
import { costCents, SimClock } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CUT_AHEAD_SEC, EXTEND_AHEAD_SEC, firstSliceCents, sliceAt, watchFunds } from './funds.ts'

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

function watch(clock: SimClock, funds: (asked: number) => boolean, maxDurationSec = 900) {
  const log: string[] = []
  let asked = 0
  watchFunds(
    { rateCentsPerMin: 13, maxDurationSec },
    {
      talkedMs: () => clock.monotonicMs(),
      after: (delayMs, step) => void clock.schedule(Math.max(0, delayMs), () => void step()),
      extend: (cents) => {
        log.push(`${clock.monotonicMs()} extend ${cents}`)
        return Promise.resolve(funds(asked++))
      },
      warn: (secondsLeft) => log.push(`${clock.monotonicMs()} warn ${secondsLeft}`),
      cut: () => log.push(`${clock.monotonicMs()} cut`),
    },
  )
  return log
}

test('asks ahead of the end, warns when there is no more, cuts inside what is held', async () => {
  const clock = new SimClock()
  const log = watch(clock, (asked) => asked === 0)
  await clock.advance(900_000)
  expect(log).toEqual([
    `${(60 - EXTEND_AHEAD_SEC) * 1000} extend 13`,
    `${(120 - EXTEND_AHEAD_SEC) * 1000} extend 13`,
    `${(120 - EXTEND_AHEAD_SEC) * 1000} warn ${EXTEND_AHEAD_SEC}`,
    `${(120 - CUT_AHEAD_SEC) * 1000} cut`,
  ])
})

test('a call that is held for whole asks for nothing', async () => {
  const clock = new SimClock()
  const log = watch(clock, () => true, 60)
  await clock.advance(900_000)
  expect(log).toEqual([])
})
