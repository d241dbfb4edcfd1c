// Secured media: the vectors of RFC 3711, known answers of another implementation, and what an attacker may try.
import { createHmac } from 'node:crypto'
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HmacSha1 } from './hmac-sha1.ts'
import { Keystream } from './keystream.ts'
import { parseRtp, writeRtp } from './packet.ts'
import { PLAIN, protectionFor } from './protection.ts'
import { REPLAY_WINDOW, ReplayWindow } from './replay.ts'
import { SrtcpReceiver, SrtcpSender } from './srtcp.ts'
import { guessIndex, SrtpReceiver, SrtpSender } from './srtp.ts'
import { derive, deriveKeys, type SrtpKeys, type SrtpSuite } from './srtp-keys.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const LONG = 'AES_CM_128_HMAC_SHA1_80'
const SHORT = 'AES_CM_128_HMAC_SHA1_32'
const MASTER = hex('e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6')
const OTHER = hex('00112233445566778899aabbccddeeff 0102030405060708090a0b0c0d0e')

function packet(sequence: number, text = 'a frame of speech', ssrc = 0xcafebabe): Buffer {
  const payload = Buffer.from(text)
  const fields = { payloadType: 0, marker: false, timestamp: 160 * sequence, ssrc }
  return Buffer.from(writeRtp({ ...fields, sequence: sequence & 0xffff, payload }))
}

describe('RFC 3711 appendix B', () => {
  it('B.2: the keystream', () => {
    const salt = hex('f0f1f2f3f4f5f6f7f8f9fafbfcfd')
    const stream = new Keystream(hex('2b7e151628aed2a6abf7158809cf4f3c'), salt)
    const bytes = (from: number, to: number): string =>
      toHex(stream.take(0, 0, 0, to).subarray(from, to))
    expect(bytes(0, 48)).toBe(
      'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    )
  })

  it('the keystream of a packet is the same whatever packets came before', () => {
    const fresh = (): Keystream => new Keystream(Buffer.alloc(16, 1), Buffer.alloc(14, 2))
    const asked = fc.record({
      ssrc: fc.constantFrom(1, 2),
      step: fc.integer({ min: -3, max: 12 }),
      length: fc.integer({ min: 1, max: 400 }),
    })
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 60 }), (packets) => {
        const stream = fresh()
        // Across the first wrap of the lower half.
        let index = 0xfff0
        for (const { ssrc, step, length } of packets) {
          index += step
          const at = [ssrc, index >>> 16, index & 0xffff, length] as const
          const key = stream.take(...at).subarray(0, length)
          expect(toHex(key)).toBe(
            toHex(
              fresh()
                .take(...at)
                .subarray(0, length),
            ),
          )
        }
      }),
    )
  })

  it('B.3: the session keys', () => {
    expect(toHex(derive(MASTER, 0, 16))).toBe('c61e7a93744f39ee10734afe3ff7a087')
    expect(toHex(derive(MASTER, 2, 14))).toBe('30cbbc08863d8c85d49db34a9ae1')
    expect(toHex(derive(MASTER, 1, 94))).toBe(
      'cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce' +
        'e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25' +
        '6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2',
    )
    const { cipherKey, authKey, salt } = deriveKeys(MASTER, 'rtp')
    expect([cipherKey.length, authKey.length, salt.length]).toEqual([16, 20, 14])
  })
})

describe('known answers (computed by libsrtp)', () => {
  const plain = hex('800f1234 decafbad cafebabe' + 'ab'.repeat(16))
  const body = '800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402'

  it.each([
    [LONG, 'b78d6acc99ea179b8dbb'],
    [SHORT, 'b78d6acc'],
  ] as const)('a packet with %s', (suite, tag) => {
    const secured = new SrtpSender(suite, MASTER).protect(plain)
    expect(toHex(secured)).toBe(body + tag)
    expect(toHex(new SrtpReceiver(suite, MASTER).unprotect(secured)!)).toBe(toHex(plain))
  })

  it('a report, with its index and the longer tag in either suite', () => {
    const report = hex('81c8000b cafebabe' + 'ab'.repeat(16))
    const secured = hex(
      '81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798',
    )
    expect(toHex(new SrtcpSender(MASTER).protect(report))).toBe(toHex(secured))
    expect(toHex(new SrtcpReceiver(MASTER).unprotect(secured)!)).toBe(toHex(report))
  })
})

it("hashes what the system's HMAC hashes, whatever the length", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.option(fc.integer({ min: 0, max: 0xffffffff })),
      (key, data, word) => {
        const reference = createHmac('sha1', key).update(data)
        if (word !== null) reference.update(hex(word.toString(16).padStart(8, '0')))
        const digest = new HmacSha1(key).digest(data, data.length, word)
        expect(toHex(digest)).toBe(reference.digest('hex'))
      },
    ),
  )
})

const suites = fc.constantFrom<SrtpSuite>(LONG, SHORT)

describe('packets', () => {
  it('come back as they were: header, contributing sources, extension, padding, any payload', () => {
    fc.assert(
      fc.property(
        suites,
        fc.uint8Array({ maxLength: 1000 }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.constantFrom(0x80, 0x81, 0x90, 0x91, 0xa0),
        (suite, payload, words, flags) => {
          const extra = (flags & 0x0f ? 4 : 0) + (flags & 0x10 ? 8 : 0)
          const start = Buffer.concat([packet(7, ''), words, words]).subarray(0, 12 + extra)
          start[0] = flags
          if (flags & 0x10) start.writeUInt16BE(1, 12 + (flags & 0x0f ? 4 : 0) + 2)
          const whole = Buffer.concat([start, payload, Buffer.from([1])])
          const secured = new SrtpSender(suite, MASTER).protect(whole)
          expect(secured.subarray(0, start.length)).toEqual(start)
          expect(new SrtpReceiver(suite, MASTER).unprotect(secured)).toEqual(whole)
        },
      ),
    )
  })

  it('are refused when any bit has changed, and no state comes of the attempt', () => {
    fc.assert(
      fc.property(suites, fc.nat(), fc.integer({ min: 0, max: 7 }), (suite, place, bit) => {
        const sender = new SrtpSender(suite, MASTER)
        const receiver = new SrtpReceiver(suite, MASTER)
        const genuine = sender.protect(packet(100))
        const forged = Buffer.from(genuine)
        forged[place % forged.length]! ^= 1 << bit
        expect(receiver.unprotect(forged)).toBeNull()
        expect(receiver.unprotect(genuine)).toEqual(packet(100))
      }),
    )
  })

  it('are refused under another key, cut short, or as noise', () => {
    const secured = new SrtpSender(LONG, MASTER).protect(packet(1))
    expect(new SrtpReceiver(LONG, OTHER).unprotect(secured)).toBeNull()
    expect(new SrtpReceiver(LONG, MASTER).unprotect(packet(1))).toBeNull()
    const receiver = new SrtpReceiver(LONG, MASTER)
    for (let end = 0; end < secured.length; end++) {
      expect(receiver.unprotect(secured.subarray(0, end))).toBeNull()
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1600 }), (noise) => {
        expect(receiver.unprotect(noise)).toBeNull()
        expect(new SrtcpReceiver(MASTER).unprotect(noise)).toBeNull()
      }),
    )
  })

  it('are taken once each in any order within the window, also over wraps of the sequence', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fff }), fc.integer(), (first, seed) => {
        const sender = new SrtpSender(LONG, MASTER)
        const receiver = new SrtpReceiver(LONG, MASTER)
        const random = seededRandom(seed)
        // 3 wraps, in steps that a lossy network may make.
        const sent = Array.from({ length: 40 }, (_, i) => first + i * 5000)
        const wire = sent.map((sequence) => sender.protect(packet(sequence)))
        wire.forEach((secured, i) => {
          expect(receiver.unprotect(secured)).toEqual(packet(sent[i]!))
          const again = wire[random.int(0, i)]!
          expect(receiver.unprotect(again)).toBeNull()
        })
      }),
      { numRuns: 20 },
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 0xff00, max: 0xffff }),
        fc.uniqueArray(fc.nat(REPLAY_WINDOW - 1), { minLength: 2 }),
        (first, order) => {
          const sender = new SrtpSender(SHORT, MASTER)
          const receiver = new SrtpReceiver(SHORT, MASTER)
          const wire = Array.from({ length: REPLAY_WINDOW }, (_, i) =>
            sender.protect(packet(first + i)),
          )
          receiver.unprotect(wire[0]!)
          for (const i of order) {
            expect(receiver.unprotect(wire[i]!)).toEqual(i === 0 ? null : packet(first + i))
          }
          for (const i of order) expect(receiver.unprotect(wire[i]!)).toBeNull()
        },
      ),
      { numRuns: 30 },
    )
  })

  it('older than the window are refused', () => {
    const window = new ReplayWindow()
    window.take(1000)
    expect(window.isNew(1000 - REPLAY_WINDOW)).toBe(false)
    expect(window.isNew(1000 - REPLAY_WINDOW + 1)).toBe(true)
  })

  it('of several sources are told apart', () => {
    const receiver = new SrtpReceiver(LONG, MASTER)
    for (let ssrc = 1; ssrc < 40; ssrc++) {
      const secured = new SrtpSender(LONG, MASTER).protect(packet(5, 'x', ssrc))
      expect(receiver.unprotect(secured)).not.toBeNull()
      expect(receiver.unprotect(secured)).toBeNull()
    }
  })

  it('carry a key identifier, which is stepped over', () => {
    const secured = new SrtpSender(LONG, MASTER).protect(packet(1))
    const end = secured.length - 10
    const marked = Buffer.concat([secured.subarray(0, end), hex('0001'), secured.subarray(end)])
    expect(new SrtpReceiver(LONG, MASTER, 2).unprotect(marked)).toEqual(packet(1))
    const report = new SrtcpSender(MASTER).protect(hex('80c90001 cafebabe'))
    const at = report.length - 10
    const named = Buffer.concat([report.subarray(0, at), hex('0001'), report.subarray(at)])
    expect(new SrtcpReceiver(MASTER, 2).unprotect(named)).toEqual(hex('80c90001 cafebabe'))
  })

  it('get the index that is nearest', () => {
    expect(guessIndex(0x1fff0, 5)).toBe(0x20005)
    expect(guessIndex(0x20005, 0xfff0)).toBe(0x1fff0)
    expect(guessIndex(0x20005, 0x4000)).toBe(0x24000)
    expect(guessIndex(5, 0xfff0)).toBeLessThan(0)
  })
})

describe('reports', () => {
  it('come back, once each, and are refused when changed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 400 }), fc.nat(), (body, place) => {
        const report = Buffer.concat([hex('80c90001'), body])
        const secured = new SrtcpSender(MASTER).protect(report)
        const receiver = new SrtcpReceiver(MASTER)
        const forged = Buffer.from(secured)
        forged[place % forged.length]! ^= 4
        expect(receiver.unprotect(forged)).toBeNull()
        expect(receiver.unprotect(secured)).toEqual(report)
        expect(receiver.unprotect(secured)).toBeNull()
      }),
    )
  })
})

describe('a leg under changing keys', () => {
  const keys = (sendKey: Uint8Array, receiveKey: Uint8Array): SrtpKeys => ({
    suite: LONG,
    sendKey,
    receiveKey,
    receiveMkiBytes: 0,
  })

  it('goes on where it was while the keys stay', () => {
    const ours = protectionFor(keys(MASTER, OTHER), PLAIN)
    const theirs = protectionFor(keys(OTHER, MASTER), PLAIN)
    expect(theirs.openPacket(ours.sealPacket(packet(0xffff)))).not.toBeNull()
    // Past the wrap, so that a rollover forgotten by either side would show.
    const first = ours.sealPacket(packet(0))
    expect(theirs.openPacket(first)).not.toBeNull()
    const again = protectionFor(keys(Buffer.from(MASTER), Buffer.from(OTHER)), ours)
    const next = again.sealPacket(packet(1))
    expect(theirs.openPacket(next)).toEqual(packet(1))
    expect(protectionFor(keys(OTHER, MASTER), theirs).openPacket(first)).toBeNull()
  })

  it('believes a peer with a new key, whether it goes on counting or begins again', () => {
    for (const goesOn of [true, false]) {
      const theirs = new SrtpSender(LONG, MASTER)
      const before = protectionFor(keys(OTHER, MASTER), PLAIN)
      for (const sequence of [0xffff, 0x10000]) {
        expect(before.openPacket(theirs.protect(packet(sequence)))).not.toBeNull()
      }
      const changed = new SrtpSender(LONG, OTHER)
      if (goesOn) for (const sequence of [0xffff, 0x10000]) changed.protect(packet(sequence))
      const after = protectionFor(keys(OTHER, OTHER), before)
      expect(after.openPacket(changed.protect(packet(0x10001)))).toEqual(packet(0x10001))
      expect(after.openPacket(theirs.protect(packet(0x10002)))).toBeNull()
    }
  })

  it('is plain without keys', () => {
    const before = protectionFor(keys(MASTER, OTHER), PLAIN)
    const plain = protectionFor(null, before)
    expect(parseRtp(plain.openPacket(plain.sealPacket(packet(3)))!)).toMatchObject({ sequence: 3 })
  })
})
