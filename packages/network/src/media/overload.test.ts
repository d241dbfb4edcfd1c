// When a media worker calls itself overloaded, and when no more.
import { expect, test } from 'vitest'
import { NO_TOTALS, workerLoad, type WorkerLoad } from './load.ts'
import { MIN_STRAINED_LEGS, OverloadWatch, STRAINED_LOOKS } from './overload.ts'

function load(change: Partial<WorkerLoad>): WorkerLoad {
  const calm = workerLoad(
    400,
    0.3,
    { turns: 20_000, p50Ms: 0.25, p99Ms: 1, lateShare: 0 },
    NO_TOTALS,
  )
  return { ...calm, ...change }
}

/** What the watch says after each look. */
function verdicts(...looks: Partial<WorkerLoad>[]): boolean[] {
  const watch = new OverloadWatch()
  return looks.map((look) => {
    watch.look(load(look))
    return watch.overloaded
  })
}

const times = <T>(count: number, what: T): T[] => Array.from({ length: count }, () => what)

test.each([{ loopUse: 0.75 }, { lateShare: 0.06 }])(
  'a strain that lasts is an overload: %o',
  (strain) => {
    expect(verdicts(...times(STRAINED_LOOKS, strain))).toEqual([false, false, true])
  },
)

test('a strain that comes and goes is none', () => {
  const strain = { loopUse: 0.95, lateShare: 0.5 }
  expect(verdicts(strain, strain, {}, strain, strain, {}, strain)).not.toContain(true)
})

test('a pause of 20 ms in each second is none, and keeps no worker from being relieved', () => {
  // It delays four of two hundred turns, one of them by all of it.
  const pause = { slipP99Ms: 20, lateShare: 1 / 200 }
  expect(verdicts(...times(20, pause))).not.toContain(true)
  expect(verdicts(...times(3, { loopUse: 0.8 }), ...times(5, pause)).at(-1)).toBe(false)
})

test('it is over when the worker is well below the mark for a while', () => {
  const after = verdicts(
    ...times(3, { loopUse: 0.8 }),
    ...times(9, { loopUse: 0.65 }),
    ...times(5, {}),
  )
  expect(after.slice(3)).toEqual([...times(13, true), false])
})

test('with few legs the machine is busy with something else', () => {
  const legs = MIN_STRAINED_LEGS - 1
  expect(verdicts(...times(10, { legs, loopUse: 1, lateShare: 1 }))).not.toContain(true)
  const left = verdicts(...times(3, { loopUse: 1 }), ...times(5, { legs, loopUse: 1 }))
  expect(left.at(-1)).toBe(false)
})
