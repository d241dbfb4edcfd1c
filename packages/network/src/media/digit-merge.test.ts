// One press that comes by RTP and by INFO is one digit, two presses stay two.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DigitMerge, SAME_PRESS_MS } from './digit-merge.ts'

describe('a digit', () => {
  it('by both ways within 200 ms counts once, in either order', () => {
    const merge = new DigitMerge()
    expect(merge.accept('5', 'media', 0)).toBe(true)
    expect(merge.accept('5', 'signalling', SAME_PRESS_MS - 1)).toBe(false)
    expect(merge.accept('6', 'signalling', 300)).toBe(true)
    expect(merge.accept('6', 'media', 310)).toBe(false)
  })

  it('later, or another one, counts', () => {
    const merge = new DigitMerge()
    expect(merge.accept('5', 'media', 0)).toBe(true)
    expect(merge.accept('7', 'signalling', 10)).toBe(true)
    expect(merge.accept('5', 'signalling', SAME_PRESS_MS)).toBe(true)
  })

  it('pressed quickly by one way alone always counts', () => {
    const merge = new DigitMerge()
    expect([0, 20, 40, 60].map((atMs) => merge.accept('1', 'media', atMs))).toEqual(
      Array(4).fill(true),
    )
  })

  it('sequence by both ways, however late the other is (below 200 ms), is heard as it was pressed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('1', '2', '#'), { maxLength: 20 }),
        fc.integer({ min: 0, max: SAME_PRESS_MS - 1 }),
        (digits, lateMs) => {
          const merge = new DigitMerge()
          // Keys are at least 100 ms apart.
          const arrivals = digits.flatMap((digit, at) => [
            { digit, way: 'media' as const, atMs: at * 100 },
            { digit, way: 'signalling' as const, atMs: at * 100 + lateMs },
          ])
          const heard = arrivals
            .toSorted((a, b) => a.atMs - b.atMs)
            .filter(({ digit, way, atMs }) => merge.accept(digit, way, atMs))
          expect(heard.length).toBe(digits.length)
        },
      ),
    )
  })
})
