// Keys in the sound: found in noise, off pitch, quiet and short; each once; nothing found where there is none.
import { seededRandom, type Random } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { decodeG711, encodeG711 } from '../codec/g711.ts'
import { COLUMNS_HZ, KEYPAD, keypadTone, ROWS_HZ } from '../codec/keypad.ts'
import { digitOfEvent } from './dtmf.ts'
import { FRAME_SAMPLES, SAMPLE_RATE, SAMPLES_PER_MS } from './frame.ts'
import { InbandDigits } from './inband-digits.ts'

const KEYS = '123A456B789C*0#D'

interface Press {
  key: string
  toneMs: number
  pauseMs: number
  /** Amplitude of each tone. */
  low: number
  high: number
  /** Share by which each tone is off its frequency. */
  offLow: number
  offHigh: number
}

function press(key: string, change: Partial<Press> = {}): Press {
  const usual = { toneMs: 60, pauseMs: 60, low: 4000, high: 4000, offLow: 0, offHigh: 0 }
  return { key, ...usual, ...change }
}

/** The sound of keys one after the other, `leadMs` after the beginning. */
function sound(presses: readonly Press[], leadMs: number): Int16Array {
  const parts = [Array.from<number>({ length: leadMs * SAMPLES_PER_MS }).fill(0)]
  for (const { key, toneMs, pauseMs, low, high, offLow, offHigh } of presses) {
    const at = KEYS.indexOf(key)
    const lowHz = ROWS_HZ[at >> 2]! * (1 + offLow)
    const highHz = COLUMNS_HZ[at & 3]! * (1 + offHigh)
    const sine = (hertz: number, i: number): number =>
      Math.sin((2 * Math.PI * hertz * i) / SAMPLE_RATE)
    const tone = Array.from({ length: toneMs * SAMPLES_PER_MS }, (_, i) =>
      Math.round(low * sine(lowHz, i) + high * sine(highHz, i)),
    )
    parts.push(tone, Array.from<number>({ length: pauseMs * SAMPLES_PER_MS }).fill(0))
  }
  parts.push(Array.from<number>({ length: 800 }).fill(0))
  return Int16Array.from(parts.flat())
}

/** White noise so many dB below a pair of tones of amplitude 4000. */
function noisy(signal: Int16Array, snrDb: number, random: Random): Int16Array {
  const deviation = Math.sqrt(4000 ** 2 / 10 ** (snrDb / 10))
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float())
  return signal.map((x) =>
    Math.max(-32_768, Math.min(32_767, Math.round(x + deviation * normal()))),
  )
}

function heard(signal: Int16Array, detector = new InbandDigits()): string {
  const line = decodeG711('PCMU', encodeG711('PCMU', signal))
  let digits = ''
  for (let at = 0; at + FRAME_SAMPLES <= line.length; at += FRAME_SAMPLES) {
    digits += detector.hear(line.subarray(at, at + FRAME_SAMPLES)) ?? ''
  }
  return digits
}

test('the keypad is laid out as the test says', () => {
  expect(KEYPAD.map(digitOfEvent).join('')).toBe(KEYS)
})

test('what we send ourselves is heard', () => {
  for (let event = 0; event < 16; event++) {
    const tone = keypadTone(event, 0, 5 * FRAME_SAMPLES)
    expect(heard(Int16Array.from([...Array.from<number>({ length: 480 }).fill(0), ...tone]))).toBe(
      digitOfEvent(event),
    )
  }
})

test('tones of 60 ms at 10 dB above the noise are found, wherever they begin', () => {
  const random = seededRandom(9)
  let found = 0
  let wrong = 0
  for (let leadMs = 40; leadMs < 60; leadMs++) {
    const keys = Array.from(KEYS).map((key) => press(key))
    const digits = heard(noisy(sound(keys, leadMs), 10, random))
    found +=
      digits === KEYS ? KEYS.length : Array.from(KEYS).filter((key) => digits.includes(key)).length
    wrong += digits.length - Array.from(KEYS).filter((key) => digits.includes(key)).length
  }
  expect(wrong).toBe(0)
  expect(found / (20 * KEYS.length)).toBeGreaterThan(0.99)
})

// ITU-T Q.24: what a receiver has to take.
test.each([
  ['1.5 % sharp', { offLow: 0.015, offHigh: 0.015 }],
  ['1.5 % flat', { offLow: -0.015, offHigh: -0.015 }],
  ['1.5 % apart', { offLow: 0.015, offHigh: -0.015 }],
  ['the high tone 3.5 dB louder', { high: 5980 }],
  ['the low tone 7 dB louder', { low: 8950 }],
  ['quiet', { low: 600, high: 600 }],
  ['loud', { low: 16_000, high: 16_000 }],
  ['long', { toneMs: 900 }],
  ['in quick succession', { toneMs: 50, pauseMs: 45 }],
] as const)('keys are heard once each when they are %s', (_, change) => {
  for (const leadMs of [50, 54, 57, 61, 66]) {
    const keys = [...Array.from(KEYS), '5', '5', '5'].map((key) => press(key, change))
    expect(heard(sound(keys, leadMs))).toBe(`${KEYS}555`)
  }
})

// And what it has to leave.
test.each([
  ['shorter than a key', { toneMs: 20 }],
  ['3.5 % off', { offLow: 0.035, offHigh: 0.035 }],
  ['one tone only', { low: 0 }],
  ['the other tone only', { high: 0 }],
  ['12 dB apart', { low: 8000, high: 2000 }],
  ['all but inaudible', { low: 120, high: 120 }],
] as const)('nothing is heard of tones that are %s', (_, change) => {
  for (const leadMs of [50, 54, 57, 61, 66]) {
    expect(
      heard(
        sound(
          Array.from(KEYS).map((key) => press(key, change)),
          leadMs,
        ),
      ),
    ).toBe('')
  }
})

test('a dropout of 10 ms does not make two keys of one', () => {
  for (let leadMs = 40; leadMs < 60; leadMs++) {
    const signal = sound([press('7', { toneMs: 200 })], leadMs)
    const from = (leadMs + 90) * SAMPLES_PER_MS
    signal.fill(0, from, from + 10 * SAMPLES_PER_MS)
    expect(heard(signal)).toBe('7')
  }
})

test('minutes of noise and of ringing have no keys in them', () => {
  const random = seededRandom(4)
  const length = 120 * SAMPLE_RATE
  expect(heard(Int16Array.from({ length }, () => random.int(-8000, 8000)))).toBe('')
  // Ringback (440 + 480 Hz), busy (480 + 620 Hz), dial tone (350 + 440 Hz).
  for (const [a, b] of [
    [440, 480],
    [480, 620],
    [350, 440],
  ] as const) {
    const tone = Int16Array.from({ length: 10 * SAMPLE_RATE }, (_, i) =>
      Math.round(
        5000 * Math.sin((2 * Math.PI * a * i) / SAMPLE_RATE) +
          5000 * Math.sin((2 * Math.PI * b * i) / SAMPLE_RATE),
      ),
    )
    expect(heard(tone)).toBe('')
  }
})
