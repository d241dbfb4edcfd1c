// A trunk's limits: never more calls than it takes in any window or at one time, in order, and nobody waits for ever.
import { SimClock } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_WAITING, TURN_LIMIT_MS, TrunkLimits } from './limits.ts'
import type { Limit, Ticket } from './limits.ts'

function limits(callsPerSec: number | null, maxCalls: number | null) {
  const clock = new SimClock()
  const made = new TrunkLimits(clock, { callsPerSec, maxCalls })
  const answers: (Limit | null)[] = []
  const take = (): Ticket => made.take((refusal) => answers.push(refusal))
  return { clock, made, answers, take }
}

describe('the limits of a trunk', () => {
  it('let everybody through when there are none', () => {
    const { answers, take, made, clock } = limits(null, null)
    for (let i = 0; i < 1000; i++) take()
    expect(answers).toEqual(Array.from({ length: 1000 }, () => null))
    expect([made.calls, clock.pending()]).toEqual([1000, 0])
  })

  it('two calls a second: the third waits a second, the seventh is refused after two', async () => {
    const { clock, answers, take } = limits(2, null)
    for (let i = 0; i < 7; i++) take()
    expect(answers).toEqual([null, null])
    await clock.advance(999)
    expect(answers).toHaveLength(2)
    await clock.advance(1)
    expect(answers).toHaveLength(4)
    await clock.advance(TURN_LIMIT_MS)
    expect(answers).toEqual([null, null, null, null, null, null, 'callsPerSec'])
    expect(clock.pending()).toBe(0)
  })

  it('a fraction of a call per second is one call in longer', async () => {
    const { clock, answers, take } = limits(0.8, null)
    take()
    take()
    await clock.advance(1249)
    expect(answers).toEqual([null])
    await clock.advance(1)
    expect(answers).toEqual([null, null])
  })

  it('one call at a time: the next has its turn when the first is over, or is refused', async () => {
    const { clock, made, answers, take } = limits(null, 1)
    const first = take()
    take()
    await clock.advance(500)
    expect(answers).toEqual([null])
    first.release()
    expect(answers).toEqual([null, null])
    first.release()
    expect(made.calls).toBe(1)
    take()
    await clock.advance(TURN_LIMIT_MS)
    expect(answers).toEqual([null, null, 'maxCalls'])
  })

  it('who goes away while waiting hears nothing and takes no place', async () => {
    const { clock, made, answers, take } = limits(1, null)
    take()
    const gone = take()
    take()
    gone.release()
    await clock.advance(1000)
    expect(answers).toEqual([null, null])
    expect(made.calls).toBe(2)
  })

  it('calls that come in count, and do not wait', () => {
    const { made, answers, take } = limits(null, 1)
    const incoming = made.takeIncoming()!
    expect(made.takeIncoming()).toBeNull()
    take()
    expect(answers).toEqual([])
    incoming.release()
    expect(answers).toEqual([null])
  })

  it('the queue has an end', () => {
    const { made, answers, take, clock } = limits(null, 1)
    take()
    for (let i = 0; i < MAX_WAITING; i++) take()
    expect(answers).toEqual([null])
    take()
    expect(answers).toEqual([null, 'maxCalls'])
    made.close()
    expect(clock.pending()).toBe(0)
  })

  it('holds whatever happens', async () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 700 }),
      what: fc.constantFrom('take', 'take', 'takeIncoming', 'release'),
    })
    const cps = fc.double({ min: 0.3, max: 8, noNaN: true })
    const most = fc.integer({ min: 1, max: 5 })
    await fc.assert(
      fc.asyncProperty(cps, most, fc.array(step, { maxLength: 60 }), async (rate, max, steps) => {
        const clock = new SimClock()
        const made = new TrunkLimits(clock, { callsPerSec: rate, maxCalls: max })
        const tickets: Ticket[] = []
        const starts: number[] = []
        let asked = 0
        let answered = 0
        for (const { waitMs, what } of steps) {
          await clock.advance(waitMs)
          if (what === 'release') tickets.shift()?.release()
          else if (what === 'takeIncoming') tickets.push(...[made.takeIncoming() ?? []].flat())
          else {
            asked++
            made.take((refusal) => {
              answered++
              if (refusal === null) starts.push(clock.monotonicMs())
            })
          }
          expect(made.calls).toBeLessThanOrEqual(max)
        }
        await clock.advance(TURN_LIMIT_MS + 1)
        expect([answered, made.waiting, clock.pending()]).toEqual([asked, 0, 0])
        const perWindow = Math.max(1, Math.floor(rate))
        for (let i = perWindow; i < starts.length; i++) {
          const spanMs = starts[i]! - starts[i - perWindow]!
          expect(spanMs).toBeGreaterThanOrEqual((perWindow / rate) * 1000 - 0.001)
        }
      }),
    )
  })
})
