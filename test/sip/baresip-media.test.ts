// Sound to and from baresip in every form that we speak: secured or plain, each codec, each packet time, both directions.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock, assert, silentLog, systemRandom } from '@saperly/kernel'
import { afterEach, expect, it, describe } from 'vitest'
import { createLocalMediaPlane } from '../../packages/network/src/media/local.ts'
import type { MediaEvent, MediaPlane } from '../../packages/network/src/media/port.ts'
import { readWav } from '../../packages/network/src/record/wav.ts'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import { Negotiation } from '../../packages/network/src/sip/negotiation.ts'
import type { NegotiationOptions } from '../../packages/network/src/sip/negotiation.ts'
import { udpHop } from '../../packages/network/src/sip/hop.ts'
import { openUdp } from '../../packages/network/src/sip/transport.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'
import type { Talk } from '../../packages/network/src/talk/port.ts'
import { Baresip, baresipMissing, purity } from './baresip.ts'
import type { BaresipOptions } from './baresip.ts'
import { havePeer } from '../peers.ts'

const NUMBER = '+15555550123'
const HOST = '127.0.0.1'
const OUR_TONE_HZ = 1000
const THEIR_TONE_HZ = 440
/** Heard sound that is enough for a verdict: two seconds. */
const ENOUGH_FRAMES = 100
const POLL_MS = 20
const ready = havePeer('test/sip/baresip-media.test.ts', baresipMissing)

/** Plays a tone for ever, and counts the sound that it hears. */
class ToneTalk implements Talk {
  loudFrames = 0
  #at = 0
  hear(frame: Int16Array): void {
    if (frame.some((sample) => Math.abs(sample) > 1000)) this.loudFrames++
  }
  play(): Int16Array {
    const from = this.#at
    this.#at += 160
    return Int16Array.from({ length: 160 }, (_, i) =>
      Math.round(8000 * Math.sin((2 * Math.PI * OUR_TONE_HZ * (from + i)) / 8000)),
    )
  }
  digit(): void {}
  command(): void {}
  close(): void {}
}

type Form = Pick<NegotiationOptions, 'codecs' | 'srtp'>

/** One call between a leg of ours, without a node around it, and a baresip. */
class Line {
  readonly clock = new SystemClock()
  readonly talk = new ToneTalk()
  readonly events: MediaEvent[] = []
  readonly plane: MediaPlane
  peer: Baresip | null = null
  #ua: UserAgent | null = null
  #folder = ''
  /** The description that settled the call: the peer's answer, or ours. */
  sdp = ''

  constructor() {
    const { clock } = this
    this.plane = createLocalMediaPlane(
      { ports: null, firstPacketTimeoutMs: 30_000, packetTimeoutMs: 15_000 },
      {
        clock,
        random: systemRandom,
        log: silentLog,
        speech: {
          openEars: () => assert(false, 'unused') as never,
          mouth: { wordTimes: 'exact', speak: async function* () {} },
          close: () => Promise.resolve(),
        },
        recognizer: 'free',
        createTalk: () => Promise.resolve(this.talk),
      },
    )
    this.plane.subscribe('leg', (event) => void this.events.push(event))
  }

  async open(form: Form, options: Partial<BaresipOptions>): Promise<Negotiation> {
    this.#folder = await mkdtemp(join(tmpdir(), 'saperly-media-'))
    this.peer = await Baresip.start({
      answer: 'auto',
      numbers: [NUMBER],
      toneHz: THEIR_TONE_HZ,
      ...options,
    })
    this.plane.post({
      type: 'open',
      legId: 'leg',
      address: HOST,
      talk: {
        language: 'en-US',
        voice: null,
        phrases: [],
        endpointingMs: null,
        interruptible: false,
      },
      recordTo: this.recording,
    })
    const port = await this.until(() => {
      const opened = this.events.find((event) => event.type === 'opened')
      return opened ? opened.port : null
    })
    return new Negotiation({ address: HOST, port, random: systemRandom, ...form })
  }

  get recording(): string {
    return join(this.#folder, 'call.wav')
  }

  async listen(onCall: ConstructorParameters<typeof UserAgent>[0]['onCall']): Promise<UserAgent> {
    const transport = await openUdp({ address: HOST, port: 0 })
    const { clock } = this
    this.#ua = new UserAgent({ transport, clock, random: systemRandom, log: silentLog, onCall })
    return this.#ua
  }

  connect(settled: ReturnType<Negotiation['accept']>, sdp: string): void {
    assert(settled.ok, `no agreement: ${settled.ok || settled.failure}\n${sdp}`)
    this.sdp = sdp
    this.plane.post({ type: 'connect', legId: 'leg', agreement: settled.value })
  }

  /** We call, and it answers. */
  async call(form: Form, options: Partial<BaresipOptions>): Promise<void> {
    const negotiation = await this.open(form, options)
    const ua = await this.listen((call) => call.reject(486))
    const { address, port } = this.peer!
    const onEvent = (event: CallEvent): void => {
      if (event.type === 'answered') this.connect(negotiation.accept(event.sdp!), event.sdp!)
      if (event.type === 'failed') this.sdp = `refused: ${event.sipCode}`
    }
    ua.call(
      {
        to: `sip:${NUMBER}@${address}:${port}`,
        via: udpHop({ address, port }),
        from: `sip:us@${HOST}`,
        sdp: negotiation.offer(),
      },
      onEvent,
    )
    await this.until(() => this.sdp || null)
  }

  /** It calls, and we answer. */
  async answer(form: Form, options: Partial<BaresipOptions>): Promise<void> {
    const negotiation = await this.open(form, options)
    const ua = await this.listen((call) => {
      call.listen(() => {})
      const answered = negotiation.answer(call.sdp!)
      if (!answered.ok) {
        this.sdp = `refused: ${answered.failure}`
        return call.reject(488)
      }
      call.answer(answered.value.sdp)
      this.connect({ ok: true, value: answered.value.agreement }, answered.value.sdp)
    })
    await this.peer!.command('dial', `sip:us@${HOST}:${ua.address.port}`)
    await this.until(() => this.sdp || null)
  }

  /** Both recordings, ended: what we heard, and what baresip heard. */
  async ears(): Promise<{ ours: Int16Array; theirs: Int16Array; rate: number }> {
    await this.until(() => (this.talk.loudFrames >= ENOUGH_FRAMES ? true : null))
    this.plane.post({ type: 'close', legId: 'leg' })
    await this.until(() => this.events.find((event) => event.type === 'closed') ?? null)
    await this.peer!.command('hangup')
    await this.peer!.saw('CALL_CLOSED')
    const ours = readWav(await readFile(this.recording))!.left
    const { samples: theirs, rate } = await this.peer!.recorded()
    return { ours, theirs, rate }
  }

  async until<T>(look: () => T | null): Promise<T> {
    const signal = AbortSignal.timeout(30_000)
    for (;;) {
      const found = look()
      if (found !== null) return found
      await this.clock.sleep(POLL_MS, signal)
    }
  }

  async close(): Promise<void> {
    await this.#ua?.close()
    await this.plane.close()
    await this.peer?.close()
    await rm(this.#folder, { recursive: true, force: true })
    assert(this.clock.pending() === 0, 'a timer was left behind')
  }
}

const SRTP = { modules: ['srtp'], parameters: ['mediaenc=srtp-mand'] }
const OPTIONAL = { modules: ['srtp'], parameters: ['mediaenc=srtp'] }
const G722 = {
  codecs: ['G722/16000/1'],
  modules: ['g722'],
  wave: { rate: 16_000, channels: 1 },
}
const OPUS = {
  codecs: ['opus/48000/2'],
  modules: ['opus'],
  wave: { rate: 48_000, channels: 2 },
}

interface Case {
  name: string
  form: Form
  peer: Partial<BaresipOptions>
  /** In the description that settles the call. */
  expected: RegExp
}

const CASES: Case[] = [
  {
    name: 'SRTP required, PCMA',
    form: { codecs: ['PCMA', 'PCMU'], srtp: 'required' },
    peer: SRTP,
    expected: /m=audio \d+ RTP\/SAVP [\s\S]*a=crypto:\d AES_CM_128_HMAC_SHA1_80 inline:/,
  },
  {
    name: 'SRTP optional on both sides, PCMU',
    form: { codecs: ['PCMU'], srtp: 'optional' },
    peer: OPTIONAL,
    expected: /m=audio \d+ RTP\/AVP 0 [\s\S]*a=crypto:\d AES_CM_128_HMAC_SHA1_80 inline:/,
  },
  {
    name: 'SRTP optional with a peer that has none',
    form: { codecs: ['PCMU'], srtp: 'optional' },
    peer: {},
    expected: /m=audio \d+ RTP\/AVP 0 (?:(?!crypto)[\s\S])*$/,
  },
  {
    name: 'G.722',
    form: { codecs: ['G722', 'PCMU'] },
    peer: G722,
    expected: /m=audio \d+ RTP\/AVP 9 /,
  },
  {
    name: 'Opus',
    form: { codecs: ['opus', 'PCMU'] },
    peer: OPUS,
    expected: /a=rtpmap:\d+ opus\/48000\/2/,
  },
  {
    name: 'Opus with SRTP',
    form: { codecs: ['opus'], srtp: 'required' },
    peer: { ...OPUS, modules: ['opus', 'srtp'], parameters: SRTP.parameters },
    expected: /RTP\/SAVP [\s\S]*opus\/48000\/2/,
  },
]

describe.skipIf(!ready)('baresip', () => {
  let line: Line | null = null
  afterEach(() => line?.close())

  const check = async (): Promise<void> => {
    const { ours, theirs, rate } = await line!.ears()
    expect(purity(ours, THEIR_TONE_HZ, 8000)).toBeGreaterThan(0.97)
    expect(purity(theirs, OUR_TONE_HZ, rate)).toBeGreaterThan(0.97)
  }

  it.each(CASES)('$name: we call', async ({ form, peer, expected }) => {
    line = new Line()
    await line.call(form, peer)
    expect(line.sdp).toMatch(expected)
    await check()
  })

  it.each(CASES)('$name: it calls', async ({ form, peer, expected }) => {
    line = new Line()
    await line.answer(form, peer)
    expect(line.sdp).toMatch(expected)
    await check()
  })

  it('gets the packets of 40 ms that it asks for, and sends such', async () => {
    line = new Line()
    await line.answer({ codecs: ['PCMU'] }, { parameters: ['ptime=40'] })
    expect(line.sdp).toMatch(/a=ptime:40/)
    await check()
    const closed = line.events.find((event) => event.type === 'closed')!
    const seconds = line.talk.loudFrames / 50
    for (const packets of [closed.quality!.packetsSent, closed.quality!.packetsReceived]) {
      expect(packets / seconds).toBeLessThan(35)
    }
  })

  it('is refused when it has no encryption and we require it, and refuses us when it is the other way round', async () => {
    line = new Line()
    await line.answer({ codecs: ['PCMU'], srtp: 'required' }, {})
    expect(line.sdp).toBe('refused: no_srtp')
    await line.close()
    line = new Line()
    await line.call({ codecs: ['PCMU'], srtp: 'off' }, SRTP)
    expect(line.sdp).toMatch(/refused: 4\d\d/)
  })
})
