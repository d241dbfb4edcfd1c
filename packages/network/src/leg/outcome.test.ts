// What became of a call, by code and Reason: the contract's words, the vague codes, and what a Reason adds.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NO_REASON } from '../sip/call-event.ts'
import { causeOf } from './outcome.ts'

describe('a final response alone', () => {
  it.each([
    [403, false, 'carrier_refused'],
    [404, false, 'invalid_number'],
    [408, false, 'carrier_refused'],
    [408, true, 'no_answer'],
    [410, false, 'invalid_number'],
    [480, false, 'no_answer'],
    [480, true, 'no_answer'],
    [484, true, 'invalid_number'],
    [486, false, 'busy'],
    [487, false, 'carrier_refused'],
    [487, true, 'no_answer'],
    [488, true, 'carrier_refused'],
    [503, true, 'carrier_refused'],
    [600, false, 'busy'],
    [603, true, 'declined'],
    [604, false, 'invalid_number'],
    [606, false, 'carrier_refused'],
    [607, false, 'declined'],
    [608, false, 'carrier_refused'],
    [302, false, 'carrier_refused'],
    [499, false, 'carrier_refused'],
    [699, false, 'carrier_refused'],
  ] as const)('%i (rang: %s) is %s', (sipCode, rang, cause) => {
    expect(causeOf(sipCode, rang, NO_REASON)).toBe(cause)
  })
})

describe('a Reason', () => {
  it.each([
    [480, 17, 'busy'],
    [487, 18, 'no_answer'],
    [500, 19, 'no_answer'],
    [503, 21, 'declined'],
    [403, 21, 'declined'],
    [503, 1, 'invalid_number'],
    [500, 28, 'invalid_number'],
    [480, 34, 'carrier_refused'],
    [480, 16, 'no_answer'],
    [503, 127, 'carrier_refused'],
  ] as const)('of Q.850 makes a %i with cause %i %s', (sipCode, q850, cause) => {
    expect(causeOf(sipCode, false, { ...NO_REASON, q850 })).toBe(cause)
  })

  it.each([
    [486, 16, 'busy'],
    [603, 17, 'declined'],
    [404, 17, 'invalid_number'],
  ] as const)('doesn’t change a %i, which says enough (cause %i)', (sipCode, q850, cause) => {
    expect(causeOf(sipCode, false, { ...NO_REASON, q850 })).toBe(cause)
  })

  it('of SIP counts where there is none of Q.850 that does', () => {
    expect(causeOf(480, false, { ...NO_REASON, sipCode: 486 })).toBe('busy')
    expect(causeOf(487, true, { ...NO_REASON, q850: 31, sipCode: 603 })).toBe('declined')
    expect(causeOf(487, true, { ...NO_REASON, sipCode: 480 })).toBe('no_answer')
  })
})

it('every code and Reason has a cause', () => {
  const code = fc.integer({ min: 300, max: 699 })
  const maybe = (arbitrary: fc.Arbitrary<number>): fc.Arbitrary<number | null> =>
    fc.option(arbitrary)
  fc.assert(
    fc.property(
      code,
      fc.boolean(),
      maybe(fc.integer({ min: 1, max: 127 })),
      maybe(code),
      (sipCode, rang, q850, other) => {
        const cause = causeOf(sipCode, rang, { q850, sipCode: other, text: null })
        expect(['busy', 'declined', 'no_answer', 'invalid_number', 'carrier_refused']).toContain(
          cause,
        )
      },
    ),
  )
})
