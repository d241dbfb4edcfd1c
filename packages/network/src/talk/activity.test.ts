// The detector: a gate that follows the noise, a voice detector beside it, and how late it was.
import { describe, expect, it } from 'vitest'
import { ActivityDetector, levelDb, type Vad } from './activity.ts'

/** A square wave of the given level in dBFS. */
function frame(db: number): Int16Array {
  const amplitude = Math.round(32_768 * 10 ** (db / 20))
  return Int16Array.from({ length: 160 }, (_, i) => (i % 2 === 0 ? amplitude : -amplitude))
}

class FakeVad implements Vad {
  speech = true
  mode = 0
  process(): boolean {
    return this.speech
  }
  setMode(mode: 2 | 3): void {
    this.mode = mode
  }
  close(): void {}
}

function run(detector: ActivityDetector, db: number, frames: number): boolean[] {
  return Array.from({ length: frames }, () => detector.observe(frame(db)).voiced)
}

describe('the level', () => {
  it('is in dBFS, silence at the bottom', () => {
    expect(levelDb(frame(-20))).toBeCloseTo(-20, 1)
    expect(levelDb(new Int16Array(160))).toBe(-90)
  })
})

describe('the gate', () => {
  it('lets a voice through and nothing faint', () => {
    const detector = new ActivityDetector(null)
    expect(run(detector, -75, 20)).not.toContain(true)
    expect(run(detector, -55, 20)).not.toContain(true)
    expect(run(detector, -25, 20)).not.toContain(false)
    expect(run(detector, -75, 5)).not.toContain(true)
  })

  it('rises with the noise, and asks for the milder mode there', () => {
    const vad = new FakeVad()
    const detector = new ActivityDetector(vad)
    expect(vad.mode).toBe(3)
    vad.speech = false
    run(detector, -40, 400)
    expect(detector.floorDb).toBeCloseTo(-40, 0)
    expect(vad.mode).toBe(2)
    vad.speech = true
    expect(run(detector, -36, 5)).not.toContain(true)
    expect(run(detector, -30, 5)).not.toContain(false)
    vad.speech = false
    run(detector, -70, 50)
    expect(vad.mode).toBe(3)
  })

  it('stays open for a long tone, and can be told that it was noise', () => {
    const detector = new ActivityDetector(null)
    expect(run(detector, -12, 1_500)).not.toContain(false)
    detector.relearn()
    expect(run(detector, -22, 5)).not.toContain(true)
  })
})

describe('the end', () => {
  it('is late by the hangover only where the voice detector was the last to let go', () => {
    const vad = new FakeVad()
    const detector = new ActivityDetector(vad)
    run(detector, -20, 5)
    vad.speech = false
    expect(detector.observe(frame(-20))).toEqual({ voiced: false, run: 0, lateMs: 100 })
    vad.speech = true
    run(detector, -20, 5)
    expect(detector.observe(frame(-80))).toEqual({ voiced: false, run: 0, lateMs: 0 })
  })
})
