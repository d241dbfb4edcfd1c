// One leg's RTP on a simulated network: what goes out, whom it believes, its reports.
import { seededRandom, SimClock } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { encodeG711 } from '../codec/g711.ts'
import { FRAME_SAMPLES } from './frame.ts'
import { parseRtp, writeRtp, type RtpPacket } from './packet.ts'
import { middleOfNtp, parseRtcp, writeRtcp, type RtcpPacket } from './rtcp.ts'
import { REBIND_SILENCE_MS } from './source.ts'
import { RtpStream, type StreamAgreement } from './stream.ts'
import type { OnDatagram, Udp } from './udp.ts'

const PEER = { address: '127.0.0.2', port: 6000 }
const AGREED: StreamAgreement = {
  codec: 'PCMU',
  payloadType: 0,
  accepts: [{ codec: 'PCMU', payloadType: 0 }],
  dtmfPayloadType: 101,
  dtmfClockRate: 8000,
  dtmfAccepts: [101],
  ptimeMs: 20,
  srtp: null,
  remote: PEER,
  sends: true,
  receives: true,
}

/** A network of one leg: keeps what it sends, and delivers what it is given. */
class Wire implements Udp {
  readonly sent: { data: Uint8Array; port: number; address: string }[] = []
  readonly #sockets = new Map<number, OnDatagram>()
  #next = 41_000
  async bind(_address: string, wanted: number, onDatagram: OnDatagram) {
    const port = wanted || this.#next++
    this.#sockets.set(port, onDatagram)
    return {
      port,
      send: (data: Uint8Array, to: number, address: string) =>
        void this.sent.push({ data, port: to, address }),
      close: async () => void this.#sockets.delete(port),
    }
  }
  deliver(toPort: number, data: Uint8Array, from = PEER, ageMs = 0): void {
    this.#sockets.get(toPort)?.(data, from.address, from.port, ageMs)
  }
  get open(): number {
    return this.#sockets.size
  }
  rtp(): RtpPacket[] {
    return this.sent.filter(({ port }) => port % 2 === 0).map(({ data }) => parseRtp(data)!)
  }
  rtcp(): RtcpPacket[] {
    return this.sent.filter(({ port }) => port % 2 === 1).flatMap(({ data }) => parseRtcp(data)!)
  }
}

async function setUp(agreement: StreamAgreement | null = AGREED) {
  const wire = new Wire()
  const clock = new SimClock()
  const digits: string[] = []
  const stream = await RtpStream.open('127.0.0.1', {
    clock,
    random: seededRandom(3),
    udp: wire,
    ports: null,
    onDigit: (digit) => void digits.push(digit),
  })
  if (agreement) stream.agree(agreement)
  return { wire, clock, digits, stream }
}

function packet(sequence: number, change: Partial<RtpPacket> = {}): Uint8Array {
  const payload = encodeG711('PCMU', new Int16Array(FRAME_SAMPLES).fill(1000))
  const timestamp = sequence * FRAME_SAMPLES
  const usual = { payloadType: 0, marker: false, sequence, timestamp, ssrc: 9, payload }
  return writeRtp({ ...usual, ...change })
}

const silence = (): null => null

test('sends one packet a turn, marked at the beginning, with timestamps by frame count', async () => {
  const { wire, stream } = await setUp()
  for (let i = 0; i < 5; i++) stream.turn(silence)
  stream.skip(10)
  stream.turn(() => new Int16Array(FRAME_SAMPLES).fill(-5000))
  const packets = wire.rtp()
  const [first] = packets as [RtpPacket]
  expect(packets.map(({ marker }) => marker)).toEqual([true, false, false, false, false, false])
  expect(packets.map(({ timestamp }) => (timestamp - first.timestamp) >>> 0)).toEqual(
    [0, 1, 2, 3, 4, 15].map((frames) => frames * FRAME_SAMPLES),
  )
  expect(packets.map(({ sequence }) => (sequence - first.sequence) & 0xffff)).toEqual([
    0, 1, 2, 3, 4, 5,
  ])
  expect(first.payload).toEqual(Buffer.alloc(FRAME_SAMPLES, 0xff))
  expect(stream.figures.packetsSent).toBe(6)
})

test('asks for nothing while held, and marks the first packet after', async () => {
  const { wire, stream } = await setUp()
  stream.turn(silence)
  stream.agree({ ...AGREED, sends: false })
  let asked = 0
  for (let i = 0; i < 3; i++) stream.turn(() => (asked++, null))
  stream.agree(AGREED)
  stream.turn(silence)
  const [before, after] = wire.rtp() as [RtpPacket, RtpPacket]
  expect(asked).toBe(0)
  expect(after.marker).toBe(true)
  expect((after.timestamp - before.timestamp) >>> 0).toBe(4 * FRAME_SAMPLES)
})

test('a digit keeps its timestamp, and sound continues where time is', async () => {
  const { wire, stream } = await setUp()
  stream.turn(silence)
  expect(stream.sendDigits('7', () => {})).toBe(true)
  while (stream.sendingDigits) stream.turn(silence)
  stream.turn(silence)
  const packets = wire.rtp()
  const events = packets.filter(({ payloadType }) => payloadType === 101)
  expect(events).toHaveLength(8)
  expect(new Set(events.map(({ timestamp }) => timestamp)).size).toBe(1)
  expect(events.map(({ marker }) => marker)).toEqual([true, ...Array(7).fill(false)])
  expect(packets).toHaveLength(1 + 11 + 1)
  const span = (packets.at(-1)!.timestamp - packets[0]!.timestamp) >>> 0
  expect(span).toBe(12 * FRAME_SAMPLES)
})

test('a peer without telephone events gets the digit as tones', async () => {
  const { wire, stream } = await setUp({ ...AGREED, dtmfPayloadType: null })
  stream.sendDigits('7', () => {})
  while (stream.sendingDigits) stream.turn(silence)
  const packets = wire.rtp()
  expect(packets.every(({ payloadType }) => payloadType === 0)).toBe(true)
  expect(packets.filter(({ payload }) => new Set(payload).size > 20)).toHaveLength(5)
})

test('discards what comes before the agreement, and what is no known payload', async () => {
  const { wire, stream } = await setUp(null)
  wire.deliver(stream.port, packet(1))
  stream.agree(AGREED)
  expect(stream.lastReceivedMs).toBeNull()
  wire.deliver(stream.port, packet(2, { payloadType: 96 }))
  wire.deliver(stream.port, Buffer.from('not RTP at all'))
  expect(stream.figures.packetsReceived).toBe(0)
  wire.deliver(stream.port, packet(3))
  wire.deliver(stream.port, packet(4, { payloadType: 8 }))
  wire.deliver(stream.port, packet(5, { payloadType: 13 }))
  expect(stream.figures.packetsReceived).toBe(3)
})

test('believes the announced source at once, and nobody else after', async () => {
  const { wire, stream } = await setUp()
  wire.deliver(stream.port, packet(1))
  for (let i = 2; i < 9; i++) {
    wire.deliver(stream.port, packet(i), { address: '127.0.0.9', port: 6000 })
  }
  expect(stream.figures.packetsReceived).toBe(1)
  stream.turn(silence)
  expect(wire.sent.at(-1)!).toMatchObject(PEER)
})

test('learns another source from three packets in a row, sends there, and forgets it with a new address', async () => {
  const { wire, stream } = await setUp()
  const behindNat = { address: '127.0.0.3', port: 7000 }
  const scanner = { address: '127.0.0.9', port: 9000 }
  for (const i of [1, 2]) wire.deliver(stream.port, packet(i), behindNat)
  wire.deliver(stream.port, packet(77, { ssrc: 5 }), scanner)
  for (const i of [3, 4]) wire.deliver(stream.port, packet(i), behindNat)
  expect(stream.figures.packetsReceived).toBe(0)
  wire.deliver(stream.port, packet(5), behindNat)
  expect(stream.figures.packetsReceived).toBe(1)
  stream.turn(silence)
  expect(wire.sent.at(-1)!).toMatchObject(behindNat)
  stream.agree({ ...AGREED, sends: false })
  stream.agree(AGREED)
  stream.turn(silence)
  expect(wire.sent.at(-1)!).toMatchObject(behindNat)
  stream.agree({ ...AGREED, remote: { ...PEER, port: 6002 } })
  stream.turn(silence)
  expect(wire.sent.at(-1)!).toMatchObject({ ...PEER, port: 6002 })
})

test('after a re-INVITE with another address the old one is a stranger, and the new one is learned', async () => {
  const { wire, stream } = await setUp()
  for (const i of [1, 2, 3]) wire.deliver(stream.port, packet(i))
  const moved = { address: '127.0.0.5', port: 6100 }
  const behindNat = { address: '127.0.0.6', port: 6200 }
  stream.agree({ ...AGREED, remote: moved })
  for (const i of [4, 5]) wire.deliver(stream.port, packet(i))
  for (const i of [6, 7, 8]) wire.deliver(stream.port, packet(i), behindNat)
  stream.turn(silence)
  expect(wire.sent.at(-1)!).toMatchObject(behindNat)
  wire.deliver(stream.port, packet(9))
  expect(stream.figures.packetsReceived).toBe(4)
})

test('what was read late by a busy thread is no jitter of the line', async () => {
  const { wire, clock, stream } = await setUp()
  for (let i = 0; i < 50; i += 5) {
    await clock.advance(100)
    for (const late of [4, 3, 2, 1, 0]) {
      wire.deliver(stream.port, packet(i + 4 - late), PEER, late * 20)
    }
  }
  expect(stream.figures).toMatchObject({ packetsReceived: 50, jitterSumMs: 0, packetsLate: 0 })
})

test('a peer whose NAT gives it another port goes on being heard, and is answered there', async () => {
  const { wire, clock, stream } = await setUp()
  for (const i of [1, 2, 3]) wire.deliver(stream.port, packet(i))
  await clock.advance(REBIND_SILENCE_MS)
  const moved = { ...PEER, port: 6666 }
  for (const i of [4, 5, 6]) wire.deliver(stream.port, packet(i), moved)
  expect(stream.figures.packetsReceived).toBe(4)
  stream.turn(silence)
  expect(wire.sent.at(-1)!).toMatchObject(moved)
})

test('reports every five seconds what was sent and received, and says goodbye', async () => {
  const { wire, clock, stream } = await setUp()
  const theirs: RtcpPacket = {
    type: 'report',
    ssrc: 9,
    sender: {
      ntpSeconds: 0x1234_5678,
      ntpFraction: 0x9abc_def0,
      rtpTimestamp: 0,
      packets: 1,
      octets: 160,
    },
    blocks: [],
  }
  for (let i = 0; i < 375; i++) {
    if (i === 325) wire.deliver(stream.port + 1, writeRtcp([theirs]), { ...PEER, port: 6001 })
    if (i % 10 !== 3) wire.deliver(stream.port, packet(i))
    stream.turn(silence)
    await clock.advance(20)
  }
  // The first after 2.5 s, then one every 5 s.
  const [first, , report, description] = wire.rtcp()
  expect(first).toMatchObject({ type: 'report', sender: { packets: 124 } })
  expect(description).toMatchObject({ type: 'description' })
  expect(report).toMatchObject({ type: 'report', sender: { packets: 374, octets: 374 * 160 } })
  const [block] = (report as RtcpPacket & { type: 'report' }).blocks
  expect(block).toMatchObject({ ssrc: 9, packetsLost: 38, lastSenderReport: 0x5678_9abc })
  expect(block!.delaySinceLastReport).toBe(Math.round(0.98 * 65_536))
  await stream.close()
  expect(wire.rtcp().at(-1)).toMatchObject({ type: 'goodbye' })
  expect(wire.open).toBe(0)
})

test('what the peer reports of us gives its losses and the round trip', async () => {
  const { wire, clock, stream } = await setUp()
  for (let i = 0; i < 126; i++) {
    wire.deliver(stream.port, packet(i))
    stream.turn(silence)
    await clock.advance(20)
  }
  const [ours] = wire.rtcp() as [RtcpPacket & { type: 'report' }]
  expect(stream.figures).toMatchObject({ peer: null, roundTripMs: null })
  // It arrived after 30 ms; 500 ms later the peer answers, which takes 50 ms.
  const sentAgoMs = 2 * 20
  await clock.advance(30 + 500 + 50 - sentAgoMs)
  const block = {
    ssrc: ours.ssrc,
    fractionLost: 26,
    packetsLost: 12,
    highestSequence: 7,
    jitter: 88,
    lastSenderReport: middleOfNtp(ours.sender!),
    delaySinceLastReport: Math.round(0.5 * 65_536),
  }
  const answer = { type: 'report' as const, ssrc: 9, sender: null }
  const from = { ...PEER, port: 6001 }
  wire.deliver(stream.port + 1, writeRtcp([{ ...answer, blocks: [block] }]), from)
  expect(stream.figures.peer).toEqual({ packetsLost: 12, packetsExpected: 126, jitterMs: 11 })
  expect(stream.figures.roundTripMs).toBeCloseTo(80, 3)
  // Blocks about others, and answers to reports that we never sent, tell nothing.
  const other = { ...block, ssrc: ours.ssrc ^ 1, packetsLost: 99 }
  const forged = { ...block, lastSenderReport: 1 }
  wire.deliver(stream.port + 1, writeRtcp([{ ...answer, blocks: [other] }]), from)
  await clock.advance(5000)
  wire.deliver(stream.port + 1, writeRtcp([{ ...answer, blocks: [forged] }]), from)
  expect(stream.figures.peer).toMatchObject({ packetsLost: 12 })
  expect(stream.figures.roundTripMs).toBeCloseTo(80, 3)
})

test('digits are heard from the payload type that was agreed', async () => {
  const { wire, digits, stream } = await setUp({ ...AGREED, dtmfAccepts: [96] })
  const event = { payloadType: 96, timestamp: 5, payload: Uint8Array.of(11, 10, 0, 160) }
  for (const sequence of [1, 2, 3]) wire.deliver(stream.port, packet(sequence, event))
  expect(digits).toEqual(['#'])
})
