// From a position in the audio to the words that were heard.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { heardPrefix, type TimedText } from './heard.ts'

function timed(text: string, words: readonly string[], totalMs = words.length * 100): TimedText {
  return {
    text,
    totalMs,
    words: words.map((word, i) => ({ text: word, fromMs: i * 100, toMs: (i + 1) * 100 })),
  }
}

describe('with word times', () => {
  it.each([
    [0, ''],
    [99, ''],
    [100, 'Well,'],
    [250, 'Well, hello -'],
    [300, 'Well, hello - there! '],
  ])('at %i ms it is %j', (heardMs, expected) => {
    const piece = timed('Well, hello - there! ', ['well', 'hello', 'there'])
    expect(heardPrefix(piece, heardMs)).toBe(expected)
  })

  it('finds words of which more are spoken than written', () => {
    const piece = timed('It is $5 today, sir.', ['it', 'is', 'five', 'dollars', 'today', 'sir'])
    expect(heardPrefix(piece, 250)).toBe('It is')
    expect(heardPrefix(piece, 350)).toBe('It is')
    expect(heardPrefix(piece, 450)).toBe('It is $5')
    expect(heardPrefix(piece, 520)).toBe('It is $5 today,')
  })

  it('takes nothing back when a word is found after some that were not', () => {
    const piece = timed('z 0 0 0', [' ', ' ', ' ', ' ', ' ', ' ', 'Z', ' '])
    expect(heardPrefix(piece, 400)).toBe('')
    expect(heardPrefix(piece, 700)).toBe('z')
  })

  it('goes by the share of words where none is found', () => {
    const piece = timed('123 456', ['one', 'two', 'three', 'four', 'five', 'six'])
    expect(heardPrefix(piece, 310)).toBe('123')
  })
})

describe('without', () => {
  it('goes by the share of characters', () => {
    const piece: TimedText = { text: 'aaaa bbbb cccc', words: [], totalMs: 1_400 }
    expect(heardPrefix(piece, 399)).toBe('')
    expect(heardPrefix(piece, 900)).toBe('aaaa bbbb')
    expect(heardPrefix({ ...piece, totalMs: 0 }, 0)).toBe('')
  })
})

it('is always a beginning of the text, and grows with the position', () => {
  const words = fc.array(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 })
  const at = fc.integer({ min: 0, max: 1_000 })
  fc.assert(
    fc.property(words, words, at, at, (written, said, a, b) => {
      const piece = timed(written.join(' '), said)
      const less = heardPrefix(piece, Math.min(a, b))
      const more = heardPrefix(piece, Math.max(a, b))
      expect(piece.text.startsWith(more)).toBe(true)
      expect(more.startsWith(less)).toBe(true)
    }),
  )
})
