// A trunk as carriers sell it secured: SIP over TLS with a checked name, media with SRTP or not at all; baresip is the peer.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ids, SystemClock, assert, silentLog, systemRandom } from '@saperly/kernel'
import { afterEach, describe, expect, it } from 'vitest'
import { createLocalMediaPlane } from '../../packages/network/src/media/local.ts'
import { talkFactory } from '../../packages/network/src/media/talk-factory.ts'
import { createNode } from '../../packages/network/src/node.ts'
import type { NetworkNode } from '../../packages/network/src/node.ts'
import type { NetworkEvent, TalkOptions } from '../../packages/network/src/port.ts'
import { readWav } from '../../packages/network/src/record/wav.ts'
import { ToneEars, toneMouth } from '../../packages/network/src/speech/tone-speech.ts'
import type { TrunkSettings } from '../../packages/network/src/trunk/settings.ts'
import { Baresip, baresipMissing, purity } from './baresip.ts'
import { CA, certificate } from './certificates.ts'
import { havePeer } from '../peers.ts'

const NUMBER = '+15555550123'
const OURS = '+15555550001'
const ADDRESS = '127.0.0.1'
const TALK: TalkOptions = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: false,
}
const SAID = 'hello baresip, this is the agent'

const ready = havePeer('test/sip/baresip-secured.test.ts', baresipMissing)
const clock = new SystemClock()
const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
  assert(clock.pending() === 0, 'a timer was left behind')
})

interface World {
  peer: Baresip
  node: NetworkNode
  folder: string
  events: NetworkEvent[]
  until: <T extends NetworkEvent['type']>(
    type: T,
    check?: (event: Extract<NetworkEvent, { type: T }>) => boolean,
  ) => Promise<Extract<NetworkEvent, { type: T }>>
}

async function open(more: Partial<TrunkSettings> = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'saperly-secured-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  const peer = await Baresip.start({
    answer: 'auto',
    numbers: [NUMBER],
    toneHz: 440,
    tls: true,
    modules: ['srtp'],
    parameters: ['mediaenc=srtp-mand'],
  })
  closers.push(() => peer.close())
  const media = createLocalMediaPlane(
    { ports: null, firstPacketTimeoutMs: 30_000, packetTimeoutMs: 15_000 },
    {
      clock,
      random: systemRandom,
      log: silentLog,
      speech: {
        openEars: (ears) => new ToneEars(ears),
        mouth: toneMouth,
        close: () => Promise.resolve(),
      },
      recognizer: 'free',
      createTalk: talkFactory('tone'),
    },
  )
  const trunk: TrunkSettings = {
    name: 'secured',
    address: `${peer.address}:${peer.port + 1}`,
    transport: 'tls',
    tls: {
      ca: CA,
      certificate: null,
      key: null,
      serverName: 'carrier.example',
      minVersion: 'TLSv1.2',
    },
    username: null,
    password: null,
    srtp: 'required',
    codecs: ['PCMU', 'PCMA'],
    prefixes: ['+'],
    ...more,
  }
  const own = { ...certificate('node'), clientCa: null, minVersion: 'TLSv1.2' as const }
  const node = await createNode({
    clock,
    random: systemRandom,
    ids: new Ids(clock, systemRandom),
    log: silentLog,
    media,
    sip: { address: ADDRESS, port: 0, tls: { port: 0, server: own } },
    trunks: [trunk],
    sandbox: null,
    voices: [],
    recognizer: 'free',
  })
  closers.push(() => node.close())
  const events: NetworkEvent[] = []
  node.subscribe((event) => events.push(event))
  const until: World['until'] = async (type, check = () => true) => {
    const signal = AbortSignal.timeout(30_000)
    for (;;) {
      const found = events.find((event) => event.type === type && check(event as never))
      if (found) return found as never
      await clock.sleep(10, signal)
    }
  }
  return { peer, node, folder, events, until }
}

function dial({ node, folder }: World): void {
  node.post({
    type: 'dial',
    callId: 'call_1',
    environment: 'live',
    from: OURS,
    to: NUMBER,
    callerIdName: null,
    ringTimeoutMs: 45_000,
    talk: TALK,
    recordTo: join(folder, 'call.wav'),
  })
}

function speak({ node }: World, utteranceId: string, callId: string = 'call_1'): void {
  node.post({
    type: 'speak',
    callId,
    utteranceId,
    text: SAID,
    more: false,
    interruptible: false,
    protected: true,
    voice: null,
  })
}

describe.skipIf(!ready)('baresip over TLS, with SRTP mandatory', () => {
  it('hears and is heard, holds and resumes, and its digits arrive', async () => {
    const world = await open()
    const { peer, node, until } = world
    dial(world)
    await until('answered')
    speak(world, 'u1')
    expect(await until('spoke')).toMatchObject({ outcome: 'played', heard: SAID })
    await peer.command('sndcode', '5')
    await until('digits', ({ digits }) => digits === '5')
    expect(await peer.command('hold')).toMatchObject({ ok: true })
    expect(await peer.command('resume')).toMatchObject({ ok: true })
    await peer.command('sndcode', '7')
    await until('digits', ({ digits }) => digits === '7')
    speak(world, 'u2')
    const again = await until('spoke', ({ utteranceId }) => utteranceId === 'u2')
    expect(again).toMatchObject({ outcome: 'played', heard: SAID })
    node.post({ type: 'hangUp', callId: 'call_1' })
    await until('ended')
    await peer.saw('CALL_CLOSED')
    const saved = await until('recordingSaved')
    const { left } = readWav(await readFile(saved.path))!
    // Before the hold and after it: plain noise would show that a key was lost on the way.
    expect(purity(left.subarray(0, left.length >> 1), 440)).toBeGreaterThan(0.97)
    expect(purity(left.subarray(left.length >> 1), 440)).toBeGreaterThan(0.97)
    const theirs = await peer.heard()
    const loud = theirs.filter((sample) => Math.abs(sample) > 500).length
    expect(loud).toBeGreaterThan(again.heardMs)
  })

  it('refuses a trunk that is not to encrypt', async () => {
    const world = await open({ srtp: 'off' })
    dial(world)
    const ended = await world.until('ended')
    expect(ended).toMatchObject({ cause: 'carrier_refused', sipCode: 488 })
    assert(!world.events.some(({ type }) => type === 'answered'), 'it was answered')
  })

  it('calls in, by UDP this time, and is heard', async () => {
    const world = await open({ inbound: { sources: [ADDRESS], username: null, password: null } })
    const { peer, node, until } = world
    const port = node.address.port
    await peer.command('dial', `sip:${OURS}@${ADDRESS}:${port}`)
    const { callId } = await until('incoming')
    node.post({ type: 'answer', callId, talk: TALK, recordTo: join(world.folder, 'in.wav') })
    await peer.saw('CALL_ESTABLISHED')
    await peer.command('sndcode', '3')
    await until('digits', ({ digits }) => digits === '3')
    speak(world, 'u1', callId)
    expect(await until('spoke')).toMatchObject({ outcome: 'played', heard: SAID })
    node.post({ type: 'hangUp', callId })
    const saved = await until('recordingSaved')
    const { left } = readWav(await readFile(saved.path))!
    expect(purity(left, 440)).toBeGreaterThan(0.97)
    expect(await until('ended')).toMatchObject({ cause: 'local_hangup' })
  })
})
