// Two processes on one store: they crash, are paused and come back after the other has taken their calls; every promise holds.
import { systemRandom } from '@saperly/kernel'
import { describe, expect, test } from 'vitest'
import { simulate, type SimulationResult } from './simulate.ts'

const FIXED_SEEDS = Array.from({ length: 8 }, (_, index) => 2_001 + index)
const CALLS = 150

async function holds(seed: number): Promise<SimulationResult> {
  const result = await simulate({ seed, calls: CALLS, processes: 2 })
  if (result.violations.length > 0) {
    const again = `npm run sim -- --seed ${seed} --calls ${CALLS} --processes 2`
    throw new Error([...result.lines.slice(-400), again].join('\n'))
  }
  return result
}

describe('two processes', () => {
  test.each(FIXED_SEEDS)('keep their promises in world %i', async (seed) => {
    const { ended } = await holds(seed)
    expect(Object.keys(ended).length).toBeGreaterThan(3)
  })

  test('keep them in a world that nobody has seen before', async () => {
    expect((await holds(systemRandom.int(10_000, 2 ** 31 - 1))).violations).toEqual([])
  })

  test('crash, and are given up by each other, in a few worlds', async () => {
    let crashes = 0
    let lost = 0
    let orphans = 0
    for (const seed of [41, 42, 43, 44]) {
      const result = await holds(seed)
      crashes += result.crashes
      lost += result.lost
      orphans += result.orphans
    }
    expect(crashes).toBeGreaterThan(5)
    expect(lost).toBeGreaterThan(5)
    expect(orphans, 'whoever lives ends what has no owner').toBe(0)
  })
})
