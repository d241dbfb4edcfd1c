// A foreign stack at the other end: baresip answers, plays, records, presses digits, holds, follows a transfer, calls in.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ids, SystemClock, assert, silentLog, systemRandom } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLocalMediaPlane } from '../../packages/network/src/media/local.ts'
import { talkFactory } from '../../packages/network/src/media/talk-factory.ts'
import { createNode } from '../../packages/network/src/node.ts'
import type { NetworkNode } from '../../packages/network/src/node.ts'
import type { NetworkEvent, TalkOptions } from '../../packages/network/src/port.ts'
import { readWav } from '../../packages/network/src/record/wav.ts'
import { Negotiation } from '../../packages/network/src/sip/negotiation.ts'
import { openUdp } from '../../packages/network/src/sip/transport.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'
import { ToneEars, toneMouth } from '../../packages/network/src/speech/tone-speech.ts'
import { Baresip, baresipMissing, shareAt } from './baresip.ts'
import type { BaresipOptions } from './baresip.ts'
import { havePeer } from '../peers.ts'

const NUMBER = '+15555550123'
const OURS = '+15555550001'
const TALK: TalkOptions = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: false,
}

const ready = havePeer('test/sip/baresip.test.ts', baresipMissing)
/** A node with real media whose only trunk is a baresip. */
class World {
  readonly clock = new SystemClock()
  readonly events: NetworkEvent[] = []
  readonly #waiting = new Set<() => void>()
  #peer: Baresip | null = null
  #node: NetworkNode | null = null
  #folder = ''

  async open(options: Partial<BaresipOptions> = {}): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'saperly-sip-'))
    const peer = await Baresip.start({ answer: 'auto', numbers: [NUMBER], toneHz: 440, ...options })
    this.#peer = peer
    const { clock } = this
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
    this.#node = await createNode({
      clock,
      random: systemRandom,
      ids: new Ids(clock, systemRandom),
      log: silentLog,
      media,
      sip: { address: '127.0.0.1', port: 0 },
      trunks: [
        {
          name: 'baresip',
          address: `${peer.address}:${peer.port}`,
          transport: 'udp',
          username: null,
          password: null,
          prefixes: ['+'],
          codecs: ['PCMA', 'PCMU'],
        },
      ],
      sandbox: null,
      voices: [],
      recognizer: 'free',
    })
    this.#node.subscribe((event) => {
      this.events.push(event)
      for (const look of this.#waiting) look()
    })
  }

  get peer(): Baresip {
    return this.#peer!
  }

  get node(): NetworkNode {
    return this.#node!
  }

  get recording(): string {
    return join(this.#folder, 'call.wav')
  }

  dial(): void {
    this.node.post({
      type: 'dial',
      callId: 'call_1',
      environment: 'live',
      from: OURS,
      to: NUMBER,
      callerIdName: 'Saperly "test"',
      ringTimeoutMs: 45_000,
      talk: TALK,
      recordTo: this.recording,
    })
  }

  /** The first event of that type, waited for; `check` narrows it. */
  until<T extends NetworkEvent['type']>(
    type: T,
    check: (event: Extract<NetworkEvent, { type: T }>) => boolean = () => true,
  ): Promise<Extract<NetworkEvent, { type: T }>> {
    return new Promise((resolve) => {
      const look = (): void => {
        for (const event of this.events) {
          if (event.type !== type || !check(event as Extract<NetworkEvent, { type: T }>)) continue
          this.#waiting.delete(look)
          resolve(event as Extract<NetworkEvent, { type: T }>)
          return
        }
      }
      this.#waiting.add(look)
      look()
    })
  }

  async close(): Promise<void> {
    await this.#node?.close()
    await this.#peer?.close()
    await rm(this.#folder, { recursive: true, force: true })
    const { legs, transactions, dialogs } = this.node.counts
    assert(legs + transactions + dialogs + this.clock.pending() === 0, 'something was left behind')
  }
}

describe.skipIf(!ready)('baresip', () => {
  let w: World

  beforeEach(() => {
    w = new World()
  })

  afterEach(() => w.close())

  it('answers, hears us, is heard, and its digits arrive', async () => {
    await w.open()
    w.dial()
    const answered = await w.until('answered')
    expect(answered.dialog).toMatchObject({ trunk: 'baresip', localCSeq: 1 })
    w.node.post({
      type: 'speak',
      callId: 'call_1',
      utteranceId: 'u1',
      text: 'hello baresip, this is the agent',
      more: false,
      interruptible: false,
      protected: true,
      voice: null,
    })
    const spoke = await w.until('spoke')
    expect(spoke).toMatchObject({ outcome: 'played', heard: 'hello baresip, this is the agent' })
    await w.peer.command('sndcode', '5')
    await w.until('digits', ({ digits }) => digits === '5')
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    const ended = await w.until('ended')
    expect(ended).toMatchObject({ cause: 'local_hangup' })
    await w.peer.saw('CALL_CLOSED')

    const saved = await w.until('recordingSaved')
    const recorded = readWav(await readFile(saved.path))!
    const middle = recorded.left.subarray(recorded.left.length >> 2, recorded.left.length >> 1)
    expect(shareAt(middle, 440)).toBeGreaterThan(0.8)
    const ears = await w.peer.heard()
    const loud = ears.filter((sample) => Math.abs(sample) > 500).length
    expect(loud).toBeGreaterThan(spoke.heardMs)
  })

  it('hangs up', async () => {
    await w.open()
    w.dial()
    await w.until('answered')
    await w.peer.command('hangup')
    expect(await w.until('ended')).toMatchObject({ cause: 'peer_hangup' })
  })

  it('rings until we cancel', async () => {
    await w.open({ answer: 'manual' })
    w.dial()
    await w.until('ringing')
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    expect(await w.until('ended')).toMatchObject({ cause: 'cancelled', measuredMs: null })
    await w.peer.saw('CALL_CLOSED')
  })

  it('declines', async () => {
    await w.open({ answer: 'manual' })
    w.dial()
    await w.until('ringing')
    await w.peer.command('hangup')
    const ended = await w.until('ended')
    expect(['busy', 'declined', 'no_answer']).toContain(ended.cause)
  })

  it('holds and resumes, and is heard again', async () => {
    await w.open()
    w.dial()
    await w.until('answered')
    expect(await w.peer.command('hold')).toMatchObject({ ok: true })
    expect(await w.peer.command('resume')).toMatchObject({ ok: true })
    await w.peer.command('sndcode', '7')
    await w.until('digits', ({ digits }) => digits === '7')
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.until('ended')
  })

  it('follows a transfer to a SIP URI', async () => {
    await w.open()
    const target = new UserAgent({
      transport: await openUdp({ address: '127.0.0.1', port: 0 }),
      clock: w.clock,
      random: systemRandom,
      log: silentLog,
      onCall: (call) => {
        call.listen(() => {})
        call.ring()
        const side = new Negotiation({
          address: '127.0.0.1',
          port: 29_998,
          codecs: ['PCMU'],
          random: systemRandom,
        })
        const answer = call.sdp === null ? null : side.answer(call.sdp)
        if (answer?.ok) call.answer(answer.value.sdp)
      },
    })
    try {
      w.dial()
      await w.until('answered')
      const to = `sip:target@127.0.0.1:${target.address.port}`
      w.node.post({ type: 'transfer', callId: 'call_1', to })
      await w.until('transferAccepted')
      expect(await w.until('transferred')).toMatchObject({ sipCode: 200 })
      expect(await w.until('ended')).toMatchObject({ cause: 'transferred' })
    } finally {
      await target.close()
    }
  })

  it('follows a transfer to a number of its own trunk', async () => {
    const second = '+15555550199'
    await w.open({ numbers: [NUMBER, second] })
    w.dial()
    await w.until('answered')
    w.node.post({ type: 'transfer', callId: 'call_1', to: second })
    expect(await w.until('transferred')).toMatchObject({ sipCode: 200 })
    expect(await w.until('ended')).toMatchObject({ cause: 'transferred' })
  })

  it('reports a transfer whose target refuses, and the call goes on', async () => {
    await w.open()
    const refusing = new UserAgent({
      transport: await openUdp({ address: '127.0.0.1', port: 0 }),
      clock: w.clock,
      random: systemRandom,
      log: silentLog,
      onCall: (call) => call.reject(486),
    })
    try {
      w.dial()
      await w.until('answered')
      const to = `sip:busy@127.0.0.1:${refusing.address.port}`
      w.node.post({ type: 'transfer', callId: 'call_1', to })
      expect(await w.until('transferFailed')).toMatchObject({ sipCode: 486 })
      await w.peer.command('sndcode', '9')
      await w.until('digits', ({ digits }) => digits === '9')
      w.node.post({ type: 'hangUp', callId: 'call_1' })
      expect(await w.until('ended')).toMatchObject({ cause: 'local_hangup' })
    } finally {
      await refusing.close()
    }
  })

  it('calls in, and is answered', async () => {
    await w.open()
    await w.peer.command('dial', `sip:${OURS}@127.0.0.1:${w.node.address.port}`)
    const { callId, ...incoming } = await w.until('incoming')
    expect(incoming).toMatchObject({
      environment: 'live',
      trunk: 'baresip',
      from: NUMBER,
      to: OURS,
    })
    w.node.post({ type: 'answer', callId, talk: TALK, recordTo: null })
    await w.peer.saw('CALL_ESTABLISHED')
    await w.peer.command('sndcode', '3')
    await w.until('digits', ({ digits }) => digits === '3')
    w.node.post({ type: 'hangUp', callId })
    expect(await w.until('ended')).toMatchObject({ cause: 'local_hangup' })
  })
})
