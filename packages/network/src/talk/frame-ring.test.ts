// The ring gives back the last frames in their order, whole, and as copies.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FRAME_SAMPLES } from '../rtp/frame.ts'
import { FrameRing } from './frame-ring.ts'

const CAPACITY = 5
const frameOf = (level: number): Int16Array => new Int16Array(FRAME_SAMPLES).fill(level)

test('gives the last frames, however many went by', () => {
  fc.assert(
    fc.property(fc.nat({ max: 40 }), fc.nat({ max: CAPACITY }), (put, asked) => {
      const ring = new FrameRing(CAPACITY)
      const one = frameOf(0)
      for (let i = 0; i < put; i++) ring.put(one.fill(i))
      expect(ring.size).toBe(Math.min(put, CAPACITY))
      const count = Math.min(asked, ring.size)
      const wanted = Array.from({ length: count }, (_, i) => frameOf(put - count + i))
      expect(ring.last(count)).toEqual(wanted)
    }),
  )
})

test('does not give what it does not have', () => {
  const ring = new FrameRing(CAPACITY)
  ring.put(frameOf(1))
  expect(() => ring.last(2)).toThrow('not kept')
})
