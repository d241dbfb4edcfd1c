// Concealment, measured: no seam steps further than the sound itself does, and a gap is silent after 60 ms.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Concealer, NOTHING, type Piece } from './concealment.ts'
import { FRAME_SAMPLES, SAMPLE_RATE } from './frame.ts'

const FRAMES = 100

function sine(hertz: number, amplitude = 10_000): Int16Array {
  return Int16Array.from({ length: FRAMES * FRAME_SAMPLES }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * hertz * i) / SAMPLE_RATE)),
  )
}

/** A vowel: pulses at a pitch that glides, through two resonances. */
function vowel(fromHertz: number, toHertz: number): Int16Array {
  const length = FRAMES * FRAME_SAMPLES
  const out = new Float64Array(length)
  let phase = 0
  for (let i = 0; i < length; i++) {
    phase += (fromHertz + ((toHertz - fromHertz) * i) / length) / SAMPLE_RATE
    out[i] = phase >= 1 ? 1 : 0
    phase %= 1
  }
  for (const [hertz, radius] of [
    [700, 0.95],
    [1200, 0.93],
  ] as const) {
    const turn = 2 * radius * Math.cos((2 * Math.PI * hertz) / SAMPLE_RATE)
    for (let i = 0; i < length; i++) {
      out[i] = out[i]! + turn * (out[i - 1] ?? 0) - radius ** 2 * (out[i - 2] ?? 0)
    }
  }
  const peak = out.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return Int16Array.from(out, (x) => Math.round((12_000 * x) / peak))
}

function noise(seed: number): Int16Array {
  const random = seededRandom(seed)
  return Int16Array.from({ length: FRAMES * FRAME_SAMPLES }, () => random.int(-6000, 6000))
}

function pieceOf(frame: Int16Array, change: Partial<Piece> = {}): Piece {
  return { frame, received: [{ from: 0, to: FRAME_SAMPLES }], joined: true, ...change }
}

function frameOf(signal: Int16Array, index: number): Int16Array {
  return signal.subarray(index * FRAME_SAMPLES, (index + 1) * FRAME_SAMPLES)
}

/** The signal with frames left out where `lost`, as it is played; `make` null: repeats nothing, plays silence. */
function play(signal: Int16Array, lost: (frame: number) => boolean, conceal = true): Int16Array {
  const concealer = new Concealer()
  const out = new Int16Array(signal.length)
  for (let i = 0; i < FRAMES; i++) {
    const piece = lost(i) ? NOTHING : pieceOf(frameOf(signal, i))
    out.set(conceal ? concealer.render(piece) : piece.frame, i * FRAME_SAMPLES)
  }
  return out
}

/** The largest n-th difference between neighbouring samples: what is heard as a click. */
function roughness(signal: Int16Array, order: 1 | 2): number {
  let most = 0
  for (let i = 2; i < signal.length; i++) {
    const slope = signal[i]! - signal[i - 1]!
    const value = order === 1 ? slope : slope - (signal[i - 1]! - signal[i - 2]!)
    most = Math.max(most, Math.abs(value))
  }
  return most
}

/** Lost in ones, twos and threes, never the first two. */
const someLost = (seed: number): ((frame: number) => boolean) => {
  const random = seededRandom(seed)
  const lost = new Set<number>()
  for (let i = 3; i < FRAMES - 4; i += 4 + random.int(0, 6)) {
    for (let n = random.int(1, 3); n > 0; n--) lost.add(i + n)
  }
  return (frame) => lost.has(frame)
}

const SOUNDS: [string, Int16Array][] = [
  ['a tone of 197 Hz', sine(197)],
  ['a tone of 440 Hz', sine(440)],
  ['a tone of 1004 Hz', sine(1004)],
  ['a low voice', vowel(95, 120)],
  ['a high voice', vowel(240, 190)],
]

test.each(SOUNDS)(
  '%s has no click at a seam, where silence in its place would click',
  (_, signal) => {
    for (let seed = 1; seed <= 20; seed++) {
      const lost = someLost(seed)
      const out = play(signal, lost)
      const bare = play(signal, lost, false)
      expect(roughness(out, 1)).toBeLessThanOrEqual(1.15 * roughness(signal, 1))
      expect(roughness(out, 2)).toBeLessThanOrEqual(1.75 * roughness(signal, 2))
      expect(roughness(bare, 2)).toBeGreaterThan(roughness(out, 2))
    }
  },
)

test('noise stays as rough as it was', () => {
  const signal = noise(4)
  const out = play(signal, someLost(2))
  expect(roughness(out, 1)).toBeLessThanOrEqual(1.05 * roughness(signal, 1))
})

test('a gap is as loud as the sound at first, then quieter, and silent after 60 ms', () => {
  const signal = vowel(110, 110)
  const out = play(signal, (frame) => frame >= 20 && frame < 26)
  const level = (frame: number, part: 0 | 1): number => {
    const from = frame * FRAME_SAMPLES + (part * FRAME_SAMPLES) / 2
    return Math.sqrt(out.slice(from, from + 80).reduce((sum, x) => sum + x * x, 0) / 80)
  }
  expect(level(20, 0)).toBeGreaterThan(0.8 * level(19, 1))
  expect(level(21, 1)).toBeLessThan(0.7 * level(20, 0))
  expect(level(22, 1)).toBeLessThan(0.3 * level(20, 0))
  expect(out.slice(23 * FRAME_SAMPLES, 26 * FRAME_SAMPLES).every((x) => x === 0)).toBe(true)
})

test('one lost frame of a steady tone is hardly different from the tone', () => {
  const signal = sine(440)
  const out = play(signal, (frame) => frame === 30)
  const from = 30 * FRAME_SAMPLES
  let error = 0
  let power = 0
  for (let i = from; i < from + 80; i++) {
    error += (out[i]! - signal[i]!) ** 2
    power += signal[i]! ** 2
  }
  expect(error / power).toBeLessThan(0.01)
})

test('what was left out of a stream is crossed without a click', () => {
  const signal = sine(440)
  const jumped = new Int16Array(signal.length - FRAME_SAMPLES)
  const concealer = new Concealer()
  // Half a period off: as bad as can be.
  const shift = Math.round(SAMPLE_RATE / 880)
  for (let i = 0; i < FRAMES - 1; i++) {
    const after = i >= 50
    const from = i * FRAME_SAMPLES + (after ? shift : 0)
    const frame = signal.subarray(from, from + FRAME_SAMPLES)
    jumped.set(concealer.render(pieceOf(frame, { joined: i !== 50 })), i * FRAME_SAMPLES)
  }
  expect(roughness(jumped, 1)).toBeLessThanOrEqual(1.15 * roughness(signal, 1))
  expect(roughness(jumped, 2)).toBeLessThanOrEqual(2.5 * roughness(signal, 2))
})

test('a hole inside a frame is filled', () => {
  const signal = sine(440)
  const concealer = new Concealer()
  const out = new Int16Array(signal.length)
  for (let i = 0; i < FRAMES; i++) {
    const received =
      i === 40
        ? [
            { from: 0, to: 40 },
            { from: 120, to: FRAME_SAMPLES },
          ]
        : [{ from: 0, to: FRAME_SAMPLES }]
    const frame = new Int16Array(FRAME_SAMPLES)
    for (const { from, to } of received) {
      frame.set(frameOf(signal, i).subarray(from, to), from)
    }
    out.set(concealer.render(pieceOf(frame, { received })), i * FRAME_SAMPLES)
  }
  expect(roughness(out, 1)).toBeLessThanOrEqual(1.15 * roughness(signal, 1))
  const hole = out.slice(40 * FRAME_SAMPLES + 40, 40 * FRAME_SAMPLES + 120)
  expect(hole.some((x) => Math.abs(x) > 5000)).toBe(true)
})

test('nothing is made up before the first sound, and what comes whole is passed on as it is', () => {
  const concealer = new Concealer()
  expect(concealer.render(NOTHING).every((x) => x === 0)).toBe(true)
  const frame = frameOf(sine(440), 3)
  expect(concealer.render(pieceOf(frame))).toBe(frame)
})

test('whatever is lost of whatever sound, what is played stays within what is possible', () => {
  const loud = [noise(1), sine(3000, 32_767), vowel(60, 400)]
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: FRAMES, maxLength: FRAMES }),
      fc.constantFrom(0, 1, 2),
      (lost, which) => {
        const signal = loud[which]!
        const out = play(signal, (frame) => lost[frame]!)
        expect(out).toHaveLength(signal.length)
        const peak = signal.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
        // The first seam's difference may add to a period that is already loud, never past full scale.
        expect(out.every((x) => Math.abs(x) <= Math.min(32_768, 3.1 * peak))).toBe(true)
      },
    ),
    { numRuns: 60 },
  )
})
