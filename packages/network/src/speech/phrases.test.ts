// The default list hears opt-outs however they are put, finds digits, and the beep is a tone of its own.
import { describe, expect, it } from 'vitest'
import { BEEP_VOICE, withBeep } from './beep.ts'
import { phraseWords } from './phrase-grammar.ts'
import { defaultPhrases, digitsIn, isOptOut, optOutPhrases } from './phrases.ts'
import type { AudioChunk } from './port.ts'
import { toneMouth } from './tone-speech.ts'

describe('default phrases', () => {
  it('hold every opt-out, and no two that sound the same', () => {
    for (const phrase of optOutPhrases) {
      expect(defaultPhrases).toContain(phrase)
      expect(isOptOut(phrase)).toBe(true)
    }
    const heard = defaultPhrases.map((phrase) => phraseWords(phrase).join(' '))
    expect(heard.filter((phrase, i) => heard.indexOf(phrase) !== i)).toEqual([])
  })

  it.each([
    ['please, STOP calling me!', true],
    ['I said: don’t call me again, ever', true],
    ['You could remove me from your list', true],
    ['Stop the music', false],
    ['Nonstop calling', false],
    ['Yes, please.', false],
    ['', false],
  ])('%j asks not to be called again: %s', (text, expected) => {
    expect(isOptOut(text)).toBe(expected)
  })

  it('finds digits, spoken or written', () => {
    expect(digitsIn('one two 34, please: five')).toBe('12345')
    expect(digitsIn('nobody')).toBe('')
  })
})

describe('the beep', () => {
  it('is half a second of 1 kHz, for its voice alone', async () => {
    const mouth = withBeep(toneMouth)
    const take = async (voice: string | null): Promise<AudioChunk> => {
      const speech = mouth.speak('(beep)', voice, new AbortController().signal)
      for await (const chunk of speech) return chunk
      throw new Error('nothing was said')
    }
    const { pcm, words } = await take(BEEP_VOICE)
    expect(pcm.length).toBe(4000)
    expect(words).toEqual([{ text: '(beep)', fromMs: 0, toMs: 500 }])
    const crossings = pcm.filter((x, i) => i > 0 && x >= 0 && pcm[i - 1]! < 0).length
    expect(Math.abs(crossings - 500)).toBeLessThanOrEqual(2)
    expect((await take(null)).pcm.length).not.toBe(4000)
  })
})
