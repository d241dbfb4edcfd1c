// Offer and answer: both laws, DTMF types, hold in its three forms, and the oddities of real equipment.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Negotiation } from './negotiation.ts'
import { parseSdp } from './sdp.ts'
import type { Codec } from './sdp.ts'

function side(codecs: readonly Codec[] = ['PCMU', 'PCMA'], port = 10_000): Negotiation {
  return new Negotiation({ address: '192.0.2.1', port, codecs, random: seededRandom(1) })
}

function body(...lines: string[]): string {
  return ['v=0', 'o=- 1 1 IN IP4 192.0.2.7', 's=-', ...lines].join('\r\n') + '\r\n'
}

const AUDIO = ['c=IN IP4 192.0.2.7', 't=0 0', 'm=audio 20000 RTP/AVP 8 0 96']

describe('Negotiation', () => {
  it('agrees with itself', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Codec[]>(['PCMU'], ['PCMA'], ['PCMU', 'PCMA'], ['PCMA', 'PCMU']),
        (codecs) => {
          const a = side(['PCMU', 'PCMA'])
          const b = side(codecs, 20_000)
          const answered = b.answer(a.offer())
          expect(answered.ok).toBe(true)
          if (!answered.ok) return
          const agreed = a.accept(answered.value.sdp)
          expect(agreed).toMatchObject({
            ok: true,
            value: {
              codec: answered.value.agreement.codec,
              dtmfPayloadType: 101,
              direction: 'sendrecv',
            },
          })
        },
      ),
    )
  })

  it("takes the offerer's order, its DTMF type, and types without rtpmap", () => {
    const answered = side().answer(body(...AUDIO, 'a=rtpmap:96 telephone-event/8000'))
    expect(answered).toMatchObject({
      ok: true,
      value: { agreement: { codec: 'PCMA', payloadType: 8, dtmfPayloadType: 96 } },
    })
    if (answered.ok) expect(answered.value.sdp).toContain('m=audio 10000 RTP/AVP 8 0 96\r\n')
  })

  it('uses an address of the media level, and skips a video line with port 0', () => {
    const offer = body(
      'c=IN IP4 192.0.2.1',
      't=0 0',
      'm=video 4000 RTP/AVP 99',
      'a=rtpmap:99 H264/90000',
      'm=audio 20000 RTP/AVP 0',
      'c=IN IP4 192.0.2.8',
    )
    const answered = side().answer(offer)
    expect(answered).toMatchObject({
      ok: true,
      value: { agreement: { remote: { address: '192.0.2.8', port: 20_000 } } },
    })
    if (answered.ok) expect(answered.value.sdp).toContain('m=video 0 RTP/AVP 99\r\nm=audio 10000')
  })

  it.each([
    [['a=sendonly'], 'recvonly'],
    [['a=inactive'], 'inactive'],
    [['a=recvonly'], 'sendonly'],
    [['c=IN IP4 0.0.0.0'], 'recvonly'],
    [[], 'sendrecv'],
  ])('hold %j is answered with %s', (lines, direction) => {
    const answered = side().answer(
      body('c=IN IP4 192.0.2.7', 't=0 0', 'm=audio 20000 RTP/AVP 0', ...lines),
    )
    expect(answered).toMatchObject({ ok: true, value: { agreement: { direction } } })
    if (answered.ok) expect(answered.value.sdp).toContain(`a=${direction}\r\n`)
  })

  it('bumps the version when something changes, only then', () => {
    const local = side()
    const version = (sdp: string): string => /o=\S+ \S+ (\d+)/.exec(sdp)![1]!
    expect(version(local.offer())).toBe('1')
    expect(version(local.offer())).toBe('1')
    expect(version(local.offer('sendonly'))).toBe('2')
  })

  it.each([
    ['not_sdp', 'hello'],
    ['no_audio', body('c=IN IP4 192.0.2.7', 'm=audio 0 RTP/AVP 0')],
    ['no_audio', body('c=IN IP4 192.0.2.7', 'm=audio 9 RTP/SAVP 0')],
    ['no_address', body('m=audio 9 RTP/AVP 0')],
    ['no_address', body('c=IN IP4 192.0.2.700', 'm=audio 9 RTP/AVP 0')],
    ['no_common_codec', body('c=IN IP4 192.0.2.7', 'm=audio 9 RTP/AVP 18')],
    ['too_large', 'v=0\r\n'.repeat(9000)],
  ])('refuses: %s', (failure, text) => {
    expect(side().answer(text)).toEqual({ ok: false, failure })
  })

  it('never throws', () => {
    expect(() => {
      const line = fc.oneof(
        fc.constantFrom(...AUDIO, 'a=rtpmap:', 'a=ptime:x', 'm=', 'c='),
        fc.string(),
      )
      fc.assert(fc.property(fc.array(line), (lines) => void parseSdp(body(...lines))))
    }).not.toThrow()
  })
})
