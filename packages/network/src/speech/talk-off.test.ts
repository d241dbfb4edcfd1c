// Talk-off: minutes of every embedded voice have no telephone key in them, as spoken and at other pitches.
import { beforeAll, expect, test } from 'vitest'
import { decodeG711, encodeG711 } from '../codec/g711.ts'
import { FRAME_SAMPLES, SAMPLE_RATE } from '../rtp/frame.ts'
import { InbandDigits } from '../rtp/inband-digits.ts'
import { FLITE_VOICES } from './catalogue.ts'
import { FliteMouth } from './flite.ts'
import { FliteProgram } from './flite-wasi.ts'
import { defaultPhrases } from './phrases.ts'

const SENTENCES = [
  ...defaultPhrases,
  'The quick brown fox jumps over the lazy dog, while she sells sea shells by the sea shore.',
  'Ooooh, you really should go through the blue room too, before the moon is full in June.',
  'We see these three trees, he agreed, and each evening she reads me at least three pieces.',
  'Zero, one, two, three, four, five, six, seven, eight, nine, star, pound, A, B, C, D.',
]
/** How much faster than spoken: other pitches and other resonances. */
const SPEEDS = [0.85, 1, 1.2]

let mouth: FliteMouth
beforeAll(async () => void (mouth = new FliteMouth(await FliteProgram.load())))

function faster(pcm: Int16Array, speed: number): Int16Array {
  return Int16Array.from({ length: Math.floor((pcm.length - 1) / speed) }, (_, i) => {
    const at = Math.floor(i * speed)
    const part = i * speed - at
    return Math.round((1 - part) * pcm[at]! + part * pcm[at + 1]!)
  })
}

test('nothing that a voice says is taken for a key', () => {
  const taken: string[] = []
  let samples = 0
  for (const { id } of FLITE_VOICES) {
    for (const text of SENTENCES) {
      const { pcm } = mouth.render(text, id)
      for (const speed of SPEEDS) {
        const said = faster(pcm, speed)
        const line = decodeG711('PCMU', encodeG711('PCMU', said))
        const detector = new InbandDigits()
        samples += line.length
        for (let at = 0; at + FRAME_SAMPLES <= line.length; at += FRAME_SAMPLES) {
          const digit = detector.hear(line.subarray(at, at + FRAME_SAMPLES))
          if (digit) taken.push(`${digit} in "${text}" by ${id} at ${speed}`)
        }
      }
    }
  }
  expect(samples / SAMPLE_RATE / 60).toBeGreaterThan(30)
  expect(taken).toEqual([])
})
