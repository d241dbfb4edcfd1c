// The voice detector tells a tone burst of speech-like sound from silence, and many detectors can live side by side.
import { seededRandom } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { createFvad } from './fvad.ts'
import type { Fvad } from './fvad.ts'
import { FRAME_SAMPLES, SAMPLE_RATE } from './pcm.ts'

/** Voiced speech as the detector knows it: a buzz of 120 Hz under two formants. */
function buzz(frame: number): Int16Array {
  return Int16Array.from({ length: FRAME_SAMPLES }, (_, i) => {
    const t = (frame * FRAME_SAMPLES + i) / SAMPLE_RATE
    let sum = 0
    for (let h = 1; h <= 25; h++) {
      const hz = 120 * h
      const formant = Math.exp(-(((hz - 600) / 250) ** 2)) + Math.exp(-(((hz - 1500) / 300) ** 2))
      sum += (0.05 + formant) * Math.sin(2 * Math.PI * hz * t)
    }
    return 3000 * sum * (0.6 + 0.4 * Math.sin(2 * Math.PI * 4 * t))
  })
}

function voiced(vad: Fvad, frames: number, make: (frame: number) => Int16Array): number {
  let count = 0
  for (let i = 0; i < frames; i++) if (vad.process(make(i))) count++
  return count
}

describe('fvad', () => {
  it('hears a voice and not silence', async () => {
    const vad = await createFvad(3)
    const random = seededRandom(7)
    const hush = (): Int16Array =>
      Int16Array.from({ length: FRAME_SAMPLES }, () => random.int(-8, 8))
    voiced(vad, 50, hush)
    expect(voiced(vad, 50, buzz)).toBeGreaterThan(35)
    voiced(vad, 20, hush)
    expect(voiced(vad, 50, hush)).toBe(0)
    vad.close()
    vad.close()
  })

  it('keeps detectors apart, and refuses a frame of another length', async () => {
    const one = await createFvad(0)
    const two = await createFvad(3)
    one.close()
    two.setMode(2)
    expect(voiced(two, 50, buzz)).toBeGreaterThan(35)
    expect(() => two.process(new Int16Array(80))).toThrow('80 samples')
    two.close()
    expect(() => two.process(new Int16Array(FRAME_SAMPLES))).toThrow('closed')
  })
})
