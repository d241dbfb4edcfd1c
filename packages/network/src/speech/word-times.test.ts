// Words are timed by their phones: where sounds were reduced, added or left out, and where a word isn't spoken.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseSegments, timeWords } from './word-times.ts'
import type { Segment } from './word-times.ts'

function segments(phones: string): Segment[] {
  return phones.split(' ').map((phone, i) => ({ phone, fromMs: i * 100, toMs: (i + 1) * 100 }))
}

describe('word times', () => {
  it('are read from what flite prints', () => {
    expect(parseSegments('pau:0.195 th:0.280 ae:0.428 \n')).toEqual([
      { phone: 'pau', fromMs: 0, toMs: 195 },
      { phone: 'th', fromMs: 195, toMs: 280 },
      { phone: 'ae', fromMs: 280, toMs: 428 },
    ])
    expect(parseSegments('')).toEqual([])
  })

  it('follow the phones of each word, reduced vowels and pauses included', () => {
    const words = [
      { text: 'the', phones: ['dh', 'iy'] },
      { text: '–', phones: [] },
      { text: 'cat,', phones: ['k', 'ae', 't'] },
      { text: 'sat', phones: ['s', 'ae', 't'] },
    ]
    expect(timeWords(words, segments('pau dh ax k ae t pau s ae t pau'))).toEqual([
      { text: 'the', fromMs: 100, toMs: 300 },
      { text: '–', fromMs: 300, toMs: 300 },
      { text: 'cat,', fromMs: 300, toMs: 600 },
      { text: 'sat', fromMs: 700, toMs: 1000 },
    ])
  })

  it('are in order and inside of the sentence, whatever the phones', () => {
    const phone = fc.constantFrom('ax', 'iy', 'k', 't', 's')
    const word = fc.record({ text: fc.string(), phones: fc.array(phone, { maxLength: 5 }) })
    fc.assert(
      fc.property(fc.array(word), fc.array(phone, { minLength: 1 }), (words, spoken) => {
        const timed = timeWords(words, segments(spoken.join(' ')))
        expect(timed.map(({ text }) => text)).toEqual(words.map(({ text }) => text))
        let lastMs = 0
        for (const { fromMs, toMs } of timed) {
          expect(fromMs).toBeGreaterThanOrEqual(lastMs)
          expect(toMs).toBeGreaterThanOrEqual(fromMs)
          lastMs = toMs
        }
        expect(lastMs).toBeLessThanOrEqual(spoken.length * 100)
      }),
    )
  })
})
