// Keys and codecs in offer and answer: the three modes, what stays over re-INVITEs, numbers, packet times, oddities.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SrtpKeys } from '../rtp/srtp-keys.ts'
import { Negotiation } from './negotiation.ts'
import type { SrtpMode } from './sdes.ts'
import { parseSdp } from './sdp.ts'
import type { Codec } from './sdp.ts'

let seed = 1
function side(srtp: SrtpMode, codecs: readonly Codec[] = ['PCMU', 'PCMA']): Negotiation {
  return new Negotiation({
    address: '192.0.2.1',
    port: 10_000,
    codecs,
    srtp,
    random: seededRandom(seed++),
  })
}

function body(...lines: string[]): string {
  return ['v=0', 'o=- 1 1 IN IP4 192.0.2.7', 's=-', 'c=IN IP4 192.0.2.7', 't=0 0', ...lines].join(
    '\r\n',
  )
}

const LONG = 'AES_CM_128_HMAC_SHA1_80'
const SHORT = 'AES_CM_128_HMAC_SHA1_32'
const inline = (letter: string): string => `inline:${letter.repeat(40)}`
const SECURED = 'm=audio 20000 RTP/SAVP 0'
const PLAIN = 'm=audio 20000 RTP/AVP 0'

interface Agreed {
  keys: SrtpKeys | null
  sdp: string
}

/** Both ends of a call after one offer and answer; asserts that they mean the same. */
function tryToAgree(a: Negotiation, b: Negotiation): Agreed | string {
  const answered = b.answer(a.offer())
  if (!answered.ok) return answered.failure
  const accepted = a.accept(answered.value.sdp)
  if (!accepted.ok) return accepted.failure
  const [ours, theirs] = [accepted.value.srtp, answered.value.agreement.srtp]
  expect(ours?.sendKey).toEqual(theirs?.receiveKey)
  expect(ours?.receiveKey).toEqual(theirs?.sendKey)
  expect(ours?.suite).toEqual(theirs?.suite)
  return { keys: accepted.value.srtp, sdp: answered.value.sdp }
}

function agree(a: Negotiation, b: Negotiation): Agreed {
  const result = tryToAgree(a, b)
  if (typeof result === 'string') throw new Error(result)
  return result
}

describe('modes', () => {
  it.each<[SrtpMode, SrtpMode, string]>([
    ['off', 'off', 'plain'],
    ['off', 'optional', 'plain'],
    ['optional', 'off', 'plain'],
    ['optional', 'optional', 'secured'],
    ['optional', 'required', 'secured'],
    ['required', 'optional', 'secured'],
    ['required', 'required', 'secured'],
    ['required', 'off', 'no_audio'],
    ['off', 'required', 'no_srtp'],
  ])('%s offers, %s answers: %s', (offering, answering, expected) => {
    const result = tryToAgree(side(offering), side(answering))
    if (typeof result === 'string') return expect(result).toBe(expected)
    expect(result.keys ? 'secured' : 'plain').toBe(expected)
    expect(result.keys?.suite ?? LONG).toBe(LONG)
  })

  it('required offers the secured profile, optional the plain one with keys beside it', () => {
    expect(side('required').offer()).toContain('m=audio 10000 RTP/SAVP 0 8 101\r\na=crypto:1 AES')
    expect(side('optional').offer()).toContain('m=audio 10000 RTP/AVP 0 8 101\r\na=crypto:1 AES')
    expect(side('required').offer()).toContain(`a=crypto:2 ${SHORT}`)
    expect(side('off').offer()).not.toContain('crypto')
  })

  it('required refuses an answer without keys, or with those of a line that was not offered', () => {
    for (const lines of [
      [PLAIN],
      [SECURED],
      [SECURED, `a=crypto:3 ${LONG} ${inline('A')}`],
      [SECURED, `a=crypto:1 ${SHORT} ${inline('A')}`],
    ]) {
      const local = side('required')
      local.offer()
      expect(local.accept(body(...lines))).toEqual({ ok: false, failure: 'no_srtp' })
    }
  })

  it('takes the secured one of two audio lines, refuses the other, and the other way round', () => {
    const offer = body(PLAIN, 'm=audio 20002 RTP/SAVP 0', `a=crypto:1 ${LONG} ${inline('A')}`)
    const secured = side('optional').answer(offer)
    expect(secured).toMatchObject({
      ok: true,
      value: { agreement: { remote: { port: 20_002 }, srtp: { suite: LONG } } },
    })
    if (secured.ok) {
      expect(secured.value.sdp).toContain('m=audio 0 RTP/AVP 0\r\nm=audio 10000 RTP/SAVP 0\r\n')
    }
    const plain = side('off').answer(offer)
    expect(plain).toMatchObject({ ok: true, value: { agreement: { srtp: null } } })
    if (plain.ok) expect(plain.value.sdp).toContain('RTP/AVP 0\r\n')
    if (plain.ok) expect(plain.value.sdp).toContain('m=audio 0 RTP/SAVP 0\r\n')
  })

  it('answers the first usable line by its tag, with the length of its key identifier', () => {
    const answered = side('required').answer(
      body(
        SECURED,
        `a=crypto:1 AEAD_AES_256_GCM ${inline('A')}`,
        `a=crypto:2 ${LONG} ${inline('A')} UNENCRYPTED_SRTP`,
        `a=crypto:7 ${SHORT} ${inline('B')}|2^31|1:2`,
        `a=crypto:8 ${LONG} ${inline('C')}`,
      ),
    )
    expect(answered).toMatchObject({
      ok: true,
      value: { agreement: { srtp: { suite: SHORT, receiveMkiBytes: 2 } } },
    })
    if (answered.ok) expect(answered.value.sdp.match(/a=crypto:.*/g)).toHaveLength(1)
    if (answered.ok) expect(answered.value.sdp).toContain(`a=crypto:7 ${SHORT} inline:`)
  })

  it('a peer that answers a secured offer on the plain profile, with a key, is secured', () => {
    const local = side('required')
    local.offer()
    const accepted = local.accept(body(PLAIN, `a=crypto:1 ${LONG} ${inline('A')}=`))
    expect(accepted).toMatchObject({ ok: true, value: { srtp: { suite: LONG } } })
  })
})

describe('keys over re-INVITEs', () => {
  it('stay on both sides, whoever offers', () => {
    const [a, b] = [side('required'), side('optional')]
    const first = agree(a, b)
    const again = agree(a, b)
    const turned = agree(b, a)
    expect(again.keys).toEqual(first.keys)
    expect(again.sdp).toBe(first.sdp)
    expect(turned.keys!.sendKey).toEqual(first.keys!.receiveKey)
    expect(turned.keys!.receiveKey).toEqual(first.keys!.sendKey)
  })

  it('are new on our side when the peer has a new one, and stay when it offers the old one among others', () => {
    const local = side('required')
    const keyAfter = (...lines: string[]): Uint8Array => {
      const answered = local.answer(body(SECURED, ...lines))
      if (!answered.ok) throw new Error(answered.failure)
      return answered.value.agreement.srtp!.sendKey
    }
    const first = keyAfter(`a=crypto:1 ${LONG} ${inline('A')}`)
    expect(keyAfter(`a=crypto:1 ${LONG} ${inline('A')}`, 'a=sendonly')).toEqual(first)
    const lines = [`a=crypto:1 ${LONG} ${inline('B')}`, `a=crypto:2 ${LONG} ${inline('A')}`]
    expect(keyAfter(...lines)).toEqual(first)
    const second = keyAfter(`a=crypto:1 ${LONG} ${inline('B')}`)
    expect(second).not.toEqual(first)
    expect(keyAfter(`a=crypto:1 ${LONG} ${inline('A')}`)).not.toEqual(first)
  })

  it('are not used again after plain media', () => {
    const [a, b] = [side('optional'), side('optional')]
    const first = agree(a, b)
    const plain = agree(a, side('off'))
    const again = agree(a, b)
    expect(plain.keys).toBeNull()
    expect(again.keys!.sendKey).not.toEqual(first.keys!.sendKey)
  })

  it('never get into a failure', () => {
    const refused = side('required').answer(
      body('m=audio 1 RTP/SAVP 18', `a=crypto:1 ${LONG} ${inline('A')}`),
    )
    expect(JSON.stringify(refused)).toBe('{"ok":false,"failure":"no_common_codec"}')
  })
})

describe('codecs', () => {
  const ALL: Codec[] = ['opus', 'G722', 'PCMA', 'PCMU']

  it('are offered in our order, with the clocks of telephone events that go with them', () => {
    expect(side('off', ALL).offer()).toContain('RTP/AVP 96 9 8 0 101 102\r\n')
    expect(side('off', ['G722', 'PCMU']).offer()).toContain('RTP/AVP 9 0 101\r\n')
    expect(side('off', ALL).offer()).toContain('a=rtpmap:96 opus/48000/2\r\n')
    expect(side('off', ALL).offer()).toContain('a=rtpmap:9 G722/8000\r\n')
  })

  it("are chosen by our preference, but between G.711's laws by the peer's", () => {
    const offer = body(
      'm=audio 20000 RTP/AVP 8 0 9 111 110 101',
      'a=rtpmap:111 OPUS/48000/2',
      'a=rtpmap:101 telephone-event/8000',
      'a=rtpmap:110 telephone-event/48000',
    )
    const chosen = (codecs: Codec[]) => {
      const answered = side('off', codecs).answer(offer)
      if (!answered.ok) throw new Error(answered.failure)
      return answered.value
    }
    expect(chosen(['PCMU', 'PCMA']).agreement).toMatchObject({ codec: 'PCMA', payloadType: 8 })
    expect(chosen(['G722', 'PCMU', 'PCMA']).agreement).toMatchObject({ codec: 'G722' })
    const { agreement, sdp } = chosen(ALL)
    expect(agreement).toMatchObject({
      codec: 'opus',
      payloadType: 111,
      dtmfPayloadType: 110,
      dtmfClockRate: 48_000,
    })
    expect(sdp).toContain('m=audio 10000 RTP/AVP 111 9 8 0 110 101\r\n')
  })

  it('keep their numbers for the session, also when we offer next', () => {
    const local = side('off', ALL)
    local.answer(
      body(
        'm=audio 20000 RTP/AVP 111 100',
        'a=rtpmap:111 opus/48000/2',
        'a=rtpmap:100 telephone-event/8000',
      ),
    )
    expect(local.offer()).toContain('RTP/AVP 111 9 8 0 100 102\r\n')
  })

  it('have a number for each direction when the answer has its own', () => {
    const local = side('off', ALL)
    local.offer()
    const agreed = local.accept(
      body(
        'm=audio 20000 RTP/AVP 120 97',
        'a=rtpmap:120 opus/48000/2',
        'a=rtpmap:97 telephone-event/8000',
      ),
    )
    if (!agreed.ok) throw new Error(agreed.failure)
    expect(agreed.value).toMatchObject({ codec: 'opus', payloadType: 120, dtmfPayloadType: 97 })
    expect(agreed.value.accepts).toContainEqual({ codec: 'opus', payloadType: 96 })
    expect(agreed.value.dtmfAccepts).toEqual(expect.arrayContaining([101, 97]))
  })
})

describe('packet times', () => {
  it.each<[string[], number, Codec]>([
    [[], 20, 'PCMU'],
    [['a=ptime:10'], 10, 'PCMU'],
    [['a=ptime:30'], 30, 'PCMU'],
    [['a=ptime:60'], 60, 'PCMU'],
    [['a=ptime:50'], 40, 'PCMU'],
    [['a=ptime:150'], 60, 'PCMU'],
    [['a=ptime:40', 'a=maxptime:30'], 30, 'PCMU'],
    [['a=maxptime:10'], 10, 'PCMU'],
    [['a=ptime:1', 'a=maxptime:x'], 20, 'PCMU'],
    [['a=ptime:30'], 20, 'opus'],
    [['a=ptime:60'], 60, 'opus'],
  ])('%j is sent as %i with %s', (lines, ptimeMs, codec) => {
    const audio = ['m=audio 20000 RTP/AVP 0 96', 'a=rtpmap:96 opus/48000/2']
    const answered = side('off', [codec]).answer(body(...audio, ...lines))
    expect(answered).toMatchObject({ ok: true, value: { agreement: { ptimeMs } } })
    if (answered.ok) expect(answered.value.sdp).toContain(`a=ptime:${ptimeMs}\r\n`)
  })
})

describe('oddities', () => {
  it('IPv6, a=rtcp, duplicate lines and feedback profiles', () => {
    const answered = side('off').answer(
      body(
        'm=audio 20000 RTP/AVPF 0 0 8',
        'c=IN IP6 2001:DB8:0:0::0007',
        'c=IN IP4 192.0.2.99',
        'a=rtcp:20009 IN IP6 2001:db8::7',
        'a=ptime:30',
        'a=ptime:10',
        'a=sendonly',
        'a=sendrecv',
      ),
    )
    expect(answered).toMatchObject({
      ok: true,
      value: {
        agreement: {
          remote: { address: '2001:db8::7', port: 20_000, rtcpPort: 20_009 },
          codec: 'PCMU',
          ptimeMs: 30,
          direction: 'recvonly',
        },
      },
    })
    if (answered.ok) expect(answered.value.sdp).toContain('m=audio 10000 RTP/AVPF 0 8\r\n')
  })

  it('never throws, and agrees only on what both have', () => {
    const word = fc.constantFrom(
      SECURED,
      PLAIN,
      'm=video 1 RTP/AVP 99',
      'm=audio 0 RTP/AVP 0',
      'm=audio 9 UDP/TLS/RTP/SAVPF 0',
      'm=audio 20000 RTP/AVP 96 9 8 0 101',
      `a=crypto:1 ${LONG} ${inline('A')}`,
      `a=crypto:2 ${SHORT} ${inline('B')}|1:2`,
      'a=crypto:',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:96 opus/48000/2',
      'a=rtpmap:300 x',
      'a=ptime:30',
      'a=maxptime:',
      'c=IN IP6 ::',
      'c=IN IP4 0.0.0.0',
      'a=inactive',
    )
    const lines = fc.array(fc.oneof({ weight: 5, arbitrary: word }, fc.string()), { maxLength: 30 })
    const mode = fc.constantFrom<SrtpMode>('off', 'optional', 'required')
    fc.assert(
      fc.property(lines, mode, (text, srtp) => {
        const offer = body(...text)
        const peer = parseSdp(offer, srtp)
        const local = side(srtp, ['opus', 'G722', 'PCMU'])
        const answered = local.answer(offer)
        local.offer()
        void local.accept(offer)
        if (!answered.ok || !peer.ok) return
        const { codec, payloadType, srtp: keys } = answered.value.agreement
        expect(peer.value.codecs).toContainEqual({ codec, payloadType })
        if (srtp === 'off') expect(keys).toBeNull()
        if (srtp === 'required') expect(keys).not.toBeNull()
        // What we write can be read, and has a line for each of the peer's.
        const ours = parseSdp(answered.value.sdp, srtp)
        expect(ours.ok && ours.value.lines.length).toBe(peer.value.lines.length)
      }),
      { numRuns: 2000 },
    )
  })
})
