// The rate limit: a burst, then a steady rate, one key apart from another, and a bounded memory.
import { SimClock } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { RateLimit } from './rate-limit.ts'

describe('RateLimit', () => {
  it('lets a burst pass, then the steady rate', async () => {
    const clock = new SimClock()
    const limit = new RateLimit(clock, 50, 200)
    const passed = (): number => {
      let count = 0
      while (limit.take('key_a') === null) count++
      return count
    }
    expect(passed()).toBe(200)
    await clock.advance(1000)
    expect(passed()).toBe(50)
    await clock.advance(60_000)
    expect(passed()).toBe(200)
  })

  it('says after how many seconds the next one may come', async () => {
    const clock = new SimClock()
    const limit = new RateLimit(clock, 0.5, 1)
    expect(limit.take('key_a')).toBeNull()
    expect(limit.take('key_a')).toBe(2)
    await clock.advance(2000)
    expect(limit.take('key_a')).toBeNull()
  })

  it('counts each key for itself', () => {
    const limit = new RateLimit(new SimClock(), 1, 1)
    expect(limit.take('key_a')).toBeNull()
    expect(limit.take('key_b')).toBeNull()
    expect(limit.take('key_a')).not.toBeNull()
  })

  it('forgets the keys known longest when there are too many', () => {
    const limit = new RateLimit(new SimClock(), 1, 1, 2)
    for (const key of ['key_a', 'key_b', 'key_c']) limit.take(key)
    expect(limit.take('key_c')).not.toBeNull()
    expect(limit.take('key_a')).toBeNull()
  })
})
