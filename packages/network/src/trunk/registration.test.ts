// The life of a registration: kept alive, refused, asked for longer, lost and won back, and taken back at the end.
import { SimClock, seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FIRST_RETRY_MS, MAX_RETRY_MS, MIN_REFRESH_MS, Registration } from './registration.ts'
import type { RegisterAnswer } from './registration.ts'

const granted = (expiresSec: number): RegisterAnswer => ({ kind: 'granted', expiresSec })
const tooBrief = (minExpiresSec: number): RegisterAnswer => ({ kind: 'tooBrief', minExpiresSec })
const refused = (sipCode: number | null, retryAfterSec: number | null = null): RegisterAnswer => ({
  kind: 'refused',
  sipCode,
  retryAfterSec,
})

/** A registrar that answers after 20 ms, as `script` says, by the number of the question. */
function registrar(script: (question: number, expiresSec: number) => RegisterAnswer) {
  const clock = new SimClock()
  const asked: { atMs: number; expiresSec: number }[] = []
  const changes: [boolean, number | null][] = []
  let out = 0
  const registration = new Registration({
    clock,
    random: seededRandom(11),
    expiresSec: 600,
    ask: (expiresSec, onAnswer) => {
      expect(++out, 'one REGISTER at a time').toBe(1)
      const answer = script(asked.length, expiresSec)
      asked.push({ atMs: clock.monotonicMs(), expiresSec })
      clock.schedule(20, () => {
        out--
        onAnswer(answer)
      })
    },
    onChange: (...change) => changes.push(change),
  })
  return { clock, asked, changes, registration }
}

const gaps = (asked: readonly { atMs: number }[]): number[] =>
  asked.slice(1).map(({ atMs }, i) => atMs - asked[i]!.atMs)

describe('a registration', () => {
  it('is refreshed at 70 to 90 % of what was granted, not of what was asked for', async () => {
    const { clock, asked, changes, registration } = registrar(() => granted(100))
    registration.open()
    await clock.advance(1_000_000)
    expect(asked.length).toBeGreaterThan(10)
    for (const gap of gaps(asked)) {
      expect(gap).toBeGreaterThanOrEqual(70_000)
      expect(gap).toBeLessThanOrEqual(90_020)
    }
    expect([changes, registration.registered]).toEqual([[[true, 200]], true])
  })

  it('that is granted for a second is not refreshed without pause', async () => {
    const { clock, asked, registration } = registrar(() => granted(1))
    registration.open()
    await clock.advance(60_000)
    for (const gap of gaps(asked)) expect(gap).toBeGreaterThanOrEqual(MIN_REFRESH_MS)
  })

  it('is asked for longer after 423, at once', async () => {
    const { clock, asked, registration } = registrar((_, expiresSec) =>
      expiresSec < 3600 ? tooBrief(3600) : granted(3600),
    )
    registration.open()
    await clock.advance(100)
    expect(asked.map(({ expiresSec }) => expiresSec)).toEqual([600, 3600])
    await clock.advance(3_600_000)
    expect(asked.at(-1)!.expiresSec).toBe(3600)
  })

  it('of a registrar that never has enough is a failure, and no loop', async () => {
    for (const minimum of [600, 10 ** 9]) {
      const { clock, asked, changes, registration } = registrar(() => tooBrief(minimum))
      registration.open()
      await clock.advance(FIRST_RETRY_MS / 2)
      expect(asked).toHaveLength(1)
      expect([changes, registration.registered]).toEqual([[], false])
    }
  })

  it('is tried again after longer and longer waits, half of them by chance', async () => {
    const { clock, asked, registration } = registrar(() => refused(403))
    registration.open()
    await clock.advance(3_600_000)
    gaps(asked).forEach((gap, i) => {
      const full = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** i)
      expect(gap).toBeGreaterThanOrEqual(full / 2)
      expect(gap).toBeLessThanOrEqual(full + 20)
    })
    expect(asked.length).toBeGreaterThan(12)
  })

  it('waits as long as the registrar asks', async () => {
    const { clock, asked, registration } = registrar(() => refused(503, 60))
    registration.open()
    await clock.advance(65_000)
    expect(gaps(asked)).toEqual([60_020])
  })

  it('lost and won back is told, and the waits begin anew', async () => {
    const answers = [granted(100), refused(null), refused(503), granted(100), refused(500)]
    const { clock, asked, changes, registration } = registrar(
      (question) => answers[question] ?? granted(100),
    )
    registration.open()
    await clock.advance(400_000)
    expect(changes).toEqual([
      [true, 200],
      [false, null],
      [true, 200],
      [false, 500],
      [true, 200],
    ])
    expect(gaps(asked)[4]).toBeLessThanOrEqual(FIRST_RETRY_MS + 20)
  })

  it('is taken back at the end, and only when there is one', async () => {
    const { clock, asked, registration } = registrar(() => granted(100))
    registration.open()
    await clock.advance(100)
    let closed = 0
    registration.close(() => closed++)
    expect(closed).toBe(0)
    await clock.advance(20)
    expect([asked.at(-1)!.expiresSec, closed, clock.pending()]).toEqual([0, 1, 0])
    registration.close(() => closed++)
    expect(closed).toBe(2)

    const failing = registrar(() => refused(403))
    failing.registration.open()
    await failing.clock.advance(100)
    failing.registration.close(() => closed++)
    expect([failing.asked.length, closed, failing.clock.pending()]).toEqual([1, 3, 0])
  })

  it('closed while an answer is under way waits for it first', async () => {
    const { clock, asked, registration } = registrar(() => granted(100))
    registration.open()
    let closed = 0
    registration.close(() => closed++)
    await clock.advance(20)
    expect([asked.map(({ expiresSec }) => expiresSec), closed]).toEqual([[600, 0], 0])
    await clock.advance(20)
    expect([closed, clock.pending()]).toEqual([1, 0])
  })

  it('ends with nothing left behind, whatever is answered and whenever it is closed', async () => {
    const answer = fc.oneof(
      fc.integer({ min: 1, max: 4000 }).map(granted),
      fc.integer({ min: 0, max: 10 ** 6 }).map(tooBrief),
      fc
        .tuple(fc.constantFrom(403, 500, 503, null), fc.constantFrom(null, 3, 9999))
        .map((parts) => refused(...parts)),
    )
    const runs = fc.tuple(fc.array(answer, { maxLength: 20 }), fc.nat(2_000_000))
    await fc.assert(
      fc.asyncProperty(runs, async ([answers, closeAtMs]) => {
        const { clock, asked, registration } = registrar(
          (question) => answers[question] ?? granted(60),
        )
        registration.open()
        await clock.advance(closeAtMs)
        const held = registration.registered
        let closed = 0
        registration.close(() => closed++)
        await clock.advance(100)
        expect([closed, clock.pending(), registration.registered]).toEqual([1, 0, false])
        if (held) expect(asked.at(-1)!.expiresSec).toBe(0)
      }),
      { numRuns: 60 },
    )
  })
})
