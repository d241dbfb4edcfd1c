// RTCP: compound packets are read back as written; no bytes make the parser throw; reception counts as the RFC says.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Reception } from './reception.ts'
import { middleOfNtp, ntpTime, parseRtcp, writeRtcp, type RtcpPacket } from './rtcp.ts'

const u32 = fc.nat(0xffffffff)
const block = fc.record({
  ssrc: u32,
  fractionLost: fc.nat(255),
  packetsLost: fc.integer({ min: -0x800000, max: 0x7fffff }),
  highestSequence: u32,
  jitter: u32,
  lastSenderReport: u32,
  delaySinceLastReport: u32,
})
const sender = fc.record({
  ntpSeconds: u32,
  ntpFraction: u32,
  rtpTimestamp: u32,
  packets: u32,
  octets: u32,
})
const packet: fc.Arbitrary<RtcpPacket> = fc.oneof(
  fc.record({
    type: fc.constant('report' as const),
    ssrc: u32,
    sender: fc.option(sender),
    blocks: fc.array(block, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant('description' as const),
    ssrc: u32,
    cname: fc.string({ maxLength: 40, unit: 'grapheme-ascii' }),
  }),
  fc.record({ type: fc.constant('goodbye' as const), ssrcs: fc.array(u32, { maxLength: 3 }) }),
)

test('reads back compound packets', () => {
  fc.assert(
    fc.property(fc.array(packet, { minLength: 2, maxLength: 4 }), (packets) => {
      expect(parseRtcp(writeRtcp(packets))).toEqual(packets)
    }),
  )
})

test('never throws', () => {
  const words = fc.uint8Array({ maxLength: 160 }).map((bytes) => {
    const whole = bytes.subarray(0, bytes.length - (bytes.length % 4))
    if (whole.length >= 4) {
      whole[0] = (whole[0]! & 0x3f) | 0x80
      whole[1] = 200 + (whole[1]! % 5)
      whole[2] = 0
      whole[3] = whole[3]! % 40
    }
    return whole
  })
  const property = fc.property(words, (bytes) => void parseRtcp(bytes))
  expect(() => fc.assert(property, { numRuns: 3000 })).not.toThrow()
})

test('NTP time keeps the millisecond', () => {
  const time = ntpTime(1_700_000_000_500)
  expect(time).toEqual({ ntpSeconds: 1_700_000_000 + 2_208_988_800, ntpFraction: 2 ** 31 })
  expect(middleOfNtp(time) & 0xffff).toBe(0x8000)
})

function stream(sequences: readonly number[], spacingMs = 20): Reception {
  const reception = new Reception()
  sequences.forEach((sequence, i) => {
    reception.count(
      { ssrc: 1, sequence: sequence & 0xffff, timestamp: (160 * sequence) >>> 0 },
      i * spacingMs,
    )
  })
  return reception
}

test('counts losses across the wrap of the sequence number', () => {
  const reception = stream([65_533, 65_534, 65_536, 65_537])
  expect(reception.received).toBe(4)
  expect(reception.lost).toBe(1)
  const report = reception.report()!
  expect(report.fractionLost).toBe(Math.floor(256 / 5))
  expect(report.highestSequence).toBe(65_537)
  expect(reception.report()!.fractionLost).toBe(0)
})

test('a reordered packet is no loss, a duplicate hides none below zero', () => {
  expect(stream([1, 3, 2, 4]).lost).toBe(0)
  expect(stream([1, 1, 2]).lost).toBe(0)
  expect(stream([1, 1, 2]).report()!.packetsLost).toBe(-1)
})

test('an even stream has no jitter, an uneven one converges to its mean change', () => {
  const numbers = Array.from({ length: 500 }, (_, i) => i)
  expect(stream(numbers).jitterMs).toBe(0)
  expect(stream(numbers, 25).jitterMs).toBeCloseTo(5, 1)
})

test('a new source keeps the old losses', () => {
  const reception = stream([1, 2, 5])
  reception.count({ ssrc: 2, sequence: 900, timestamp: 0 }, 100)
  expect(reception.lost).toBe(2)
  expect(reception.received).toBe(4)
})
