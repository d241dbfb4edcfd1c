// Health of a hop: three missed answers take it down, any answer brings it back, and it never stops asking.
import { SimClock, seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HopHealth, PROBE_LIMIT_MS } from './health.ts'

const INTERVAL_MS = 30_000
/** A question, the longest wait for its answer, and the pause. */
const ROUND_MS = INTERVAL_MS + PROBE_LIMIT_MS

function watched(answers: (question: number) => number | null | 'nothing') {
  const clock = new SimClock()
  const changes: boolean[] = []
  const askedMs: number[] = []
  const health = new HopHealth({
    clock,
    random: seededRandom(5),
    intervalMs: INTERVAL_MS,
    probe: (onAnswer) => {
      const answer = answers(askedMs.length)
      askedMs.push(clock.monotonicMs())
      if (answer !== 'nothing') clock.schedule(50, () => onAnswer(answer))
    },
    onChange: (up) => changes.push(up),
  })
  health.open()
  return { clock, changes, askedMs, health }
}

describe('the health of a hop', () => {
  it('any final response counts as alive', async () => {
    const codes = [200, 404, 405, 500, 503]
    const { clock, changes, askedMs, health } = watched((question) => codes[question % 5]!)
    await clock.advance(10 * ROUND_MS)
    expect([changes, health.up]).toEqual([[], true])
    expect(askedMs.length).toBeGreaterThanOrEqual(10)
    health.close()
    expect(clock.pending()).toBe(0)
  })

  it('asks at intervals that differ, within a fifth of what was set', async () => {
    const { clock, askedMs, health } = watched(() => 200)
    await clock.advance(40 * ROUND_MS)
    const gaps = askedMs.slice(1).map((atMs, i) => atMs - askedMs[i]! - 50)
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(INTERVAL_MS * 0.8)
      expect(gap).toBeLessThanOrEqual(INTERVAL_MS)
    }
    expect(new Set(gaps.map(Math.round)).size).toBeGreaterThan(20)
    health.close()
  })

  it('down after three in a row, up after one', async () => {
    const { clock, changes, askedMs, health } = watched((question) =>
      question === 2 || question >= 6 ? 200 : 'nothing',
    )
    while (askedMs.length < 6) await clock.advance(1000)
    // Missed two, answered one, missed two and a third whose answer is still waited for.
    expect([changes, health.up]).toEqual([[], true])
    await clock.advance(PROBE_LIMIT_MS)
    expect([changes, health.up]).toEqual([[false], false])
    while (askedMs.length < 7) await clock.advance(1000)
    await clock.advance(50)
    expect([changes, health.up]).toEqual([[false, true], true])
    health.close()
  })

  it('an answer that comes too late, or twice, changes nothing', async () => {
    const clock = new SimClock()
    const heard: ((sipCode: number | null) => void)[] = []
    const changes: boolean[] = []
    const health = new HopHealth({
      clock,
      random: seededRandom(5),
      intervalMs: INTERVAL_MS,
      probe: (onAnswer) => heard.push(onAnswer),
      onChange: (up) => changes.push(up),
    })
    health.open()
    while (changes.length === 0) await clock.advance(1000)
    for (const onAnswer of heard) onAnswer(200)
    expect(health.up).toBe(false)
    health.close()
    await clock.advance(ROUND_MS)
    expect([heard.length, clock.pending()]).toEqual([3, 0])
  })

  it('is down exactly while the last three or more were missed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 30 }), async (answered) => {
        const { clock, askedMs, health } = watched((question) =>
          (answered[question] ?? true) ? 200 : null,
        )
        while (askedMs.length < answered.length) await clock.advance(5_000)
        await clock.advance(50)
        let missed = 0
        let up = true
        for (const alive of answered) {
          missed = alive ? 0 : missed + 1
          up = alive ? true : up && missed < 3
        }
        expect(health.up).toBe(up)
        health.close()
        expect(clock.pending()).toBe(0)
      }),
      { numRuns: 50 },
    )
  })
})
