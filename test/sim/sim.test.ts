// The production control plane under simulated time, carrier, brains, store faults and crashes: every invariant holds.
import { readFileSync } from 'node:fs'
import { systemRandom } from '@saperly/kernel'
import { describe, expect, test } from 'vitest'
import { simulate, type SimulationResult } from './simulate.ts'

const CALLS = 200
/** With these, 20,000 calls are simulated on every run. */
const FIXED_SEEDS = Array.from({ length: 90 }, (_, index) => 1_001 + index)
const NEW_SEEDS = 10
/** Seeds that have failed once, with what was wrong. */
const kept = JSON.parse(readFileSync(new URL('kept.json', import.meta.url), 'utf8')) as {
  seed: number
  calls: number
  was: string
}[]

/** What a failure is shown with: enough to play it again, and to see what happened. */
function story({ seed, asked, lines }: SimulationResult): string {
  const again = `npm run sim -- --seed ${seed} --calls ${asked}`
  return [...lines.slice(-400), again].join('\n')
}

async function holds(seed: number, calls: number): Promise<SimulationResult> {
  const result = await simulate({ seed, calls })
  if (result.violations.length > 0) throw new Error(story(result))
  return result
}

describe('the control plane', () => {
  test.each(FIXED_SEEDS)('keeps its promises in world %i', async (seed) => {
    const { ended } = await holds(seed, CALLS)
    expect(Object.keys(ended).length).toBeGreaterThan(3)
  })

  test.each(kept)('still keeps the one it broke in world $seed: $was', async ({ seed, calls }) => {
    const { violations } = await holds(seed, calls)
    expect(violations).toEqual([])
  })

  test('keeps them in worlds that nobody has seen before', async () => {
    for (let i = 0; i < NEW_SEEDS; i++) {
      const { violations } = await holds(systemRandom.int(10_000, 2 ** 31 - 1), CALLS)
      expect(violations).toEqual([])
    }
  })

  test('meets every kind of end, and crashes, in a few worlds', async () => {
    const causes = new Set<string>()
    let crashes = 0
    for (const seed of [31, 32, 33, 34]) {
      const result = await holds(seed, CALLS)
      for (const how of Object.keys(result.ended)) causes.add(how)
      crashes += result.crashes
    }
    expect(crashes).toBeGreaterThan(5)
    expect([...causes]).toEqual(
      expect.arrayContaining([
        'completed peer_hangup',
        'completed agent_hangup',
        'completed api_end',
        'completed opted_out',
        'completed transferred',
        'completed process_lost',
        'failed process_lost',
        'failed carrier_silent',
        'no_answer busy',
        'no_answer cancelled',
      ]),
    )
  })

  test('goes the same way again with the same seed, and another with another', async () => {
    const [first, again, other] = [
      await simulate({ seed: 7, calls: 120 }),
      await simulate({ seed: 7, calls: 120 }),
      await simulate({ seed: 8, calls: 120 }),
    ]
    expect(again.digest).toBe(first.digest)
    expect(again.lines).toEqual(first.lines)
    expect(other.digest).not.toBe(first.digest)
  })
})
