// The E-model against the recommendation's own figures, and intervals as differences of counts.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assess, mosOf, NO_FIGURES, rating, satisfaction, type StreamFigures } from './quality.ts'

// ITU-T G.107, table B.1.
test.each([
  [90, 4.34, 5],
  [80, 4.03, 4],
  [70, 3.6, 3],
  [60, 3.1, 2],
  [50, 2.58, 1],
])('R %d is a mean opinion score of %d', (r, mos, classes) => {
  // The table rounds up now and then.
  expect(Math.abs(mosOf(r) - mos)).toBeLessThan(0.01)
  expect(satisfaction(r)).toBe(classes)
  expect(satisfaction(r - 0.1)).toBe(classes - 1)
})

test('a line without fault is rated 93.2, delay and loss take their share', () => {
  expect(rating('PCMU', 0, 0)).toBeCloseTo(93.2, 6)
  expect(mosOf(rating('PCMA', 0, 0))).toBeCloseTo(4.41, 2)
  expect(rating('PCMU', 100, 0)).toBeCloseTo(93.2 - 2.4, 6)
  expect(rating('PCMU', 277.3, 0)).toBeCloseTo(93.2 - 0.024 * 277.3 - 11, 6)
  // Ie,eff of G.711 with concealment at 5 % random loss: 95 * 5 / (5 + 25.1).
  expect(rating('PCMU', 0, 0.05)).toBeCloseTo(93.2 - 15.78, 2)
})

test('more delay and more loss never sound better', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(fc.nat(2000), fc.nat(500), share, share, (delayMs, moreMs, loss, more) => {
      const r = rating('PCMU', delayMs, loss)
      const worse = rating('PCMU', delayMs + moreMs, Math.min(1, loss + more))
      expect(worse).toBeLessThanOrEqual(r)
      for (const mos of [mosOf(r), mosOf(worse)]) {
        expect(mos).toBeGreaterThanOrEqual(1)
        expect(mos).toBeLessThanOrEqual(4.5)
      }
    }),
  )
})

const figures = (change: Partial<StreamFigures>): StreamFigures => ({ ...NO_FIGURES, ...change })

test('an interval is the difference of its ends, both ways', () => {
  const from = figures({
    packetsSent: 1000,
    packetsReceived: 990,
    packetsLost: 10,
    jitterSumMs: 4000,
    jitterPackets: 990,
    peer: { packetsLost: 4, packetsExpected: 900, jitterMs: 3 },
  })
  const to = figures({
    packetsSent: 1500,
    packetsReceived: 1440,
    packetsLost: 60,
    packetsLate: 9,
    framesConcealed: 59,
    jitterSumMs: 4000 + 450 * 12,
    jitterPackets: 1440,
    bufferMs: 60,
    peer: { packetsLost: 14, packetsExpected: 1400, jitterMs: 5 },
    roundTripMs: 80,
  })
  const { report, r } = assess('PCMU', from, to)
  expect(report).toEqual({
    codec: 'PCMU',
    packetsSent: 500,
    packetsReceived: 450,
    packetsLost: 50,
    packetsLate: 9,
    framesConcealed: 59,
    lossInPercent: 10,
    lossOutPercent: 2,
    jitterMs: 12,
    jitterOutMs: 5,
    roundTripMs: 80,
    // What comes too late is lost to the ear too.
    mos: Math.round(100 * mosOf(rating('PCMU', 40 + 20 + 60, 59 / 500))) / 100,
    mosOut: Math.round(100 * mosOf(rating('PCMU', 40 + 20 + 40, 0.02))) / 100,
  })
  expect(r).toBe(rating('PCMU', 120, 59 / 500))
})

test('what nobody knows is null', () => {
  const { report } = assess('PCMU', NO_FIGURES, figures({ packetsSent: 50 }))
  expect(report).toMatchObject({
    lossOutPercent: null,
    jitterOutMs: null,
    roundTripMs: null,
    mos: null,
    mosOut: null,
  })
  const peer = { packetsLost: 0, packetsExpected: 50, jitterMs: 0 }
  const stale = assess('PCMU', figures({ peer }), figures({ peer, packetsSent: 90 }))
  expect(stale.report.lossOutPercent).toBeNull()
})
