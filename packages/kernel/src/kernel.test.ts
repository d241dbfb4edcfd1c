// The small parts: ids, money, phones, mailboxes, randomness, deferred promises.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SimClock } from './clock.ts'
import { deferred } from './deferred.ts'
import { Ids } from './ids.ts'
import { Mailbox } from './mailbox.ts'
import { billedSeconds, costCents } from './money.ts'
import { countryOf, isE164, SIP_URI_PATTERN } from './phone.ts'
import { seededRandom, systemRandom } from './random.ts'

test('ids sort in the order in which they were made', async () => {
  const clock = new SimClock()
  const ids = new Ids(clock, seededRandom(1))
  const made: string[] = []
  for (let i = 0; i < 500; i++) {
    made.push(ids.next('call'))
    if (i % 7 === 0) await clock.advance(1)
  }
  expect(made.toSorted()).toEqual(made)
  expect(new Set(made).size).toBe(500)
  expect(made.every((id) => /^call_[0-9a-z]{24}$/.test(id))).toBe(true)
})

test('a cost is the rounded-up share of a minute, never less than its parts need', () => {
  expect([costCents(42, 13), costCents(60, 13), costCents(0, 13), costCents(1, 1)]).toEqual([
    10, 13, 0, 1,
  ])
  fc.assert(
    fc.property(fc.nat(20_000), fc.nat(1000), (seconds, rate) => {
      const cost = costCents(seconds, rate)
      expect(cost * 60).toBeGreaterThanOrEqual(seconds * rate)
      expect((cost - 1) * 60).toBeLessThan(Math.max(1, seconds * rate))
    }),
  )
  expect([billedSeconds(0), billedSeconds(1), billedSeconds(1000), billedSeconds(1001)]).toEqual([
    0, 1, 1, 2,
  ])
})

test('E.164 is a plus, a digit that is not zero, seven to fifteen digits in all', () => {
  for (const good of ['+1555123', '+15555550123', '+123456789012345'])
    expect(isE164(good)).toBe(true)
  for (const bad of ['15555550123', '+0555555', '+155512', '+1234567890123456', '+1555 5550123']) {
    expect(isE164(bad)).toBe(false)
  }
  expect([countryOf('+15555550123'), countryOf('+4915112345678')]).toEqual(['US', 'DE'])
  expect(SIP_URI_PATTERN.test('sip:desk@pbx.example.com:5070;transport=tcp')).toBe(true)
  expect(SIP_URI_PATTERN.test('sip:a b@example.com')).toBe(false)
})

test('a mailbox keeps order, refuses beyond its bound, and gives up with its taker', async () => {
  const box = new Mailbox<number>(2)
  expect([box.put(1), box.put(2), box.put(3)]).toEqual([true, true, false])
  const signal = new AbortController()
  expect([await box.take(signal.signal), await box.take(signal.signal)]).toEqual([1, 2])
  const waiting = box.take(signal.signal)
  expect(box.put(4)).toBe(true)
  expect(await waiting).toBe(4)
  const given = box.take(signal.signal)
  signal.abort()
  await expect(given).rejects.toMatchObject({ name: 'Cancelled' })
  box.put(5)
  expect(box.takeAll()).toEqual([5])
})

test('random numbers stay in their range; a seed repeats', () => {
  const draw = (seed: number): number[] => {
    const random = seededRandom(seed)
    return Array.from({ length: 20 }, () => random.int(3, 9))
  }
  expect(draw(5)).toEqual(draw(5))
  expect(draw(5)).not.toEqual(draw(6))
  for (const value of [...draw(5), systemRandom.int(3, 9)]) {
    expect(value).toBeGreaterThanOrEqual(3)
    expect(value).toBeLessThanOrEqual(9)
  }
})

test('a deferred rejection that nobody awaits is no crash', async () => {
  const nobody = deferred<void>()
  nobody.reject(new Error('unseen'))
  const seen = deferred<number>()
  seen.resolve(1)
  expect(await seen.promise).toBe(1)
})
