// The resampler keeps the telephone band, removes what would alias, and does not care how a stream is cut.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { resample, Resampler } from './resample.ts'

function sine(hz: number, rate: number, count: number): Int16Array {
  return Int16Array.from({ length: count }, (_, i) =>
    Math.round(12_000 * Math.sin((2 * Math.PI * hz * i) / rate)),
  )
}

/** Level of the middle of `pcm` against a full sine of 12,000, dB. */
function levelDb(pcm: Int16Array): number {
  const middle = pcm.subarray(Math.floor(pcm.length / 4), Math.floor((pcm.length * 3) / 4))
  const power = middle.reduce((sum, x) => sum + x * x, 0) / middle.length
  return 10 * Math.log10(Math.max(power, 1e-9) / (12_000 ** 2 / 2))
}

/** What is left of `pcm` once the best fitting sine of `hz` is taken out, dB below it. */
function purityDb(pcm: Int16Array, hz: number, rate: number): number {
  const from = Math.floor(pcm.length / 4)
  const count = Math.floor(rate / 100) * 20
  let re = 0
  let im = 0
  for (let i = 0; i < count; i++) {
    re += pcm[from + i]! * Math.cos((2 * Math.PI * hz * i) / rate)
    im += pcm[from + i]! * Math.sin((2 * Math.PI * hz * i) / rate)
  }
  let rest = 0
  for (let i = 0; i < count; i++) {
    const phase = (2 * Math.PI * hz * i) / rate
    const fit = (2 / count) * (re * Math.cos(phase) + im * Math.sin(phase))
    rest += (pcm[from + i]! - fit) ** 2
  }
  const signal = (2 / count) * (re * re + im * im)
  return 10 * Math.log10(signal / Math.max(rest, 1e-9))
}

describe('resample', () => {
  it.each([8000, 16_000, 24_000])('keeps 300–3400 Hz from %i Hz to 8 kHz', (rate) => {
    for (const hz of [300, 1000, 2000, 3400]) {
      expect(Math.abs(levelDb(resample(sine(hz, rate, rate), rate, 8000)))).toBeLessThan(0.3)
    }
  })

  it.each([16_000, 24_000, 48_000])('removes from %i Hz what 8 kHz cannot hold', (rate) => {
    expect(levelDb(resample(sine(4600, rate, rate), rate, 8000))).toBeLessThan(-75)
    expect(levelDb(resample(sine(7000, rate, rate), rate, 8000))).toBeLessThan(-75)
  })

  it('makes no images on the way up', () => {
    const up = resample(sine(3400, 8000, 8000), 8000, 16_000)
    expect(Math.abs(levelDb(up))).toBeLessThan(0.3)
    expect(purityDb(up, 3400, 16_000)).toBeGreaterThan(75)
  })

  it.each([
    [24_000, 8000],
    [16_000, 8000],
    [8000, 16_000],
  ])('says by how much it lags from %i Hz to %i Hz', (from, to) => {
    const click = new Int16Array(800)
    click[400] = 20_000
    const resampler = new Resampler(from, to)
    const out = resampler.process(click)
    const peak = out.reduce((at, x, i) => (Math.abs(x) > Math.abs(out[at]!) ? i : at), 0)
    expect(Math.abs(peak - (400 * to) / from - resampler.delaySamples)).toBeLessThanOrEqual(1)
  })

  it('takes its own delay out of a whole recording', () => {
    const click = new Int16Array(1600)
    click[800] = 20_000
    const down = resample(click, 16_000, 8000)
    const peak = down.reduce((at, x, i) => (Math.abs(x) > Math.abs(down[at]!) ? i : at), 0)
    expect(down.length).toBe(800)
    expect(Math.abs(peak - 400)).toBeLessThanOrEqual(1)
  })

  it.each([
    [24_000, 16_000],
    [16_000, 8000],
    [8000, 16_000],
  ])('gives the same samples from %i Hz to %i Hz however the stream is cut', (from, to) => {
    const input = sine(700, from, 2400)
    const whole = new Resampler(from, to).process(input)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 20 }), (cuts) => {
        const resampler = new Resampler(from, to)
        const parts: number[] = []
        let at = 0
        for (const length of [...cuts, input.length]) {
          parts.push(...resampler.process(input.subarray(at, at + length)))
          at = Math.min(input.length, at + length)
        }
        expect(parts).toEqual([...whole])
      }),
      { numRuns: 30 },
    )
  })

  it('refuses a rate that is none', () => {
    expect(() => new Resampler(0, 8000)).toThrow('bad sample rate')
    expect(() => new Resampler(44_100.5, 8000)).toThrow('bad sample rate')
  })
})
