// The detector: a gate that follows the noise, a voice detector beside it, and how late it was.
import { silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { decodeG711, encodeG711 } from '../codec/g711.ts'
import { FliteProgram } from '../speech/flite-wasi.ts'
import { FliteMouth } from '../speech/flite.ts'
import { createFvad } from '../speech/fvad.ts'
import { ActivityDetector, levelDb, type Vad } from './activity.ts'
import { deferredVad } from './deferred-vad.ts'

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
  closed = false
  close(): void {
    this.closed = true
  }
}

function withResolver(): { promise: Promise<Vad>; resolve: (vad: Vad) => void } {
  let resolve: (vad: Vad) => void = () => {}
  const promise = new Promise<Vad>((done) => (resolve = done))
  return { promise, resolve }
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

describe('a detector that is still being opened', () => {
  it('leaves the decision to the gate, then takes over in the mode that was asked for', async () => {
    const vad = new FakeVad()
    vad.speech = false
    const opening = withResolver()
    const detector = new ActivityDetector(deferredVad(opening.promise, silentLog))
    expect(run(detector, -20, 3)).toEqual([true, true, true])
    opening.resolve(vad)
    await opening.promise
    expect(vad.mode).toBe(3)
    expect(run(detector, -20, 3)).toEqual([false, false, false])
    detector.close()
    expect(vad.closed).toBe(true)
  })

  it('is closed when it comes too late, and done without when it never comes', async () => {
    const vad = new FakeVad()
    const late = deferredVad(Promise.resolve(vad), silentLog)
    late.close()
    await Promise.resolve()
    expect(vad.closed).toBe(true)
    const failed = deferredVad(Promise.reject(new Error('no memory')), silentLog)
    await Promise.resolve()
    expect(failed.process(frame(-20))).toBe(true)
  })
})

it('finds the embedded voice on a G.711 line, without splits, where it begins and ends', async () => {
  const mouth = new FliteMouth(await FliteProgram.load())
  const detector = new ActivityDetector(await createFvad(3))
  const { signal } = new AbortController()
  for await (const { pcm, words } of mouth.speak('I would like a table for two.', 'rms', signal)) {
    const beforeMs = 1_000
    const line = new Int16Array(pcm.length + 16_000)
    line.set(pcm, 8_000)
    const heard = decodeG711('PCMU', encodeG711('PCMU', line))
    const voicedAtMs: number[] = []
    for (let at = 0; at + 160 <= heard.length; at += 160) {
      const { run } = detector.observe(heard.subarray(at, at + 160))
      if (run >= 3) voicedAtMs.push(at / 8 + 20)
    }
    const from = beforeMs + (words[0]?.fromMs ?? 0)
    const to = beforeMs + (words.at(-1)?.toMs ?? 0)
    expect(Math.abs((voicedAtMs[0] ?? 0) - from)).toBeLessThanOrEqual(120)
    expect(Math.abs((voicedAtMs.at(-1) ?? 0) - to)).toBeLessThanOrEqual(120)
    const gaps = voicedAtMs.map((ms, i) => ms - (voicedAtMs[i - 1] ?? ms))
    expect(Math.max(...gaps)).toBeLessThan(300)
  }
  detector.close()
})
