// The embedded voice renders any text within bounds, times its words, and says the same thing the same way.
import { Fault } from '@saperly/kernel'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { FLITE_VOICES } from './catalogue.ts'
import { FliteMouth } from './flite.ts'
import { FliteProgram } from './flite-wasi.ts'
import { msOf } from './pcm.ts'
import type { AudioChunk } from './port.ts'

let program: FliteProgram
let mouth: FliteMouth

beforeAll(async () => {
  program = await FliteProgram.load()
  mouth = new FliteMouth(program)
})

async function say(
  text: string,
  voice: string | null,
  signal = new AbortController().signal,
): Promise<AudioChunk[]> {
  const chunks: AudioChunk[] = []
  for await (const chunk of mouth.speak(text, voice, signal)) chunks.push(chunk)
  return chunks
}

const SENTENCE = "Thank you for calling, Zorblax & Co. isn't open at 3:30 – call back."

describe('flite', () => {
  it.each(FLITE_VOICES.map(({ id }) => id))('speaks as %s, and times every word', async (voice) => {
    const [chunk] = await say(SENTENCE, voice)
    const { pcm, words } = chunk!
    expect(words.map(({ text }) => text)).toEqual(SENTENCE.split(' '))
    const peak = pcm.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    expect(peak).toBeGreaterThan(32_767 * 10 ** (-6 / 20))
    expect(peak).toBeLessThan(32_767 * 10 ** (-3 / 20))
    expect(msOf(pcm.length)).toBeGreaterThan(3000)
    let last = 0
    for (const { fromMs, toMs } of words) {
      expect(fromMs).toBeGreaterThanOrEqual(last)
      expect(toMs).toBeGreaterThanOrEqual(fromMs)
      last = toMs
    }
    expect(words[0]!.fromMs).toBeLessThan(60)
    expect(last).toBeLessThanOrEqual(msOf(pcm.length))
    const times = words.filter(({ toMs, fromMs }) => toMs - fromMs > 40)
    expect(times.length).toBeGreaterThan(words.length - 3)
  })

  it('gives the same bytes on every run', async () => {
    const [one] = await say('How can I help you today?', 'rms')
    const other = new FliteMouth(program).render('How can I help you today?', 'rms')
    expect(other.pcm).toEqual(one!.pcm)
    expect(other.words).toEqual(one!.words)
  })

  it('is silent for what has no words, and says so for a script it cannot read', async () => {
    expect((await say('... 🙂 -', 'slt'))[0]!.pcm.length).toBe(0)
    expect((await say('', 'slt'))[0]!.pcm.length).toBe(0)
    await expect(say('日本語です', 'slt')).rejects.toThrow(Fault)
    await expect(say('a'.repeat(501), 'slt')).rejects.toThrow(Fault)
  })

  it('falls back to its first voice', async () => {
    expect((await say('Hello.', 'nobody'))[0]!.pcm).toEqual((await say('Hello.', 'slt'))[0]!.pcm)
  })

  it('gives the phones of words that are in no dictionary', () => {
    const [zorblax, dash] = mouth.pronounce(['Zorblax,', '–'])
    expect(zorblax!.phones.length).toBeGreaterThan(5)
    expect(dash!.phones).toEqual([])
  })

  it('stops before it renders once the signal has aborted', async () => {
    const abort = new AbortController()
    abort.abort()
    expect(await say('Never said.', 'slt', abort.signal)).toEqual([])
  })

  it('never fails on any text of the Latin script', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 24 }), (text) => {
        const { pcm, words } = mouth.render(text, 'kal')
        expect(words.every(({ toMs }) => toMs <= msOf(pcm.length) + 1)).toBe(true)
      }),
      { numRuns: 25 },
    )
  })
})
