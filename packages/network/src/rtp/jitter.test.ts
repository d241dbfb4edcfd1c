// The jitter buffer on simulated time: order, loss, duplicates, delay that adapts, resets.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FRAME_MS, FRAME_SAMPLES } from './frame.ts'
import { JitterBuffer, MAX_DELAY_MS, MIN_DELAY_MS, type Taken } from './jitter.ts'

interface Arrival {
  atMs: number
  index: number
  sequence: number
  timestamp: number
  samples: number
  ssrc: number
}

/** Samples that name the packet they are from, so that the output can be read. */
function pcmOf({ index, samples }: Arrival): Int16Array {
  return new Int16Array(samples).fill(index + 1)
}

function arrival(index: number, delayMs: number, change: Partial<Arrival> = {}): Arrival {
  const samples = change.samples ?? FRAME_SAMPLES
  return {
    atMs: (index * samples) / 8 + delayMs,
    index,
    sequence: index,
    timestamp: (0xffff_f000 + index * samples) >>> 0,
    samples,
    ssrc: 1,
    ...change,
  }
}

/** Feeds packets in order of arrival and takes a frame every 20 ms, from 7 ms on. */
function run(arrivals: readonly Arrival[], buffer = new JitterBuffer()): Taken[] {
  const waiting = arrivals.toSorted((a, b) => a.atMs - b.atMs)
  const endMs = (waiting.at(-1)?.atMs ?? 0) + 400
  const taken: Taken[] = []
  for (let nowMs = 7; nowMs < endMs; nowMs += FRAME_MS) {
    while (waiting.length > 0 && waiting[0]!.atMs <= nowMs) {
      const packet = waiting.shift()!
      buffer.push(packet, pcmOf(packet), packet.atMs)
    }
    taken.push(buffer.take(nowMs))
    while (buffer.hasSurplus(false)) taken.push(buffer.take(nowMs))
  }
  return taken
}

const even = (count: number, delayMs = 0): Arrival[] =>
  Array.from({ length: count }, (_, i) => arrival(i, delayMs))

/** The packets heard, in order, without repetitions inside a frame. */
function heard(taken: readonly Taken[]): number[] {
  return taken.filter(({ kind }) => kind === 'audio').map(({ frame }) => frame[0]! - 1)
}

const count = (to: number): number[] => Array.from({ length: to }, (_, i) => i)

test('an even stream comes out whole, in order, at most one target delay later', () => {
  const taken = run(even(100))
  expect(heard(taken)).toEqual(count(100))
  for (const { kind, heldMs } of taken)
    if (kind === 'audio') expect(heldMs).toBeLessThan(MIN_DELAY_MS)
  // Nothing is lost before the first frame, and the end of the stream is silence.
  expect(taken[0]!.kind).toBe('silence')
  expect(taken.at(-1)!.kind).toBe('silence')
})

test('packets that overtake each other are put in order; duplicates are dropped', () => {
  const buffer = new JitterBuffer()
  const swapped = even(60).map((packet) => ({
    ...packet,
    atMs: packet.atMs + (packet.index % 3 === 0 ? 25 : 0),
  }))
  const taken = run([...swapped, ...even(60, 1)], buffer)
  expect(heard(taken)).toEqual(count(60))
  expect(buffer.counts.duplicate + buffer.counts.late).toBe(60)
})

test('a lost packet is a hole that takes its time, so that what follows does not shift', () => {
  const taken = run(even(50).filter(({ index }) => index !== 20))
  const at = taken.findIndex(({ frame }) => frame[0] === 20)
  expect(taken[at + 1]).toMatchObject({ kind: 'lost', received: [] })
  expect(taken[at + 2]!.frame[0]).toBe(22)
})

test('what is received of a frame is told apart from what is not', () => {
  const packets = Array.from({ length: 40 }, (_, i) => arrival(i, 0, { samples: 240 }))
  const taken = run(packets.filter(({ index }) => index !== 10))
  // 30 ms are missing: one whole frame, and the first half of the next.
  expect(taken.some(({ kind, received }) => kind === 'lost' && received.length === 0)).toBe(true)
  const half = taken.filter(({ received }) => received[0]?.from === 80)
  expect(half).toHaveLength(1)
  expect(half[0]!.received).toEqual([{ from: 80, to: FRAME_SAMPLES }])
  expect([half[0]!.frame[79], half[0]!.frame[80]]).toEqual([0, 12])
})

test('a jump of the play position is told, once', () => {
  const stalled = even(300).map((packet) =>
    packet.index >= 100 && packet.index < 150 ? { ...packet, atMs: 150 * FRAME_MS } : packet,
  )
  const taken = run(stalled)
  const jumps = taken.filter(({ joined }) => !joined)
  expect(jumps).toHaveLength(1)
  expect(jumps[0]!.frame[0]).toBeGreaterThan(120)
})

test('the delay grows with the jitter, never past its bound, and nothing is lost once it has', () => {
  const random = seededRandom(1)
  const buffer = new JitterBuffer()
  const jittery = even(400).map((packet) => ({ ...packet, atMs: packet.atMs + random.int(0, 70) }))
  const taken = run(jittery, buffer)
  expect(buffer.targetMs).toBeGreaterThan(60)
  expect(buffer.targetMs).toBeLessThanOrEqual(MAX_DELAY_MS)
  expect(heard(taken).slice(-200)).toEqual(count(400).slice(-200))
})

test('a burst after a stall is bounded, then the delay shrinks again', () => {
  const buffer = new JitterBuffer()
  const stalled = even(900).map((packet) =>
    packet.index >= 100 && packet.index < 150 ? { ...packet, atMs: 150 * FRAME_MS } : packet,
  )
  const taken = run(stalled, buffer)
  const last = taken.filter(({ kind }) => kind === 'audio').slice(-50)
  for (const { heldMs } of last) expect(heldMs).toBeLessThanOrEqual(MAX_DELAY_MS)
  expect(heard(taken).slice(-100)).toEqual(count(900).slice(-100))
})

test.each([10, 30, 40, 60])('packets of %i ms come out whole', (packetMs) => {
  const samples = packetMs * 8
  const packets = Array.from({ length: 40 }, (_, i) => arrival(i, 0, { samples }))
  const taken = run(packets)
  const total = taken.filter(({ kind }) => kind === 'audio').flatMap(({ frame }) => [...frame])
  const heardSamples = total.filter((sample) => sample !== 0)
  expect(heardSamples).toEqual(packets.flatMap((packet) => [...pcmOf(packet)]))
})

test('another source or a jump in time begins afresh', () => {
  const buffer = new JitterBuffer()
  const first = even(30)
  const second = even(30).map((packet) => ({
    ...packet,
    ssrc: 2,
    atMs: packet.atMs + 600,
    index: packet.index + 100,
    timestamp: packet.timestamp + 5_000_000,
  }))
  const third = second.map((packet) => ({
    ...packet,
    index: packet.index + 100,
    atMs: packet.atMs + 600,
    timestamp: packet.timestamp + 90_000,
  }))
  const taken = run([...first, ...second, ...third], buffer)
  expect(buffer.counts.resets).toBeGreaterThanOrEqual(1)
  const expected = [...first, ...second, ...third].map(({ index }) => index)
  // What was still waiting when the new stream came (at most one delay's worth) is given up.
  const lost = expected.filter((index) => !heard(taken).includes(index))
  expect(lost.length).toBeLessThanOrEqual(4)
  expect(heard(taken)).toEqual(expected.filter((index) => !lost.includes(index)))
})

test('a peer that stops its clock while silent is heard again at once', () => {
  const buffer = new JitterBuffer()
  const later = even(60).map((packet) =>
    packet.index < 30 ? packet : { ...packet, atMs: packet.atMs + 3000 },
  )
  expect(heard(run(later, buffer))).toEqual(count(60))
  expect(buffer.counts.late).toBe(0)
})

test('whatever arrives, frames are whole, in order and bounded in delay', () => {
  const packet = fc.record({
    delayMs: fc.nat(300),
    lost: fc.boolean(),
    twice: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 80 }), (plan) => {
      const buffer = new JitterBuffer()
      const arrivals = plan.flatMap(({ delayMs, lost, twice }, index) => {
        if (lost) return []
        const one = arrival(index, delayMs)
        return twice ? [one, arrival(index, delayMs + 3)] : [one]
      })
      const order = heard(run(arrivals, buffer))
      expect(order).toEqual([...new Set(order)].toSorted((a, b) => a - b))
      expect(buffer.depthMs).toBeLessThanOrEqual(500)
    }),
  )
})
