// RTP packets: written ones are read back, and no bytes whatever make the parser throw.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isRtcp, MAX_RTP_BYTES, parseRtp, writeRtp } from './packet.ts'

const u32 = fc.nat(0xffffffff)
// 64–95 with a marker look like RTCP on a shared port, and RFC 5761 keeps them free.
const payloadType = fc.nat(127).filter((type) => type < 64 || type > 95)

test('reads back what was written', () => {
  const packet = fc.record({
    payloadType,
    marker: fc.boolean(),
    sequence: fc.nat(0xffff),
    timestamp: u32,
    ssrc: u32,
    payload: fc.uint8Array({ maxLength: 400 }),
  })
  fc.assert(
    fc.property(packet, (written) => {
      const read = parseRtp(writeRtp(written))!
      expect({ ...read, payload: [...read.payload] }).toEqual({
        ...written,
        payload: [...written.payload],
      })
    }),
  )
})

test('never throws, and never gives more than was there', () => {
  const property = fc.property(fc.uint8Array({ maxLength: MAX_RTP_BYTES + 20 }), (bytes) => {
    if (bytes.length > 0) bytes[0] = (bytes[0]! & 0x3f) | 0x80
    const packet = parseRtp(bytes)
    return packet === null || packet.payload.length <= bytes.length - 12
  })
  expect(() => fc.assert(property, { numRuns: 2000 })).not.toThrow()
})

test('steps over contributing sources, an extension and padding', () => {
  const plain = writeRtp({
    payloadType: 0,
    marker: false,
    sequence: 7,
    timestamp: 160,
    ssrc: 1,
    payload: Uint8Array.of(1, 2, 3),
  })
  const source = [9, 9, 9, 9]
  const extension = [0xbe, 0xde, 0, 1, 5, 5, 5, 5]
  const padded = [1, 2, 3, 0, 2]
  const header = [plain[0]! | 0x31, ...plain.subarray(1, 12)]
  const bytes = Uint8Array.from([header, source, extension, padded].flat())
  expect([...parseRtp(bytes)!.payload]).toEqual([1, 2, 3])
})

test.each([
  ['too short', [0x80, 0, 0]],
  ['another version', [0x40, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]],
  ['sources beyond the end', [0x8f, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]],
  ['extension beyond the end', [0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9]],
  ['padding of nothing', [0xa0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]],
  ['padding beyond the start', [0xa0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9]],
  ['RTCP', [0x80, 200, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]],
])('refuses %s', (_, bytes) => {
  expect(parseRtp(Uint8Array.from(bytes))).toBeNull()
})

test('tells RTCP apart', () => {
  expect(isRtcp(Uint8Array.of(0x80, 201))).toBe(true)
  expect(isRtcp(Uint8Array.of(0x80, 0x80))).toBe(false)
  expect(isRtcp(new Uint8Array())).toBe(false)
})
