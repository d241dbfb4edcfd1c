// A bridge between two legs, in simulated time over a network in memory: who hears what, when, and what is recorded.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assert, seededRandom, silentLog, SimClock } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readWav } from '../record/wav.ts'
import { FRAME_SAMPLES, SAMPLE_RATE } from '../rtp/frame.ts'
import { SimulatedUdp } from '../rtp/simulated-udp.ts'
import type { Talk } from '../talk/port.ts'
import { createLocalMediaPlane } from './local.ts'
import type { MediaAgreement, MediaEvent, MediaPlane } from './port.ts'
import { agreementWith } from './testing.ts'
import type { TalkDeps } from './talk-factory.ts'

const TALK = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: true,
}

/** A talking part that sounds one tone, and keeps what it hears. */
class Voice implements Talk {
  readonly deps: TalkDeps
  heard: number[] = []
  digits = ''
  hertz: number | null = null
  closed = false
  #at = 0

  constructor(deps: TalkDeps) {
    this.deps = deps
  }

  hear(frame: Int16Array): void {
    this.heard.push(...frame)
  }

  play(): Int16Array | null {
    const { hertz } = this
    if (hertz === null) return null
    return Int16Array.from({ length: FRAME_SAMPLES }, () =>
      Math.round(8000 * Math.sin((2 * Math.PI * hertz * this.#at++) / SAMPLE_RATE)),
    )
  }

  digit(digit: string): void {
    this.digits += digit
  }

  command(command: Parameters<Talk['command']>[0]): void {
    if (command.type === 'sendDigits') this.deps.sendDigits(command.digits, () => {})
  }

  close(): void {
    this.closed = true
  }
}

/** Share of the energy at one frequency, 0-1 (Goertzel). */
function shareAt(samples: Iterable<number> & { length: number }, hertz: number): number {
  const turn = 2 * Math.cos((2 * Math.PI * hertz) / SAMPLE_RATE)
  let energy = 0
  let [before, last] = [0, 0]
  for (const sample of samples) {
    energy += sample * sample
    ;[before, last] = [last, sample + turn * last - before]
  }
  const power = before * before + last * last - turn * before * last
  return energy === 0 ? 0 : (2 * power) / (samples.length * energy)
}

/** The legs `peer` and `target` of a node, and the phones at their other ends. */
class World {
  readonly clock = new SimClock()
  readonly events: MediaEvent[] = []
  readonly voices: Record<string, Voice> = {}
  readonly plane: MediaPlane
  readonly udp: SimulatedUdp
  readonly #ports: Record<string, number> = {}
  #opening = ''

  constructor(weather = { minDelayMs: 5, maxDelayMs: 25, loss: 0, duplication: 0 }) {
    const random = seededRandom(4)
    this.udp = new SimulatedUdp(this.clock, random, weather)
    this.plane = createLocalMediaPlane(
      { ports: null, firstPacketTimeoutMs: 30_000, packetTimeoutMs: 15_000 },
      {
        clock: this.clock,
        random,
        log: silentLog,
        udp: this.udp,
        recognizer: 'free',
        speech: {
          openEars: () => {
            throw new Error('unused')
          },
          mouth: { wordTimes: 'exact', speak: async function* () {} },
          close: async () => {},
        },
        createTalk: async (deps) => (this.voices[this.#opening] = new Voice(deps)),
      },
    )
  }

  async open(legId: string, recordTo: string | null = null): Promise<void> {
    this.#opening = legId
    this.plane.subscribe(legId, (event) => {
      this.events.push(event)
      if (event.type === 'opened') this.#ports[legId] = event.port
    })
    const talk = legId === 'target' ? null : TALK
    const beside = legId === 'target' ? 'peer' : null
    this.plane.post({ type: 'open', legId, address: '127.0.0.1', talk, recordTo, beside })
    await this.clock.advance(0)
  }

  connect(legId: string, other: string, change: Partial<MediaAgreement> = {}): void {
    const agreement = agreementWith(this.#ports[other]!, change)
    this.plane.post({ type: 'connect', legId, agreement })
  }

  bridge(stage: 'ringing' | 'joined'): void {
    this.plane.post({ type: 'bridge', legId: 'peer', targetLegId: 'target', stage })
  }

  /** Lets `ms` go by and gives what the phone heard in that time. */
  async heardBy(phone: string, ms: number): Promise<number[]> {
    this.voices[phone]!.heard = []
    await this.clock.advance(ms)
    return this.voices[phone]!.heard
  }
}

let folder = ''
let w: World
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'saperly-bridge-'))
  w = new World()
  await w.open('peer', join(folder, 'peer.wav'))
  for (const legId of ['phone', 'target', 'callee']) await w.open(legId)
  w.connect('peer', 'phone')
  w.connect('phone', 'peer')
  await w.clock.advance(500)
})
afterEach(async () => {
  await w.plane.close()
  await w.clock.advance(60_000)
  const left = [w.plane.sessions, w.udp.open, w.clock.pending()]
  assert(
    left.every((count) => count === 0),
    `something was left behind: ${left.join(' ')}`,
  )
  await rm(folder, { recursive: true })
})

function connectTarget(): void {
  w.connect('target', 'callee')
  w.connect('callee', 'target')
}

describe('while the target rings', () => {
  it('the peer hears the tone, with its pauses, and is heard by its own talk', async () => {
    w.bridge('ringing')
    w.voices['phone']!.hertz = 700
    const tone = await w.heardBy('phone', 1800)
    expect(shareAt(tone, 440)).toBeGreaterThan(0.4)
    expect(shareAt(tone, 480)).toBeGreaterThan(0.4)
    await w.clock.advance(400)
    const pause = await w.heardBy('phone', 3500)
    expect(Math.max(...pause.map(Math.abs))).toBe(0)
    expect(shareAt(w.voices['peer']!.heard.slice(-8000), 700)).toBeGreaterThan(0.9)
  })

  it('what is said to the peer goes before the tone', async () => {
    w.bridge('ringing')
    w.voices['peer']!.hertz = 1200
    await w.clock.advance(200)
    expect(shareAt(await w.heardBy('phone', 1000), 1200)).toBeGreaterThan(0.95)
  })

  it('what the target sends early is heard in place of the tone', async () => {
    w.bridge('ringing')
    connectTarget()
    await w.clock.advance(400)
    expect(shareAt(await w.heardBy('phone', 500), 440)).toBeGreaterThan(0.4)
    w.voices['callee']!.hertz = 900
    await w.clock.advance(200)
    expect(shareAt(await w.heardBy('phone', 500), 900)).toBeGreaterThan(0.95)
    expect(Math.max(...w.voices['callee']!.heard.map(Math.abs))).toBe(0)
  })

  it('a target that fails gives the peer back to its talk', async () => {
    const talk = w.voices['peer']!
    w.bridge('ringing')
    await w.clock.advance(500)
    w.plane.post({ type: 'unbridge', legId: 'peer' })
    w.plane.post({ type: 'close', legId: 'target' })
    await w.clock.advance(200)
    expect(Math.max(...(await w.heardBy('phone', 1000)).map(Math.abs))).toBe(0)
    talk.hertz = 1200
    await w.clock.advance(200)
    expect(shareAt(await w.heardBy('phone', 500), 1200)).toBeGreaterThan(0.95)
    expect(talk.closed).toBe(false)
  })
})

describe('joined', () => {
  beforeEach(async () => {
    w.bridge('ringing')
    connectTarget()
    await w.clock.advance(300)
    w.bridge('joined')
    w.voices['phone']!.hertz = 700
    w.voices['callee']!.hertz = 1700
    await w.clock.advance(300)
  })

  it('each hears the other without a gap, nobody talks any more, and the recording goes on', async () => {
    w.voices['peer']!.hertz = 2500
    const [callee, phone] = [w.voices['callee']!, w.voices['phone']!]
    callee.heard = []
    expect(shareAt(await w.heardBy('phone', 2000), 1700)).toBeGreaterThan(0.98)
    expect(shareAt(callee.heard, 700)).toBeGreaterThan(0.98)
    expect(phone.heard.filter((sample) => sample === 0).length).toBeLessThan(500)
    expect(w.voices['peer']!.closed).toBe(true)
    w.plane.post({ type: 'unbridge', legId: 'peer' })
    await w.clock.advance(100)
    expect(shareAt(await w.heardBy('phone', 500), 1700)).toBeGreaterThan(0.98)
    w.plane.post({ type: 'close', legId: 'peer' })
    await w.clock.advance(50)
    while (!w.events.some(({ type }) => type === 'closed')) await w.clock.advance(1)
    const { left, right } = readWav(await readFile(join(folder, 'peer.wav')))!
    expect(shareAt(left.slice(-16_000), 700)).toBeGreaterThan(0.98)
    expect(shareAt(right.slice(-16_000), 1700)).toBeGreaterThan(0.98)
  })

  it('digits pass, each once, both ways', async () => {
    w.plane.post({
      type: 'talk',
      legId: 'phone',
      command: { type: 'sendDigits', digits: '12#' },
    })
    await w.clock.advance(2000)
    w.plane.post({ type: 'talk', legId: 'callee', command: { type: 'sendDigits', digits: '*9' } })
    await w.clock.advance(2000)
    expect([w.voices['callee']!.digits, w.voices['phone']!.digits]).toEqual(['12#', '*9'])
  })

  it('a peer on hold sends and is sent nothing, and is heard at once after it', async () => {
    w.connect('peer', 'phone', { direction: 'inactive' })
    await w.clock.advance(300)
    expect(Math.max(...(await w.heardBy('callee', 1000)).map(Math.abs))).toBe(0)
    expect(Math.max(...(await w.heardBy('phone', 1000)).map(Math.abs))).toBe(0)
    w.connect('peer', 'phone')
    await w.clock.advance(300)
    expect(shareAt(await w.heardBy('callee', 1000), 700)).toBeGreaterThan(0.95)
    expect(shareAt(await w.heardBy('phone', 1000), 1700)).toBeGreaterThan(0.95)
  })

  it('a target that is gone leaves the peer in silence', async () => {
    w.plane.post({ type: 'close', legId: 'target' })
    await w.clock.advance(300)
    expect(Math.max(...(await w.heardBy('phone', 1000)).map(Math.abs))).toBe(0)
  })
})

it.each([
  ['a calm line', { maxDelayMs: 5, loss: 0 }, 0.999, 120],
  ['one that delays by up to 60 ms and loses 5 %', { maxDelayMs: 65, loss: 0.05 }, 0.98, 260],
])('carries sound over %s', async (_, weather, share, delayMs) => {
  w.bridge('joined')
  connectTarget()
  const [callee, phone] = [w.voices['callee']!, w.voices['phone']!]
  w.udp.weather = { ...w.udp.weather, minDelayMs: 5, ...weather }
  await w.clock.advance(3000)
  phone.heard = []
  callee.hertz = 1700
  await w.clock.advance(1000)
  // Two jitter buffers of 40 ms or more each, and a turn of 20 ms in between.
  expect(phone.heard.findIndex((sample) => Math.abs(sample) > 1000) / 8).toBeLessThan(delayMs)
  expect(shareAt(await w.heardBy('phone', 10_000), 1700)).toBeGreaterThan(share)
})

it('sound that came late is caught up with in a pause', async () => {
  w.bridge('joined')
  connectTarget()
  const [callee, phone] = [w.voices['callee']!, w.voices['phone']!]
  callee.hertz = 1700
  await w.clock.advance(1000)
  w.udp.weather = { ...w.udp.weather, minDelayMs: 150, maxDelayMs: 150 }
  await w.clock.advance(1000)
  w.udp.weather = { ...w.udp.weather, minDelayMs: 5, maxDelayMs: 5 }
  await w.clock.advance(1000)
  callee.hertz = null
  await w.clock.advance(3000)
  phone.heard = []
  callee.hertz = 1700
  await w.clock.advance(400)
  const silentMs = phone.heard.findIndex((sample) => Math.abs(sample) > 1000) / 8
  // Two jitter buffers of at most 120 ms, four turns of 20 ms, and the lines.
  expect(silentMs).toBeGreaterThan(0)
  expect(silentMs).toBeLessThan(350)
})
