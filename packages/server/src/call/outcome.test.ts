// What a call was and costs.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { outcomeOf, type Ending } from './outcome.ts'

const ending = (patch: Partial<Ending>): Ending => ({
  measuredMs: null,
  reportedSec: null,
  maxDurationSec: 900,
  rateCentsPerMin: 13,
  cause: 'api_end',
  ...patch,
})

test.each([
  ['measured only', ending({ measuredMs: 9_001 }), 'completed', 'api_end', 10, 3],
  [
    'reported longer',
    ending({ measuredMs: 9_001, reportedSec: 42 }),
    'completed',
    'api_end',
    42,
    10,
  ],
  [
    'reported shorter',
    ending({ measuredMs: 60_000, reportedSec: 1 }),
    'completed',
    'api_end',
    60,
    13,
  ],
  ['reported, never answered', ending({ reportedSec: 42 }), 'completed', 'api_end', 42, 10],
  ['reported fraction', ending({ reportedSec: 0.2 }), 'completed', 'api_end', 1, 1],
  ['reported zero', ending({ reportedSec: 0 }), 'no_answer', 'cancelled', 0, 0],
  ['reported beyond the maximum', ending({ reportedSec: 1e9 }), 'completed', 'api_end', 900, 195],
  [
    'cut at the maximum, a moment late',
    ending({ cause: 'max_duration', measuredMs: 60_180, maxDurationSec: 60 }),
    'completed',
    'max_duration',
    60,
    13,
  ],
  ['ended before answer', ending({}), 'no_answer', 'cancelled', 0, 0],
  ['busy', ending({ cause: 'busy' }), 'no_answer', 'busy', 0, 0],
  ['refused', ending({ cause: 'carrier_refused' }), 'failed', 'carrier_refused', 0, 0],
  [
    'no funds to answer',
    ending({ cause: 'insufficient_funds' }),
    'rejected',
    'insufficient_funds',
    0,
    0,
  ],
  [
    'peer hung up',
    ending({ cause: 'peer_hangup', measuredMs: 1 }),
    'completed',
    'peer_hangup',
    1,
    1,
  ],
] as const)('%s', (_name, input, status, hangupCause, durationSec, costCents) => {
  expect(outcomeOf(input)).toEqual({ status, hangupCause, durationSec, costCents })
})

test('a report never makes a call cheaper, and only completed calls cost', () => {
  fc.assert(
    fc.property(
      fc.option(fc.integer({ min: 0, max: 900_000 })),
      fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
      fc.integer({ min: 0, max: 500 }),
      (measuredMs, reportedSec, rateCentsPerMin) => {
        const base = ending({ measuredMs, rateCentsPerMin })
        const without = outcomeOf(base)
        const reported = outcomeOf({ ...base, reportedSec })
        expect(reported.costCents).toBeGreaterThanOrEqual(without.costCents)
        if (reported.status !== 'completed') expect(reported.costCents).toBe(0)
      },
    ),
  )
})
