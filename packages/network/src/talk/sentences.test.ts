// The chunker: whole sentences where there are any, and never a character lost.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_CHUNK_CHARS, SentenceChunker, isSpeakable } from './sentences.ts'

function chunksOf(...pieces: string[]): string[] {
  const chunker = new SentenceChunker()
  return [...pieces.flatMap((piece) => chunker.push(piece)), ...chunker.end()]
}

function spoken(...pieces: string[]): string[] {
  return chunksOf(...pieces).map((chunk) => chunk.trim())
}

const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'Hello',
        'Dr. Who',
        '3.14',
        'www.example.com/a?b=c',
        'so, then',
        '!',
        '. ',
        '? "',
      ),
      fc.constantFrom(' ', '  ', '\n', '—', '…', '。', '😀', 'a'.repeat(230), ', '),
      fc.string({ unit: 'binary', maxLength: 12 }),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''))

describe('property', () => {
  it('the chunks, joined, are the text; none is empty or too long', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (pieces) => {
        const chunks = chunksOf(...pieces)
        expect(chunks.join('')).toBe(pieces.join(''))
        for (const chunk of chunks) {
          expect(chunk.length).toBeGreaterThan(0)
          expect(chunk.length).toBeLessThanOrEqual(MAX_CHUNK_CHARS)
        }
      }),
    )
  })

  it('flushing in between loses nothing either', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), fc.boolean(), (pieces, words) => {
        const chunker = new SentenceChunker()
        const chunks = pieces.flatMap((piece) => [
          ...chunker.push(piece),
          ...chunker.flush(words ? 'words' : 'clause'),
        ])
        expect([...chunks, ...chunker.end()].join('')).toBe(pieces.join(''))
      }),
    )
  })
})

describe('sentences', () => {
  it('are kept whole, short ones joined with the next', () => {
    expect(spoken('Yes. I can do that for you. Shall I? It will take a while!')).toEqual([
      'Yes. I can do that for you.',
      'Shall I? It will take a while!',
    ])
  })

  it('are not ended by abbreviations, initials, decimals, addresses or list numbers', () => {
    for (const whole of [
      'Please ask Dr. Smith about it today',
      'It is about 3.14 or $29.99 in total',
      'Our address is https://example.com/a.b?c=d for now',
      'He was called J. R. R. Tolkien by all',
      'We are open from 9 a.m. to 5 p.m. on weekdays',
      'The steps are these now 1. open the door',
    ]) {
      expect(spoken(`${whole}. Then more follows.`)).toEqual([`${whole}.`, 'Then more follows.'])
    }
  })

  it('end at a paragraph, and in scripts without spaces', () => {
    expect(spoken('The first paragraph\n\nThe second one')).toEqual([
      'The first paragraph',
      'The second one',
    ])
    expect(spoken('今日はとても良い天気ですね。散歩に行きましょう。')).toEqual([
      '今日はとても良い天気ですね。',
      '散歩に行きましょう。',
    ])
  })

  it('are the same however the text arrives, once the first has begun', () => {
    const rest = 'I can do that for you. It takes a while, but not long. Is that all right?'
    const whole = spoken('Well, hello to you. ', rest)
    expect(spoken('Well, hello to you. ', ...rest.split(''))).toEqual(whole)
  })
})

describe('the first chunk', () => {
  it('is a clause when the rest is not written yet', () => {
    const chunker = new SentenceChunker()
    expect(chunker.push('Yes, ')).toEqual([])
    expect(chunker.push('of course I can, and')).toEqual(['Yes, of course I can, '])
    expect(chunker.push(' I will, now, ')).toEqual([])
    expect(chunker.end()).toEqual(['and I will, now, '])
  })

  it('is a clause when its sentence is long', () => {
    const long = `If you would like to change it, ${'we will need some more time and '.repeat(3)}so on.`
    expect(spoken(long)[0]).toBe('If you would like to change it,')
  })
})

it('signs alone are not spoken', () => {
  expect(isSpeakable(' … — ')).toBe(false)
  expect(isSpeakable('7')).toBe(true)
})
