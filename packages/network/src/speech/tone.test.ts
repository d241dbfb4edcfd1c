// Any text goes through the tone pair exactly, at any offset and in noise; a cut gives a prefix, damage gives nothing.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createFvad } from './fvad.ts'
import { FRAME_SAMPLES, samplesOf } from './pcm.ts'
import { renderTones } from './tone.ts'
import { ToneDecoder } from './tone-decoder.ts'
import type { ToneResult } from './tone-decoder.ts'

function framesOf(pcm: Int16Array): Int16Array[] {
  const count = Math.ceil(pcm.length / FRAME_SAMPLES)
  return Array.from({ length: count }, (_, i) => {
    const frame = new Int16Array(FRAME_SAMPLES)
    frame.set(pcm.subarray(i * FRAME_SAMPLES, (i + 1) * FRAME_SAMPLES))
    return frame
  })
}

function hear(...parts: Int16Array[]): ToneResult {
  const decoder = new ToneDecoder()
  const line = Int16Array.from(parts.flatMap((part) => Array.from(part)))
  for (const frame of framesOf(line)) decoder.write(frame)
  return decoder.finish()
}

function noisy(pcm: Int16Array, snrDb: number, seed: number): Int16Array {
  const random = seededRandom(seed)
  const power = pcm.reduce((sum, x) => sum + x * x, 0) / Math.max(1, pcm.length)
  const sigma = Math.sqrt(power / 10 ** (snrDb / 10))
  return pcm.map((x) => {
    const gauss = Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(6.2832 * random.float())
    return Math.max(-32768, Math.min(32767, Math.round(x + sigma * gauss)))
  })
}

const words = fc.array(
  fc.oneof(
    fc.string({ minLength: 1, maxLength: 12 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
  ),
  { minLength: 1, maxLength: 6 },
)
const texts = words
  .map((list) => list.join(' ').replaceAll(/\s+/g, ' ').trim())
  .filter((text) => text !== '' && text === Buffer.from(text).toString())

describe('tones', () => {
  it('carry any text at any sample offset', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 0, max: 400 }), (text, offset) => {
        expect(hear(new Int16Array(offset), renderTones(text).pcm)).toEqual({
          text,
          quality: 'whole',
        })
      }),
      { numRuns: 40 },
    )
  })

  it.each([20, 10, 5])('carry text at %i dB above noise', (snrDb) => {
    for (const [seed, text] of [
      'Grüße aus Köln, 25 €!',
      '日本語です。',
      'Stop calling me.',
    ].entries()) {
      const line = noisy(renderTones(text).pcm, snrDb, seed)
      expect(hear(new Int16Array(37 * (seed + 1)), line)).toEqual({ text, quality: 'whole' })
    }
  })

  it('give the words whose audio was played, no more and no less', () => {
    const { pcm, words: timed } = renderTones('One two extraordinarily-long four five')
    for (let ms = 0; ms < 3000; ms += 60) {
      const played = pcm.subarray(0, samplesOf(ms))
      const heard = timed.filter(({ toMs }) => toMs <= ms).map(({ text }) => text)
      const { text, quality } = hear(played, new Int16Array(1600))
      expect(quality).not.toBe('damaged')
      expect('One two extraordinarily-long four five'.startsWith(text)).toBe(true)
      expect(text.startsWith(heard.join(' '))).toBe(true)
    }
  })

  it('never give a wrong text for a damaged transmission', () => {
    const text = 'The quick brown fox jumps over the lazy dog.'
    const clean = renderTones(text).pcm
    fc.assert(
      fc.property(
        fc.array(fc.nat(clean.length / FRAME_SAMPLES - 1), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 9000 }),
        (lost, level) => {
          const random = seededRandom(level)
          const line = clean.slice()
          for (const frame of lost) {
            const at = frame * FRAME_SAMPLES
            for (let i = 0; i < FRAME_SAMPLES; i++) line[at + i] = random.int(-level, level)
          }
          const heard = hear(new Int16Array(80), line, new Int16Array(320))
          expect(['', text]).toContain(text.startsWith(heard.text) ? text : heard.text)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('outlive gaps of silence between frames, wherever they fall', () => {
    const text = 'Hello, who is this?'
    const frames = framesOf(renderTones(text).pcm)
    const gap = Array.from({ length: 16 }, () => new Int16Array(FRAME_SAMPLES))
    for (let at = 0; at < frames.length; at += 2) {
      expect(hear(...frames.slice(0, at), ...gap, ...frames.slice(at)).text).toBe(text)
    }
  })

  it('that were cut leave the next ones readable', () => {
    const one = framesOf(renderTones('One two three four').pcm)
    const next = renderTones('Five six.').pcm
    for (let at = 20; at < one.length; at += 3) {
      const { text } = hear(...one.slice(0, at), new Int16Array(800), next)
      expect(text.endsWith('Five six.')).toBe(true)
      expect('One two three four Five six.').toContain(text.replace(/ ?Five six\.$/, ''))
    }
  })

  it('join sentences, and hear nothing in noise or silence', () => {
    const pause = new Int16Array(900)
    const one = renderTones('Hello there.').pcm
    const two = renderTones('How are you?').pcm
    expect(hear(one, two).text).toBe('Hello there. How are you?')
    expect(hear(one, pause, two, pause).text).toBe('Hello there. How are you?')
    expect(hear(new Int16Array(8000)).quality).toBe('nothing')
    expect(hear(noisy(new Int16Array(8000).fill(500), 0, 3)).quality).toBe('nothing')
    expect(hear()).toEqual({ text: '', quality: 'nothing' })
    expect(renderTones('  \n ').pcm.length).toBe(0)
  })

  it('are a voice to the voice detector', async () => {
    const vad = await createFvad(3)
    const frames = framesOf(renderTones('What are your opening hours on Sunday?').pcm)
    const voiced = frames.map((frame) => vad.process(frame))
    vad.close()
    expect(voiced.indexOf(true)).toBeLessThan(6)
    expect(voiced.filter(Boolean).length / frames.length).toBeGreaterThan(0.9)
  })
})
