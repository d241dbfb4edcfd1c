// Beeps: found in noise, at any frequency and of any length that counts, and not where speech or other tones are.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FliteProgram } from '../speech/flite-wasi.ts'
import { FliteMouth } from '../speech/flite.ts'
import { FRAME_SAMPLES, SAMPLE_RATE, samplesOf } from '../speech/pcm.ts'
import { BeepDetector, type Beep } from './beep-detector.ts'
import { pureTone } from './pure-tone.ts'

function tones(hertz: readonly number[], ms: number, amplitude = 8_000): number[] {
  return Array.from({ length: samplesOf(ms) }, (_, i) =>
    hertz.reduce(
      (sum, hz) =>
        sum + (amplitude / hertz.length) * Math.sin((2 * Math.PI * hz * i) / SAMPLE_RATE),
      0,
    ),
  )
}

const silence = (ms: number): number[] => tones([0], ms)

/** Every beep in `samples`, and when it was told. `noise`: amplitude of what is added everywhere. */
function beepsIn(samples: readonly number[], noise = 20): (Beep & { atMs: number })[] {
  const random = seededRandom(1)
  const detector = new BeepDetector()
  const found: (Beep & { atMs: number })[] = []
  for (let at = 0; at + FRAME_SAMPLES <= samples.length; at += FRAME_SAMPLES) {
    const frame = Int16Array.from(samples.slice(at, at + FRAME_SAMPLES), (x) =>
      Math.round(x + (random.float() * 2 - 1) * noise),
    )
    const beep = detector.observe(frame)
    if (beep) found.push({ ...beep, atMs: ((at + FRAME_SAMPLES) * 1000) / SAMPLE_RATE })
  }
  return found
}

describe('a beep', () => {
  it('is told once, after its quiet, wherever it begins', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 400, max: 2_000 }),
        fc.integer({ min: 110, max: 1_500 }),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 800 }),
        (hz, ms, beforeMs, noise) => {
          const [beep, ...more] = beepsIn(
            [...silence(200 + beforeMs), ...tones([hz], ms), ...silence(600)],
            noise,
          )
          expect(more).toEqual([])
          expect(beep).toBeDefined()
          expect(Math.abs(beep!.hz - hz)).toBeLessThan(15)
          expect(Math.abs(beep!.ms - ms)).toBeLessThanOrEqual(60)
          const lateMs = beep!.atMs - (200 + beforeMs + ms)
          expect(lateMs).toBeGreaterThan(120)
          expect(lateMs).toBeLessThanOrEqual(220)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('may have a room that gives it back, and a second note', () => {
    const room = tones([1_000], 120, 3_000)
    expect(
      beepsIn([...silence(200), ...tones([1_000], 400), ...room, ...silence(600)]),
    ).toHaveLength(1)
    const second = tones([750], 200)
    expect(
      beepsIn([...silence(200), ...tones([1_000], 200), ...second, ...silence(600)]),
    ).toHaveLength(1)
  })
})

describe('no beep', () => {
  it.each([
    ['too short', tones([1_000], 40)],
    ['too long', tones([1_000], 4_000)],
    ['too low', tones([200], 400)],
    ['ringing', tones([440, 480], 1_000)],
    ['a key', tones([770, 1_336], 200)],
    ['announcement tones', [950, 1_400, 1_800].flatMap((hz) => tones([hz], 330))],
    ['a melody', [500, 600, 700, 600, 500].flatMap((hz) => tones([hz], 200))],
  ])('%s', (_name, sound) => {
    expect(beepsIn([...silence(200), ...sound, ...silence(600)])).toEqual([])
  })

  it('goes on into speech', () => {
    const loud = tones([300, 700, 1_900], 400, 12_000)
    expect(beepsIn([...silence(200), ...tones([800], 200), ...loud, ...silence(600)])).toEqual([])
  })

  it('is in what any voice says', async () => {
    const mouth = new FliteMouth(await FliteProgram.load())
    const text =
      'You know who you are. Oh, no, do not go alone. Please leave a message after the tone.'
    for (const voice of ['slt', 'rms', 'awb', 'kal16']) {
      const { pcm } = mouth.render(text, voice)
      expect(beepsIn([...pcm, ...silence(600)])).toEqual([])
    }
  })
})

it('measures the one sine of a frame', () => {
  const frame = Int16Array.from(tones([1_234], 20))
  const tone = pureTone(frame, 400, 2_000)
  expect(tone?.hz).toBeCloseTo(1_234, -1)
  expect(tone?.purity).toBeGreaterThan(0.98)
  expect(pureTone(new Int16Array(FRAME_SAMPLES), 400, 2_000)).toBeNull()
})
