// The ears get everything that came, once and in order, with nothing made up between it; a recording one frame a turn.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FRAME_MS, FRAME_SAMPLES } from './frame.ts'
import { Hearing, type HeardTurn } from './hearing.ts'
import { JitterBuffer } from './jitter.ts'

/** What names packet `i`: a level, which is the same over the whole frame in what was received. */
function soundOf(i: number): Int16Array {
  return new Int16Array(FRAME_SAMPLES).fill((i + 1) * 100)
}

/** Which packet's sound ends this frame (its beginning may be cross-faded). */
function packetOf(frame: Int16Array): number {
  return frame[FRAME_SAMPLES - 1]! / 100 - 1
}

/** Packet `i` arrives `delays[i]` after its time; the sender stops for four frames before `pauseAt`. */
function run(delays: readonly number[], pauseAt = Infinity): HeardTurn[] {
  const buffer = new JitterBuffer()
  const hearing = new Hearing(buffer)
  const waiting = delays
    .map((delayMs, i) => ({ i, frame: i < pauseAt ? i : i + 4, delayMs }))
    .map(({ i, frame, delayMs }) => ({ i, frame, atMs: frame * FRAME_MS + delayMs }))
    .toSorted((a, b) => a.atMs - b.atMs)
  const turns: HeardTurn[] = []
  const endMs = delays.length * FRAME_MS + 1000
  for (let nowMs = 7; nowMs < endMs; nowMs += FRAME_MS) {
    while (waiting.length > 0 && waiting[0]!.atMs <= nowMs) {
      const { i, frame, atMs } = waiting.shift()!
      const packet = { ssrc: 1, sequence: i, timestamp: frame * FRAME_SAMPLES }
      buffer.push(packet, soundOf(i), atMs)
    }
    turns.push(hearing.turn(nowMs, true))
  }
  return turns
}

/** The sound between the first frame and the last, as packet numbers; `x` where it was made up. */
function heard(turns: readonly HeardTurn[]): string {
  return turns
    .flatMap((turn) => turn.heard)
    .map(({ kind, frame }) =>
      kind === 'audio' ? `${packetOf(frame)}` : kind === 'silence' ? '' : 'x',
    )
    .filter((text) => text !== '')
    .join(' ')
    .replace(/( x)+$/, '')
}

const all = (count: number): string => Array.from({ length: count }, (_, i) => i).join(' ')

/** The sound of the recording, as packet numbers. */
function recorded(turns: readonly HeardTurn[]): string {
  return (
    turns
      .map(({ recorded: frame }) => frame!)
      // What is made up fades, so that its level is nowhere the same for long.
      .filter((frame) => frame[120] === frame[FRAME_SAMPLES - 1] && frame[120] !== 0)
      .map(packetOf)
      .slice(0, 60)
      .join(' ')
  )
}

test('a recording has all that came too, though not at once, and one frame a turn', () => {
  for (const stalled of [1, 3, 4]) {
    const delays = Array.from({ length: 60 }, (_, i) =>
      i >= 20 && i < 20 + stalled ? (20 + stalled - i) * FRAME_MS : 0,
    )
    expect(recorded(run(delays))).toBe(all(60))
  }
  expect(
    recorded(
      run(
        Array.from({ length: 60 }, () => 0),
        30,
      ),
    ),
  ).toBe(all(60))
})

test('a stall of the sender leaves no gap and nothing made up', () => {
  const delays = Array.from({ length: 60 }, (_, i) => (i >= 20 && i < 24 ? (24 - i) * 20 : 0))
  const turns = run(delays)
  expect(heard(turns)).toBe(all(60))
  expect(turns.some((turn) => turn.heard.length === 0)).toBe(true)
  expect(turns.some((turn) => turn.heard.length > 1)).toBe(true)
})

test('a sender that leaves out frames, losing nothing, is heard without a gap', () => {
  const delays = Array.from({ length: 60 }, () => 0)
  expect(heard(run(delays, 30))).toBe(all(60))
})

test('jitter of 60 ms with packets overtaking each other costs a few at first, and nothing once it is known', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = seededRandom(seed)
      const delays = Array.from({ length: 200 }, () => random.int(0, 60))
      const parts = heard(run([0, ...delays])).split(' ')
      expect(parts.filter((part) => part !== 'x').length).toBeGreaterThan(185)
      expect(parts.slice(-100).join(' ')).not.toContain('x')
    }),
    { numRuns: 50 },
  )
})

test('a lost packet is made up for the ears too, so that time does not shrink', () => {
  const turns = run(Array.from({ length: 40 }, (_, i) => (i === 20 ? 100_000 : 0)))
  expect(heard(turns)).toBe(all(40).replace(' 20 ', ' x '))
})

test('over time the ears get as many frames as there were turns', () => {
  const random = seededRandom(5)
  const delays = Array.from({ length: 300 }, (_, i) => (i % 40 < 3 ? random.int(0, 90) : 0))
  const turns = run(delays)
  const frames = turns.reduce((sum, turn) => sum + turn.heard.length, 0)
  expect(Math.abs(frames - turns.length)).toBeLessThanOrEqual(5)
})
