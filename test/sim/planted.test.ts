// The checkers are alive: a bug of each kind, planted behind one port, is caught under the name of what it breaks.
import { expect, test } from 'vitest'
import { PLANTS } from './plants.ts'
import { simulate } from './simulate.ts'

/** Where no bug is planted, nothing is broken. */
const SEEDS = [501, 502, 503, 504, 505, 506]
/** A bug that takes a rare moment to show has some more worlds to do it in. */
const MORE_SEEDS = Array.from({ length: 24 }, (_, i) => 507 + i)
const CALLS = 150

test.each(Object.entries(PLANTS))('%s is caught', async (_, { breaks, ...world }) => {
  const broken = new Set<string>()
  for (const seed of [...SEEDS, ...MORE_SEEDS]) {
    const { violations } = await simulate({ seed, calls: CALLS, ...world })
    for (const { invariant } of violations) broken.add(invariant)
    if (broken.has(breaks)) break
  }
  expect([...broken]).toContain(breaks)
})

test('without a plant the same worlds break nothing', async () => {
  for (const seed of SEEDS) {
    expect((await simulate({ seed, calls: CALLS })).violations).toEqual([])
  }
})
