// Two legs of a plane talk to each other over real UDP: sound, digits, holds, recordings, timeouts, and a clean end.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assert, silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readWav } from '../record/wav.ts'
import { FRAME_SAMPLES } from '../rtp/frame.ts'
import type { SrtpKeys } from '../rtp/srtp-keys.ts'
import type { SpeechService } from '../speech/port.ts'
import type { Talk, TalkOptions } from '../talk/port.ts'
import { createLocalMediaPlane } from './local.ts'
import type { MediaAgreement, MediaEvent, MediaPlane } from './port.ts'
import type { TalkDeps } from './talk-factory.ts'
import { agreementWith } from './testing.ts'

const clock = new SystemClock()
const talk: TalkOptions = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: true,
}
const noSpeech: SpeechService = {
  openEars: () => {
    throw new Error('unused')
  },
  mouth: {
    wordTimes: 'exact',
    speak: async function* () {},
  },
  close: async () => {},
}

/** A talking part that plays what it is given and keeps what it hears. */
class FakeTalk implements Talk {
  readonly deps: TalkDeps
  readonly heard: number[] = []
  readonly digits: string[] = []
  readonly times: number[] = []
  plays: number | null = null
  closed = false
  constructor(deps: TalkDeps) {
    this.deps = deps
  }
  hear(frame: Int16Array, at: number): void {
    assert(frame.length === FRAME_SAMPLES, 'a frame is 20 ms')
    if (frame[0] !== 0) this.heard.push(frame[0]!)
    this.times.push(at)
  }
  play(): Int16Array | null {
    return this.plays === null ? null : new Int16Array(FRAME_SAMPLES).fill(this.plays)
  }
  digit(digit: string): void {
    this.digits.push(digit)
  }
  command(command: Parameters<Talk['command']>[0]): void {
    if (command.type !== 'sendDigits') return
    const { digits } = command
    this.deps.sendDigits(digits, () => this.deps.onEvent({ type: 'digitsSent', digits }))
  }
  close(): void {
    this.closed = true
  }
}

class World {
  readonly talks: FakeTalk[] = []
  readonly events: MediaEvent[] = []
  readonly clock = new SystemClock()
  readonly plane: MediaPlane

  constructor(timeouts = { firstPacketTimeoutMs: 30_000, packetTimeoutMs: 15_000 }) {
    this.plane = createLocalMediaPlane(
      { ports: null, ...timeouts },
      {
        clock: this.clock,
        random: systemRandom,
        log: silentLog,
        speech: noSpeech,
        recognizer: 'free',
        createTalk: async (deps) => {
          const made = new FakeTalk(deps)
          this.talks.push(made)
          return made
        },
      },
    )
    for (const legId of ['a', 'b']) this.plane.subscribe(legId, (event) => this.events.push(event))
  }

  async event<T extends MediaEvent['type']>(legId: string, type: T) {
    await until(() => this.events.some((event) => event.legId === legId && event.type === type))
    const found = this.events.find((event) => event.legId === legId && event.type === type)
    return found as MediaEvent & { type: T }
  }

  async open(
    legId: string,
    recordTo: string | null = null,
    address: string = '127.0.0.1',
  ): Promise<number> {
    this.plane.post({ type: 'open', legId, address, talk, recordTo })
    return (await this.event(legId, 'opened')).port
  }

  connect(legId: string, port: number, change: Partial<MediaAgreement> = {}, early = false): void {
    this.plane.post({ type: 'connect', legId, agreement: agreementWith(port, change), early })
  }

  async close(): Promise<void> {
    await this.plane.close()
    assert(this.plane.sessions === 0, 'a leg is left over')
    assert(this.clock.pending() === 0, 'a timer is left over')
  }
}

async function until(condition: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(20_000)
  while (!condition()) await clock.sleep(5, signal)
}

let folder = ''
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'saperly-media-'))))
afterEach(() => rm(folder, { recursive: true }))

test.each(['PCMU', 'PCMA'] as const)('two legs hear and record each other (%s)', async (codec) => {
  const world = new World()
  const paths = [join(folder, 'a.wav'), join(folder, 'b.wav')] as const
  const [portA, portB] = [await world.open('a', paths[0]), await world.open('b', paths[1])]
  const payloadType = codec === 'PCMU' ? 0 : 8
  world.connect('a', portB, { codec, payloadType })
  world.connect('b', portA, { codec, payloadType })
  const [a, b] = world.talks as [FakeTalk, FakeTalk]
  a.plays = 8031
  b.plays = -8031
  await until(() => a.heard.length > 40 && b.heard.length > 40)
  expect(Math.abs(b.heard[0]! - 8031)).toBeLessThan(300)
  expect(Math.abs(a.heard[0]! + 8031)).toBeLessThan(300)
  expect(a.times).toEqual(a.times.toSorted((x, y) => x - y))
  world.plane.post({ type: 'close', legId: 'a' })
  const closed = await world.event('a', 'closed')
  await world.close()
  expect(a.closed && b.closed).toBe(true)
  expect(closed.quality!.packetsSent).toBeGreaterThan(40)
  expect(closed.quality!.packetsReceived).toBeGreaterThan(40)
  const { left, right } = readWav(await readFile(paths[0]))!
  expect(left.length).toBe(right.length)
  expect((left.length / 8) * 1).toBe(closed.recording!.durationMs)
  expect(left.some((sample) => Math.abs(sample + 8031) < 300)).toBe(true)
  expect(right.filter((sample) => sample === 8031).length).toBeGreaterThan(40 * FRAME_SAMPLES)
})

const keys = (ours: number, theirs: number): SrtpKeys => ({
  suite: 'AES_CM_128_HMAC_SHA1_32',
  sendKey: new Uint8Array(30).fill(ours),
  receiveKey: new Uint8Array(30).fill(theirs),
  receiveMkiBytes: 0,
})

/** A loud 500 Hz, since Opus takes out what doesn't move. */
const loudFrame = (): Int16Array =>
  Int16Array.from({ length: FRAME_SAMPLES }, (_, i) => (i & 8 ? 6000 : -6000))

test.each<[string, Partial<MediaAgreement>, Partial<MediaAgreement>]>([
  ['SRTP', { srtp: keys(1, 2) }, { srtp: keys(2, 1) }],
  ['G.722, unequal packets', { codec: 'G722', ptimeMs: 40 }, { codec: 'G722', ptimeMs: 10 }],
  [
    'Opus with SRTP',
    { codec: 'opus', ptimeMs: 60, srtp: keys(1, 2) },
    { codec: 'opus', srtp: keys(2, 1) },
  ],
  ['two laws', { codec: 'PCMA' }, { codec: 'PCMU' }],
])('two legs hear each other in other forms too: %s', async (_form, ofA, ofB) => {
  const world = new World()
  const [portA, portB] = [await world.open('a'), await world.open('b')]
  world.connect('a', portB, ofA)
  world.connect('b', portA, ofB)
  const [a, b] = world.talks as [FakeTalk, FakeTalk]
  a.play = loudFrame
  b.play = loudFrame
  const loud = ({ heard }: FakeTalk): number =>
    heard.filter((sample) => Math.abs(sample) > 2000).length
  await until(() => loud(a) > 40 && loud(b) > 40)
  await world.close()
  expect(world.events.filter(({ type }) => type === 'failed')).toEqual([])
})

test('two legs hear each other over IPv6', async () => {
  const world = new World()
  const at = { address: '::1' }
  const [portA, portB] = [
    await world.open('a', null, at.address),
    await world.open('b', null, at.address),
  ]
  world.connect('a', portB, { remote: { ...at, port: portB } })
  world.connect('b', portA, { remote: { ...at, port: portA } })
  const [a, b] = world.talks as [FakeTalk, FakeTalk]
  b.plays = 6000
  await until(() => a.heard.length > 20)
  expect(b.heard).toEqual([])
  await world.close()
})

test('digits arrive once each, and the sender is told', async () => {
  const world = new World()
  const [portA, portB] = [await world.open('a'), await world.open('b')]
  world.connect('a', portB)
  world.connect('b', portA)
  world.plane.post({ type: 'talk', legId: 'a', command: { type: 'sendDigits', digits: '1w#D' } })
  const sent = await world.event('a', 'talk')
  expect(sent.event).toEqual({ type: 'digitsSent', digits: '1w#D' })
  await until(() => world.talks[1]!.digits.length >= 3)
  await world.close()
  expect(world.talks[1]!.digits).toEqual(['1', '#', 'D'])
})

test('digits that the signalling sends are handed to it, and the talking goes on when it has', async () => {
  const world = new World()
  const port = await world.open('a')
  world.connect('a', port, { digitsBy: 'signalling' })
  world.plane.post({ type: 'talk', legId: 'a', command: { type: 'sendDigits', digits: '12' } })
  expect((await world.event('a', 'signalDigits')).digits).toBe('12')
  expect(world.events.some(({ type }) => type === 'talk')).toBe(false)
  world.plane.post({ type: 'digitsSignalled', legId: 'a' })
  expect((await world.event('a', 'talk')).event).toEqual({ type: 'digitsSent', digits: '12' })
  await world.close()
})

test('digits are heard in the sound where no events were agreed on, and only there', async () => {
  const world = new World()
  const [portA, portB] = [await world.open('a'), await world.open('b')]
  const [a, b] = world.talks as [FakeTalk, FakeTalk]
  world.connect('a', portB, { dtmfPayloadType: null })
  world.connect('b', portA, { dtmfPayloadType: null })
  const press = async (digits: string): Promise<void> => {
    const seen = world.events.length
    world.plane.post({ type: 'talk', legId: 'a', command: { type: 'sendDigits', digits } })
    await until(() => world.events.slice(seen).some(({ type }) => type === 'talk'))
    const turns = b.times.length
    await until(() => b.times.length > turns + 10)
  }
  await press('1w#D55')
  expect(b.digits).toEqual(['1', '#', 'D', '5', '5'])
  // Once the signalling tells of a key, the sound is not listened to any more.
  world.plane.post({ type: 'digit', legId: 'b', digit: '8' })
  await press('6')
  expect(b.digits).toEqual(['1', '#', 'D', '5', '5', '8'])
  // A peer that tells events may send the tone too: that would be the same key twice.
  world.connect('b', portA)
  await press('7')
  expect(b.digits).toHaveLength(6)
  expect(a.digits).toEqual([])
  await world.close()
})

test('nothing is sent while held, and sound goes on after', async () => {
  const world = new World()
  const [portA, portB] = [await world.open('a'), await world.open('b')]
  const [a, b] = world.talks as [FakeTalk, FakeTalk]
  a.plays = 4000
  world.connect('a', portB, { direction: 'recvonly' })
  world.connect('b', portA)
  await until(() => a.times.length > 10 && b.times.length > 10)
  expect(b.heard).toEqual([])
  world.connect('a', portB)
  await until(() => b.heard.length > 5)
  await world.close()
})

test('before the answer nothing is heard, said, counted as a digit, recorded or missed', async () => {
  const world = new World({ firstPacketTimeoutMs: 100, packetTimeoutMs: 100 })
  const path = join(folder, 'a.wav')
  const [portA, portB] = [await world.open('a', path), await world.open('b')]
  const [a, b] = world.talks as [FakeTalk, FakeTalk]
  a.plays = 4000
  b.plays = -4000
  world.connect('a', portB, {}, true)
  world.connect('b', portA)
  world.plane.post({ type: 'digit', legId: 'a', digit: '9' })
  // Silence goes out already, so that the peer learns where we are.
  await until(() => b.times.length > 50)
  world.plane.post({ type: 'close', legId: 'b' })
  await world.event('b', 'closed')
  expect([a.heard, a.times, a.digits, b.heard]).toEqual([[], [], [], []])
  expect(world.events.some(({ type }) => type === 'mediaLost')).toBe(false)
  world.connect('a', portB)
  const lost = await world.event('a', 'mediaLost')
  expect(lost.silentMs).toBeGreaterThanOrEqual(100)
  world.plane.post({ type: 'digit', legId: 'a', digit: '7' })
  world.plane.post({ type: 'close', legId: 'a' })
  const closed = await world.event('a', 'closed')
  expect(a.digits).toEqual(['7'])
  expect(closed.quality!.packetsReceived).toBeGreaterThan(10)
  const { left } = readWav(await readFile(path))!
  // Of a second of early sound, no more than what was on its way to the ear at the answer.
  expect(left.filter((sample) => sample !== 0).length).toBeLessThan(8 * 300)
  await world.close()
})

test('says when the peer has been silent for too long, once', async () => {
  const world = new World({ firstPacketTimeoutMs: 120, packetTimeoutMs: 60 })
  const port = await world.open('a')
  world.connect('a', port === 40_000 ? 40_002 : 40_000)
  const lost = await world.event('a', 'mediaLost')
  expect(lost.silentMs).toBeGreaterThanOrEqual(120)
  await until(() => world.talks[0]!.times.length > 20)
  expect(world.events.filter(({ type }) => type === 'mediaLost')).toHaveLength(1)
  await world.close()
})

test('a leg can be closed before it is open, and twice', async () => {
  const world = new World()
  world.plane.post({ type: 'open', legId: 'a', address: '127.0.0.1', talk, recordTo: null })
  world.plane.post({ type: 'close', legId: 'a' })
  world.plane.post({ type: 'close', legId: 'a' })
  await world.event('a', 'closed')
  expect(world.events.map(({ type }) => type)).toEqual(['closed'])
  await world.close()
})

test('an address that is not ours fails, and a leg that exists is not opened again', async () => {
  const world = new World()
  await world.open('a')
  world.plane.post({ type: 'open', legId: 'a', address: '127.0.0.1', talk, recordTo: null })
  expect((await world.event('a', 'failed')).reason).toBe('leg_exists')
  world.plane.post({ type: 'open', legId: 'b', address: '192.0.2.1', talk, recordTo: null })
  await world.event('b', 'failed')
  expect(world.plane.sessions).toBe(1)
  await world.close()
})

test("one leg's bug ends that leg alone", async () => {
  const world = new World()
  const [portA, portB] = [await world.open('a'), await world.open('b')]
  const [a, b] = world.talks as [FakeTalk, FakeTalk]
  a.hear = () => {
    throw new Error('a bug')
  }
  world.connect('a', portB)
  world.connect('b', portA)
  expect((await world.event('a', 'failed')).reason).toBe('media_error')
  await world.event('a', 'closed')
  const turns = b.times.length
  await until(() => b.times.length > turns + 5)
  await world.close()
})
