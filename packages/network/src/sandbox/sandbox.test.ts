// Calls between a node and the sandbox's phones: real SIP and RTP over loopback, any text in tones, every number.
import { assert, Ids, silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { createLocalMediaPlane } from '../media/local.ts'
import { talkFactory } from '../media/talk-factory.ts'
import type { MediaPlane } from '../media/port.ts'
import { createNode } from '../node.ts'
import type { NetworkNode } from '../node.ts'
import type { NetworkCommand, NetworkEvent } from '../port.ts'
import { isOptOut } from '../speech/phrases.ts'
import { createSpeechService } from '../speech/service.ts'
import type { TalkOptions } from '../talk/port.ts'
import { createSandbox } from './sandbox.ts'
import type { OpenSandbox } from './sandbox.ts'

/** Nothing of what is waited for takes so long. */
const WAIT_LIMIT_MS = 20_000
const OURS = '+15555550177'
const CALLER = '+15555550199'
const talk: TalkOptions = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: true,
}

const clock = new SystemClock()
let media: MediaPlane
let sandbox: OpenSandbox
let node: NetworkNode
const calls = new Map<string, Call>()
/** Incoming calls that nobody has taken yet. */
const arrivals: Call[] = []
let count = 0

/** One call of the node, as its control plane sees it. */
class Call {
  readonly id: string
  readonly events: NetworkEvent[] = []
  #wake: () => void = () => {}

  constructor(id: string) {
    this.id = id
    calls.set(id, this)
  }

  add(event: NetworkEvent): void {
    this.events.push(event)
    this.#wake()
  }

  /** The first event of `type` from `from` on that satisfies `fits`. Fails when the call ends without one. */
  async event<T extends NetworkEvent['type']>(
    type: T,
    fits: (event: NetworkEvent & { type: T }) => boolean = () => true,
  ): Promise<NetworkEvent & { type: T }> {
    for (;;) {
      const found = this.events.find(
        (event): event is NetworkEvent & { type: T } =>
          event.type === type && fits(event as NetworkEvent & { type: T }),
      )
      if (found) return found
      const seen = JSON.stringify(this.events)
      assert(this.events.at(-1)?.type !== 'ended', `ended without ${type}: ${seen}`)
      await new Promise<void>((resolve, reject) => {
        const limit = clock.schedule(WAIT_LIMIT_MS, () => reject(new Error(`no ${type}: ${seen}`)))
        this.#wake = () => {
          limit.cancel()
          resolve()
        }
      })
    }
  }

  async turn(text: string): Promise<void> {
    await this.event('turn', (turn) => turn.text.includes(text))
  }

  post(command: Omit<NetworkCommand, 'callId'>): void {
    node.post({ ...command, callId: this.id } as NetworkCommand)
  }

  /** Says `text`; resolves when it is over. */
  async say(text: string): Promise<NetworkEvent & { type: 'spoke' }> {
    const utteranceId = `u${++count}`
    this.post({
      type: 'speak',
      utteranceId,
      text,
      more: false,
      interruptible: true,
      protected: false,
      voice: null,
    } as Omit<NetworkCommand, 'callId'>)
    return this.event('spoke', (spoke) => spoke.utteranceId === utteranceId)
  }

  hangUp(): void {
    node.post({ type: 'hangUp', callId: this.id })
  }

  async ended(): Promise<NetworkEvent & { type: 'ended' }> {
    return this.event('ended')
  }
}

function dial(to: string, ringTimeoutMs = 20_000): Call {
  const call = new Call(`call_${++count}`)
  node.post({
    type: 'dial',
    callId: call.id,
    environment: 'test',
    from: CALLER,
    to,
    toOwnNumber: to === OURS,
    callerIdName: null,
    ringTimeoutMs,
    talk,
    recordTo: null,
  })
  return call
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await clock.sleep(5, new AbortController().signal)
}

beforeAll(async () => {
  media = createLocalMediaPlane(
    { ports: null, firstPacketTimeoutMs: 30_000, packetTimeoutMs: 15_000 },
    {
      clock,
      random: systemRandom,
      log: silentLog,
      speech: await createSpeechService('tone', { log: silentLog }),
      recognizer: 'free',
      createTalk: talkFactory('tone'),
    },
  )
  const parts = { clock, random: systemRandom, log: silentLog, media }
  sandbox = await createSandbox({ ...parts, address: '127.0.0.1', scripts: null })
  node = await createNode({
    ...parts,
    ids: new Ids(clock, systemRandom),
    sip: { address: '127.0.0.1', port: 0 },
    trunks: [],
    sandbox,
    voices: [],
    recognizer: 'free',
  })
  node.subscribe((event) => {
    if (event.type === 'incoming' && !calls.has(event.callId)) arrivals.push(new Call(event.callId))
    calls.get(event.callId)?.add(event)
  })
})

afterAll(async () => {
  await node.close()
  assert(sandbox.phones === 0 && media.sessions === 0, 'a phone or a session has leaked')
  assert(node.counts.legs === 0 && node.counts.dialogs === 0, 'a leg or a dialog has leaked')
  assert(clock.pending() === 0, `${clock.pending()} timers have leaked`)
})

// Media runs on real time: a machine that stops this process for long loses audio, as a bad line would. Hence the retry.
describe.concurrent('the sandbox', { retry: 2 }, () => {
  it('rings, answers, listens and talks along', async ({ expect }) => {
    const call = dial('+15555550100')
    await call.event('ringing')
    await call.event('answered')
    expect((await call.say('Hello.')).outcome).toBe('played')
    await call.turn('Hello, who is this?')
    await call.say('This is the bakery.')
    await call.turn('Yes, please.')
    await call.say('Thank you and goodbye!')
    await call.turn('Thank you, goodbye.')
    expect(await call.ended()).toMatchObject({ cause: 'peer_hangup' })
  })

  it.each([
    ['+15555550101', 'busy', 486],
    ['+15555550103', 'declined', 603],
    ['+15555550104', 'carrier_refused', 503],
    ['+15555550105', 'carrier_silent', null],
  ])('refuses at %s: %s', async (number, cause, sipCode) => {
    const ended = await dial(number).ended()
    assert(ended.cause === cause && ended.sipCode === sipCode, JSON.stringify(ended))
  })

  it.each(['+15555550102', '+15555550112'])(
    'lets %s ring until the caller gives up',
    async (to) => {
      const ended = await dial(to, 1500).ended()
      assert(ended.cause === 'no_answer', JSON.stringify(ended))
    },
  )

  it('has a voicemail, that takes a message after the beep', async ({ expect }) => {
    const call = dial('+15555550106')
    await call.turn('after the tone')
    expect((await call.say('Please call me back.')).outcome).toBe('played')
    call.hangUp()
    expect(await call.ended()).toMatchObject({ cause: 'local_hangup' })
  })

  it('has a phone that hangs up after 3 s', async ({ expect }) => {
    const ended = await dial('+15555550107').ended()
    expect(ended.cause).toBe('peer_hangup')
    expect(ended.measuredMs).toBeGreaterThan(2500)
  })

  it('has a phone that interrupts, and the words heard until then are known', async ({
    expect,
  }) => {
    const call = dial('+15555550108')
    await call.event('answered')
    const text =
      'Let me tell you about all of our opening hours from Monday to Sunday and on holidays too.'
    const spoke = await call.say(text)
    expect(spoke.outcome).toBe('interrupted')
    expect(text.startsWith(spoke.heard) && spoke.heard.length < text.length).toBe(true)
    await call.turn('Just a moment.')
    call.hangUp()
    await call.ended()
  })

  it('has a phone that answers and stays silent', async ({ expect }) => {
    const call = dial('+15555550109')
    await call.event('answered')
    call.post({ type: 'listen', expect: {}, silenceTimeoutMs: 1500 } as never)
    await call.say('Is anybody there?')
    await call.event('silence')
    expect(call.events.filter(({ type }) => type === 'turn')).toEqual([])
    call.hangUp()
    await call.ended()
  })

  it('has a phone that presses digits', async ({ expect }) => {
    const call = dial('+15555550110')
    await call.event('answered')
    await call.say('Enter your code.')
    await call.event('digits', ({ digits }) => digits.endsWith('#'))
    const digits = call.events.map((event) => (event.type === 'digits' ? event.digits : ''))
    expect(digits.join('')).toBe('1234#')
    call.hangUp()
    await call.ended()
  })

  it('has a phone that opts out', async ({ expect }) => {
    const call = dial('+15555550111')
    await call.event('answered')
    await call.say('Good morning.')
    const turn = await call.event('turn')
    expect(isOptOut(turn.text)).toBe(true)
    call.hangUp()
    await call.ended()
  })

  it('calls in, as the number and the call it was told', async ({ expect }) => {
    const call = new Call('call_told')
    node.post({ type: 'sandboxCall', callId: call.id, from: CALLER, to: OURS, script: 'opts-out' })
    expect(await call.event('incoming')).toMatchObject({
      environment: 'test',
      from: CALLER,
      to: OURS,
    })
    node.post({ type: 'answer', callId: call.id, talk, recordTo: null })
    await call.event('answered')
    await call.say('Hello.')
    await call.turn('Stop calling me.')
    call.hangUp()
    expect(await call.ended()).toMatchObject({ cause: 'local_hangup' })
  })

  it('connects two numbers of the platform', async ({ expect }) => {
    const one = dial(OURS)
    await until(() => arrivals.length > 0)
    const other = arrivals.shift()!
    expect(await other.event('incoming')).toMatchObject({ environment: 'test', to: OURS })
    node.post({ type: 'answer', callId: other.id, talk, recordTo: null })
    await one.event('answered')
    await one.say('Hello from one number to another.')
    await other.turn('Hello from one number to another.')
    other.hangUp()
    await one.ended()
    await other.ended()
  })

  it('lets a phone be transferred to another', async ({ expect }) => {
    const call = dial('+15555550109')
    await call.event('answered')
    node.post({ type: 'transfer', callId: call.id, to: '+15555550107' })
    expect(await call.event('transferred')).toMatchObject({ sipCode: 200 })
    expect(await call.ended()).toMatchObject({ cause: 'transferred' })
  })

  it('bridges a phone whose carrier refuses a transfer, until the target hangs up', async ({
    expect,
  }) => {
    const call = dial('+15555550113')
    await call.event('answered')
    node.post({ type: 'transfer', callId: call.id, to: '+15555550107' })
    expect(await call.event('bridgeWanted')).toMatchObject({ sipCode: 603 })
    const about = { from: OURS, to: '+15555550107', callerIdName: null, ringTimeoutMs: 20_000 }
    node.post({ type: 'bridge', callId: call.id, ...about })
    await call.event('bridged')
    expect((await call.event('unbridged')).measuredMs).toBeGreaterThan(2500)
    expect(await call.ended()).toMatchObject({ cause: 'transferred' })
  })

  it('fails a transfer to a phone that is busy, and the call goes on', async ({ expect }) => {
    const call = dial('+15555550109')
    await call.event('answered')
    node.post({ type: 'transfer', callId: call.id, to: '+15555550101' })
    expect(await call.event('transferFailed')).toMatchObject({ sipCode: 486 })
    expect((await call.say('Still here?')).outcome).toBe('played')
    call.hangUp()
    await call.ended()
  })
})
