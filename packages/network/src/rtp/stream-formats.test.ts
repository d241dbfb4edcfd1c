// One leg's RTP in other forms than plain G.711 in 20 ms: secured, other codecs, other packet times, other clocks.
import { seededRandom, SimClock } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { createDecoder, createEncoder, CODECS, type Codec } from '../codec/codec.ts'
import { FRAME_SAMPLES, LATE_FRAME } from './frame.ts'
import { parseRtp, writeRtp } from './packet.ts'
import { PLAIN, protectionFor } from './protection.ts'
import { parseRtcp, writeRtcp } from './rtcp.ts'
import { SimulatedUdp } from './simulated-udp.ts'
import type { SrtpKeys } from './srtp-keys.ts'
import { RtpStream, type StreamAgreement } from './stream.ts'

const HOST = '127.0.0.1'
const PEER_PORT = 6000
const keys = (ours: number, theirs: number): SrtpKeys => ({
  suite: 'AES_CM_128_HMAC_SHA1_80',
  sendKey: new Uint8Array(30).fill(ours),
  receiveKey: new Uint8Array(30).fill(theirs),
  receiveMkiBytes: 0,
})

function agreed(codec: Codec, change: Partial<StreamAgreement> = {}): StreamAgreement {
  const { payloadType } = CODECS[codec]
  return {
    codec,
    payloadType,
    accepts: [{ codec, payloadType }],
    dtmfPayloadType: 101,
    dtmfClockRate: 8000,
    dtmfAccepts: [101],
    ptimeMs: 20,
    srtp: null,
    remote: { address: HOST, port: PEER_PORT },
    sends: true,
    receives: true,
    ...change,
  }
}

/** A leg and a peer that is a bare pair of sockets. */
async function setUp(agreement: StreamAgreement) {
  const clock = new SimClock()
  const still = { minDelayMs: 1, maxDelayMs: 1, loss: 0, duplication: 0 }
  const udp = new SimulatedUdp(clock, seededRandom(1), still)
  const got = { rtp: [] as Uint8Array[], rtcp: [] as Uint8Array[] }
  const rtp = await udp.bind(HOST, PEER_PORT, (data) => void got.rtp.push(new Uint8Array(data)))
  const rtcp = await udp.bind(
    HOST,
    PEER_PORT + 1,
    (data) => void got.rtcp.push(new Uint8Array(data)),
  )
  const digits: string[] = []
  const random = seededRandom(3)
  const onDigit = (digit: string): void => void digits.push(digit)
  const stream = await RtpStream.open(HOST, { clock, random, udp, ports: null, onDigit })
  stream.agree(agreement)
  const heard: Int16Array[] = []
  const turn = async (pcm: Int16Array | null): Promise<void> => {
    heard.push(stream.hear(true).recorded!)
    stream.turn(() => pcm)
    await clock.advance(20)
  }
  return { clock, stream, got, rtp, rtcp, digits, heard, turn }
}

function tone(frame: number, samples: number = FRAME_SAMPLES): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) =>
    Math.round(9000 * Math.sin((2 * Math.PI * 500 * (frame * FRAME_SAMPLES + i)) / 8000)),
  )
}

/** Share of the energy at 500 Hz. */
function share(samples: readonly number[]): number {
  let [re, im, energy] = [0, 0, 1e-9]
  samples.forEach((sample, i) => {
    re += sample * Math.cos((2 * Math.PI * 500 * i) / 8000)
    im += sample * Math.sin((2 * Math.PI * 500 * i) / 8000)
    energy += sample ** 2
  })
  return (2 * (re ** 2 + im ** 2)) / (samples.length * energy)
}

test.each<[Codec, number, number]>([
  ['PCMU', 10, 50],
  ['PCMU', 30, 16],
  ['PCMA', 40, 12],
  ['G722', 60, 8],
  ['opus', 10, 50],
  ['opus', 40, 12],
  ['opus', 60, 8],
])('sends %s in packets of %i ms, evenly and whole', async (codec, ptimeMs, count) => {
  const { got, turn } = await setUp(agreed(codec, { ptimeMs }))
  for (let frame = 0; frame < 25; frame++) await turn(tone(frame))
  const packets = got.rtp.map((data) => parseRtp(data)!)
  expect(packets).toHaveLength(count)
  const [first] = packets
  const ticks = ptimeMs * 8 * CODECS[codec].ticksPerSample
  packets.forEach(({ timestamp, sequence, marker }, i) => {
    expect((timestamp - first!.timestamp) >>> 0).toBe(i * ticks)
    expect((sequence - first!.sequence) & 0xffff).toBe(i)
    expect(marker).toBe(i === 0)
  })
  const decoder = createDecoder(codec)
  const pcm = packets.flatMap(({ payload }) => [...decoder.decode(payload)!])
  decoder.close()
  expect(pcm).toHaveLength(count * ptimeMs * 8)
  expect(share(pcm.slice(1600))).toBeGreaterThan(0.97)
})

test.each([20, 40])(
  'a late frame is a gap in time, not in what is said (%i ms)',
  async (ptimeMs) => {
    const { got, turn } = await setUp(agreed('PCMU', { ptimeMs }))
    let said = 0
    for (let turns = 0; turns < 25; turns++) {
      await turn(turns === 9 || turns === 10 ? LATE_FRAME : tone(said++))
    }
    const packets = got.rtp.map((data) => parseRtp(data)!)
    const gaps = packets.slice(1).map(({ timestamp }, i) => timestamp - packets[i]!.timestamp)
    expect(gaps.filter((gap) => gap !== ptimeMs * 8)).toEqual([ptimeMs * 8 + 2 * FRAME_SAMPLES])
    packets.forEach(({ sequence }, i) => {
      expect((sequence - packets[0]!.sequence) & 0xffff).toBe(i)
    })
    const decoder = createDecoder('PCMU')
    const pcm = packets.flatMap(({ payload }) => [...decoder.decode(payload)!])
    decoder.close()
    expect(pcm.length).toBeGreaterThanOrEqual(22 * FRAME_SAMPLES)
    expect(share(pcm)).toBeGreaterThan(0.99)
  },
)

test('a digit between two long packets lets the waiting sound go first, and says its length by its own clock', async () => {
  const { got, stream, turn } = await setUp(
    agreed('opus', { ptimeMs: 60, dtmfPayloadType: 110, dtmfClockRate: 48_000 }),
  )
  for (let frame = 0; frame < 4; frame++) await turn(tone(frame))
  stream.sendDigits('5', () => {})
  while (stream.sendingDigits) await turn(null)
  const packets = got.rtp.map((data) => parseRtp(data)!)
  const [whole, rest, event] = packets
  expect((rest!.timestamp - whole!.timestamp) >>> 0).toBe(60 * 48)
  expect((event!.timestamp - whole!.timestamp) >>> 0).toBe(80 * 48)
  expect([whole, rest, event].map((packet) => packet!.payloadType)).toEqual([96, 96, 110])
  const lengths = packets
    .filter(({ payloadType }) => payloadType === 110)
    .map(({ payload }) => (payload[2]! << 8) | payload[3]!)
  expect(lengths).toEqual([1, 2, 3, 4, 5, 5, 5, 5].map((frames) => frames * 960))
  await stream.close()
})

test.each<[Codec, number]>([
  ['PCMU', 10],
  ['PCMA', 30],
  ['G722', 20],
  ['G722', 40],
  ['opus', 20],
  ['opus', 60],
])('hears %s in packets of %i ms, over a wrap of the timestamp', async (codec, ptimeMs) => {
  const { stream, rtp, heard, turn } = await setUp(agreed(codec))
  const encoder = createEncoder(codec)
  const samples = ptimeMs * 8
  const { ticksPerSample, payloadType } = CODECS[codec]
  const start = 2 ** 32 - 4000 * ticksPerSample - 3
  let sent = 0
  for (let frame = 0; frame < 60; frame++) {
    for (; sent * samples < (frame + 1) * FRAME_SAMPLES; sent++) {
      const from = sent * samples
      const pcm = Int16Array.from({ length: samples }, (_, i) =>
        Math.round(9000 * Math.sin((2 * Math.PI * 500 * (from + i)) / 8000)),
      )
      const timestamp = (start + from * ticksPerSample) % 2 ** 32
      const fields = { payloadType, marker: false, sequence: sent, ssrc: 9 }
      const payload = encoder.encode(pcm)
      rtp.send(writeRtp({ ...fields, timestamp, payload }), stream.port, HOST)
    }
    await turn(null)
  }
  encoder.close()
  const { packetsLost, packetsReceived } = stream.figures
  expect([packetsReceived, packetsLost]).toEqual([sent, 0])
  const pcm = heard.slice(10, 50).flatMap((frame) => [...frame])
  expect(share(pcm)).toBeGreaterThan(0.97)
  await stream.close()
})

test.each<Codec>(['G722', 'opus'])(
  '%s is decoded in its order, whatever the order of arrival',
  async (codec) => {
    const { stream, rtp, heard, turn } = await setUp(agreed(codec))
    const encoder = createEncoder(codec)
    const { ticksPerSample, payloadType } = CODECS[codec]
    const packets = Array.from({ length: 100 }, (_, sequence) => {
      const payload = encoder.encode(tone(sequence))
      const timestamp = sequence * FRAME_SAMPLES * ticksPerSample
      return writeRtp({ payloadType, marker: false, sequence, ssrc: 9, timestamp, payload })
    })
    encoder.close()
    for (let frame = 0; frame < 100; frame++) {
      // Pairs change places.
      if (frame > 4) rtp.send(packets[frame ^ 1]!, stream.port, HOST)
      else rtp.send(packets[frame]!, stream.port, HOST)
      await turn(null)
    }
    // Over pieces of 20 ms, since what is late moves the phase.
    const shares = heard.slice(10, 90).map((frame) => share([...frame]))
    expect(shares.filter((part) => part > 0.95).length).toBeGreaterThan(75)
    await stream.close()
  },
)

test('reports go where the peer wants them', async () => {
  const remote = { address: HOST, port: 5998, rtcpPort: PEER_PORT + 1 }
  const { got, turn, stream } = await setUp(agreed('PCMU', { remote }))
  for (let frame = 0; frame < 130; frame++) await turn(null)
  expect(got.rtcp.map((data) => parseRtcp(data)!.map(({ type }) => type))).toEqual([
    ['report', 'description'],
  ])
  await stream.close()
})

test('payload types: ours, those of the peer, and the static ones', async () => {
  const accepts = [{ codec: 'opus' as const, payloadType: 96 }]
  const { stream, rtp, clock } = await setUp(agreed('opus', { payloadType: 120, accepts }))
  const encoder = createEncoder('opus')
  const opus = encoder.encode(tone(0))
  encoder.close()
  const law = new Uint8Array(FRAME_SAMPLES).fill(0x55)
  const fields = { marker: false, ssrc: 9 }
  let sequence = 0
  for (const [payloadType, payload] of [
    [96, opus],
    [120, opus],
    [0, law],
    [8, law],
    [9, law],
    [13, Uint8Array.of(60)],
    [97, law],
    [18, law],
  ] as const) {
    sequence++
    const timestamp = 960 * sequence
    rtp.send(writeRtp({ ...fields, payloadType, payload, sequence, timestamp }), stream.port, HOST)
  }
  await clock.advance(10)
  expect(stream.figures.packetsReceived).toBe(6)
  await stream.close()
})

test('an agreement with keys: only what is secured by them is sent and believed, reports too', async () => {
  const { clock, stream, got, rtp, rtcp, turn, digits } = await setUp(
    agreed('PCMU', { srtp: keys(1, 2) }),
  )
  const theirs = protectionFor(keys(2, 1), PLAIN)
  const packet = (sequence: number, payloadType = 0, payload = new Uint8Array(160)): Uint8Array =>
    writeRtp({ payloadType, marker: false, sequence, timestamp: 160 * sequence, ssrc: 9, payload })
  rtp.send(packet(1), stream.port, HOST)
  rtp.send(theirs.sealPacket(packet(2)), stream.port, HOST)
  const event = theirs.sealPacket(packet(3, 101, Uint8Array.of(7, 10, 3, 32)))
  rtp.send(event, stream.port, HOST)
  rtp.send(event, stream.port, HOST)
  await clock.advance(10)
  expect(stream.figures.packetsReceived).toBe(2)
  expect(digits).toEqual(['7'])
  for (let frame = 0; frame < 260; frame++) await turn(tone(frame))
  expect(got.rtp).toHaveLength(260)
  for (const data of got.rtp) {
    expect(data).toHaveLength(12 + 160 + 10)
    expect(parseRtp(theirs.openPacket(data)!)).toMatchObject({ payloadType: 0 })
  }
  expect(got.rtcp).toHaveLength(1)
  expect(parseRtcp(theirs.openReport(got.rtcp[0]!)!)).toMatchObject([
    { type: 'report', blocks: [{ ssrc: 9 }] },
    { type: 'description' },
  ])
  const before = stream.lastReceivedMs
  const report = writeRtcp([{ type: 'report', ssrc: 9, sender: null, blocks: [] }])
  rtcp.send(report, stream.port + 1, HOST)
  await clock.advance(10)
  expect(stream.lastReceivedMs).toBe(before)
  rtcp.send(theirs.sealReport(report), stream.port + 1, HOST)
  await clock.advance(10)
  expect(stream.lastReceivedMs).toBeGreaterThan(before!)
  await stream.close()
})

test('a hold and a new codec leave the count of secured packets as it is; a new key of the peer is followed', async () => {
  const { stream, got, turn } = await setUp(agreed('PCMU', { srtp: keys(1, 2) }))
  const theirs = protectionFor(keys(2, 1), PLAIN)
  for (let frame = 0; frame < 3; frame++) await turn(tone(frame))
  stream.agree(agreed('PCMU', { srtp: keys(1, 2), sends: false }))
  for (let frame = 3; frame < 6; frame++) await turn(tone(frame))
  stream.agree(agreed('G722', { srtp: keys(1, 2) }))
  for (let frame = 6; frame < 9; frame++) await turn(tone(frame))
  const packets = got.rtp.map((data) => parseRtp(theirs.openPacket(data)!)!)
  expect(packets.map(({ payloadType }) => payloadType)).toEqual([0, 0, 0, 9, 9, 9])
  const [first] = packets
  expect(packets.map(({ sequence }) => sequence - first!.sequence)).toEqual([0, 1, 2, 3, 4, 5])
  stream.agree(agreed('PCMU', { srtp: keys(3, 4) }))
  await turn(tone(9))
  expect(theirs.openPacket(got.rtp.at(-1)!)).toBeNull()
  expect(protectionFor(keys(4, 3), PLAIN).openPacket(got.rtp.at(-1)!)).not.toBeNull()
  await stream.close()
})
