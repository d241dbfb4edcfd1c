// The end-of-turn rules, as the table that they are.
import { describe, expect, it } from 'vitest'
import { MAX_WAIT_MS, decideEndpoint, hasWord } from './endpoint.ts'
import type { EndpointContext } from './endpoint.ts'

function decide(partial: string, context: Partial<EndpointContext> = {}): string {
  const { waitMs, reason } = decideEndpoint({
    recognizer: 'free',
    partial,
    phrases: [],
    digitsWanted: null,
    digitsPressed: 0,
    endpointingMs: null,
    ...context,
  })
  return `${reason} ${waitMs}`
}

describe('the wait', () => {
  it.each([
    ['', 'otherwise 800'],
    ['I would like a table', 'otherwise 800'],
    ['I would like a table.', 'punctuation 300'],
    ['Is it open?" ', 'punctuation 300'],
    ['I would like a table and', 'unfinished 1500'],
    ['well, um', 'unfinished 1500'],
    ['my number is five five', 'number 600'],
    ['room 12', 'number 600'],
    ['twenty', 'number 600'],
  ])('after %j is %s', (partial, expected) => {
    expect(decide(partial)).toBe(expected)
  })

  it.each([
    ['', 'phrase_list 500'],
    ['yes', 'phrase_list 500'],
    ['Yes please', 'phrase_complete 300'],
    ['no', 'phrase_complete 300'],
    ['at seven', 'number 600'],
  ])('of a phrase recogniser after %j is %s', (partial, expected) => {
    const phrases = ['yes', 'yes, please', 'no']
    expect(decide(partial, { recognizer: 'phrases', phrases })).toBe(expected)
  })

  it.each([
    ['one two', 0, 'digits_missing 1500'],
    ['12', 0, 'digits_missing 1500'],
    ['one two 34', 0, 'digits_filled 0'],
    ['it is', 4, 'digits_filled 0'],
    ['I forgot', 1, 'otherwise 800'],
  ])(
    'with four digits expected, after %j and %i keys, is %s',
    (partial, digitsPressed, expected) => {
      expect(decide(partial, { digitsWanted: 4, digitsPressed })).toBe(expected)
    },
  )

  it('is replaced by the setting, within the hard cap, but not where digits are filled', () => {
    expect(decide('I would like and', { endpointingMs: 250 })).toBe('configured 250')
    expect(decide('.', { endpointingMs: 60_000 })).toBe(`configured ${MAX_WAIT_MS}`)
    expect(decide('one', { endpointingMs: 250, digitsWanted: 1 })).toBe('digits_filled 0')
  })
})

it('a hesitation is no word', () => {
  expect(hasWord('Mhm, uh.')).toBe(false)
  expect(hasWord('')).toBe(false)
  expect(hasWord('uh no')).toBe(true)
  expect(hasWord('да')).toBe(true)
})
