// Keys in INFO bodies, as they are met.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digitOfInfo } from './dtmf-info.ts'

const RELAY = 'application/dtmf-relay'

describe('an INFO', () => {
  it.each([
    [RELAY, 'Signal=5\r\nDuration=160\r\n', '5'],
    [RELAY, 'Signal= 5\r\nDuration= 160', '5'],
    [RELAY, 'Duration=100\r\nSignal=#', '#'],
    [RELAY, 'signal=*\n', '*'],
    [RELAY, 'Signal=10\r\nDuration=250', '*'],
    [RELAY, 'Signal=11', '#'],
    [RELAY, 'Signal=d\r\n', 'D'],
    ['Application/DTMF-Relay; charset=us-ascii', 'Signal=1\r\n', '1'],
    ['application/dtmf', '7', '7'],
    ['application/dtmf', '7\r\n', '7'],
    ['application/dtmf', 'Signal=3\r\nDuration=160', '3'],
    [RELAY, 'Signal=x', null],
    [RELAY, 'Signal=\r\n', null],
    [RELAY, 'Signal=16', null],
    ['application/dtmf', '', null],
    ['application/dtmf', '77', null],
    ['application/media_control+xml', '5', null],
    ['', '5', null],
  ])('of %s saying %j is %j', (type, body, digit) => {
    expect(digitOfInfo(type, body)).toBe(digit)
  })

  it('of any kind gives one digit or none', () => {
    fc.assert(
      fc.property(fc.constantFrom(RELAY, 'application/dtmf'), fc.string(), (type, body) => {
        const digit = digitOfInfo(type, body)
        expect(digit === null || /^[0-9*#A-D]$/.test(digit)).toBe(true)
      }),
    )
  })
})
