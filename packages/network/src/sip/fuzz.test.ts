// A million bent inputs for every parser that the network's bytes reach: none throws, and what is read is whole.
import { readFileSync, readdirSync } from 'node:fs'
import { seededRandom } from '@saperly/kernel'
import type { Random } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseRtp, writeRtp } from '../rtp/packet.ts'
import { parseRtcp, writeRtcp } from '../rtp/rtcp.ts'
import { parseNameAddr, parseVia } from './header.ts'
import { parseMessage, sdpOf, serialise } from './message.ts'
import { salvage } from './refuse.ts'
import { parseSdp } from './sdp.ts'
import { parseUri } from './uri.ts'

/** 200 seeds × 1,250 inputs × 4 parsers. */
const SEEDS = 200
const INPUTS_PER_SEED = 1_250

const here = new URL('torture/', import.meta.url)
const MESSAGES = ['rfc4475', 'rfc5118'].flatMap((rfc) =>
  readdirSync(new URL(`${rfc}/`, here)).map((file) =>
    readFileSync(new URL(`${rfc}/${file}`, here)),
  ),
)
const DESCRIPTIONS = [
  'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n',
  'v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 9 111 0\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:111 opus/48000/2\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32\r\na=maxptime:40\r\nm=video 0 RTP/AVP 99\r\n',
].map((text) => Buffer.from(text))
const PACKETS = [
  writeRtp({
    payloadType: 0,
    marker: true,
    sequence: 1,
    timestamp: 160,
    ssrc: 7,
    payload: new Uint8Array(160),
  }),
  // A padded packet with contributing sources and a header extension.
  Buffer.from('b265000900000001000000020000000300000004bede000110090000050a00a000000004', 'hex'),
  // A STUN binding request, as it comes to media ports.
  Buffer.from('000100082112a442000102030405060708090a0b0024000401020304', 'hex'),
]
const REPORTS = [
  writeRtcp([
    {
      type: 'report',
      ssrc: 1,
      sender: { ntpSeconds: 1, ntpFraction: 2, rtpTimestamp: 3, packets: 4, octets: 5 },
      blocks: [],
    },
    { type: 'description', ssrc: 1, cname: 'a' },
    { type: 'goodbye', ssrcs: [1] },
  ]),
  ...PACKETS,
]
const TOKENS = [
  '\r\n',
  '\0',
  ...': ; , < > " \\ % [ ] = | SIP/2.0 m= a= Via 4294967296 -1'.split(' '),
]

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.int(0, values.length - 1)]!
}

/** One of `corpus`, bent a few times: bytes changed, cut out, doubled, tokens put in, spliced with another. */
function bent(corpus: readonly Uint8Array[], random: Random): Buffer {
  let data: Buffer = Buffer.from(pick(random, corpus))
  for (let bends = random.int(1, 4); bends > 0 && data.length > 0; bends--) {
    const at = random.int(0, data.length - 1)
    const length = random.int(0, Math.min(64, data.length - at))
    const before = data.subarray(0, at)
    const middle = data.subarray(at, at + length)
    const after = data.subarray(at + length)
    switch (random.int(0, 5)) {
      case 0:
        data[at] = random.int(0, 255)
        break
      case 1:
        data = Buffer.concat([before, after])
        break
      case 2:
        data = Buffer.concat([before, middle, middle, after])
        break
      case 3:
        data = Buffer.concat([before, Buffer.from(pick(random, TOKENS)), after])
        break
      case 4:
        data = Buffer.concat([before, Buffer.from(pick(random, corpus)).subarray(at % 32)])
        break
      case 5:
        data = Buffer.from(before)
        break
    }
  }
  return data
}

function readSip(data: Buffer): void {
  const parsed = parseMessage(data)
  if (!parsed.ok) {
    salvage(data, (method) => method === 'INVITE')
    return
  }
  const message = parsed.value
  parseNameAddr(message.headers.get('contact') ?? '')
  parseVia(message.headers.get('via')!)
  if (message.kind === 'request') parseUri(message.uri)
  const sdp = sdpOf(message)
  if (sdp !== null) parseSdp(sdp)
  // What was read can be written, and read again.
  const again = parseMessage(serialise(message))
  if (!again.ok) throw new Error(`written but not read: ${again.failure}`)
}

const PARSERS: [name: string, corpus: readonly Uint8Array[], read: (data: Buffer) => unknown][] = [
  ['SIP', MESSAGES, readSip],
  ['SDP', DESCRIPTIONS, (data) => parseSdp(data.toString('utf8'))],
  ['RTP', PACKETS, parseRtp],
  ['RTCP', REPORTS, parseRtcp],
]

it.each(PARSERS)('%s takes whatever arrives', (_, corpus, read) => {
  let inputs = 0
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = seededRandom(seed)
      for (let i = 0; i < INPUTS_PER_SEED; i++) {
        read(bent(corpus, random))
        inputs++
      }
    }),
    { numRuns: SEEDS },
  )
  expect(inputs).toBe(SEEDS * INPUTS_PER_SEED)
})
