// G.711: every sample of both laws against the rules of the recommendation, written down another way.
import { expect, test } from 'vitest'
import { decodeG711, encodeG711, type Law } from './g711.ts'

const SAMPLES = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768)
const CODES = Uint8Array.from({ length: 256 }, (_, i) => i)

/** µ-law as decision values: 8 segments of 16 steps, 8 wide (in 16-bit units) and doubling; the first is half as wide. */
function referenceMu(sample: number): number {
  const magnitude = Math.min(sample < 0 ? -sample : sample, 32_635)
  let high = 0
  for (let segment = 0, code = 0; segment < 8; segment++) {
    for (let step = 0; step < 16; step++, code++) {
      high += code === 0 ? 4 : 8 << segment
      if (magnitude < high) return (sample < 0 ? 0x7f : 0xff) - code
    }
  }
  throw new Error(`beyond the last decision value, ${high}`)
}

/** A-law: two segments of 16 steps of width 16, then the width doubles; negative samples mirror at -1. */
function referenceA(sample: number): number {
  const magnitude = sample < 0 ? -sample - 1 : sample
  let low = 0
  for (let segment = 0, code = 0; segment < 8; segment++) {
    const width = 16 << Math.max(0, segment - 1)
    for (let step = 0; step < 16; step++, code++) {
      low += width
      if (magnitude < low) return (sample < 0 ? code : code | 0x80) ^ 0x55
    }
  }
  throw new Error(`beyond the last decision value, ${low}`)
}

test.each([
  ['PCMU', referenceMu],
  ['PCMA', referenceA],
] as const)('%s encodes every sample as the recommendation says', (law, reference) => {
  const codes = encodeG711(law, SAMPLES)
  const wrong = [...SAMPLES].filter((sample, i) => codes[i] !== reference(sample))
  expect(wrong.slice(0, 5)).toEqual([])
})

test.each(['PCMU', 'PCMA'] as const)(
  '%s decodes every code to the middle of its interval',
  (law) => {
    const levels = decodeG711(law, CODES)
    const codes = encodeG711(law, SAMPLES)
    const bounds = new Map<number, { low: number; high: number }>()
    codes.forEach((code, i) => {
      const sample = SAMPLES[i]!
      const seen = bounds.get(code)
      bounds.set(code, { low: seen?.low ?? sample, high: sample })
    })
    for (const [code, { low, high }] of bounds) {
      // The outermost intervals reach to the clip; zero is split between the two signs.
      if (low === -32_768 || high === 32_767 || levels[code] === 0) continue
      const middle = (low + high) / 2
      expect(Math.abs(levels[code]! - middle), `code ${code}`).toBeLessThanOrEqual(1)
    }
  },
)

test.each(['PCMU', 'PCMA'] as const)('%s: a decoded code encodes to itself', (law) => {
  const again = encodeG711(law, decodeG711(law, CODES))
  // µ-law has two zeros, and the negative one becomes the positive.
  const different = [...CODES].filter((code) => again[code] !== code)
  expect(different).toEqual(law === 'PCMU' ? [0x7f] : [])
})

test('silence and the loudest samples', () => {
  const first = (law: Law): number => encodeG711(law, Int16Array.of(0))[0]!
  expect([first('PCMU'), first('PCMA')]).toEqual([0xff, 0xd5])
  expect([...decodeG711('PCMU', Uint8Array.of(0x80, 0x00))]).toEqual([32_124, -32_124])
  expect([...decodeG711('PCMA', Uint8Array.of(0xaa, 0x2a))]).toEqual([32_256, -32_256])
})
