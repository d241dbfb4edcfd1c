// The node against our own user agents as carriers and phones, under simulated time and over real sockets.
import { Ids, SimClock, SystemClock, drain, seededRandom, silentLog } from '@saperly/kernel'
import type { Clock } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import type { MediaCommand, MediaEvent, MediaPlane } from './media/port.ts'
import { createNode } from './node.ts'
import type { NetworkNode } from './node.ts'
import type { NetworkCommand, NetworkEvent, TalkOptions } from './port.ts'
import { SANDBOX_CALL_HEADER } from './sandbox/port.ts'
import type { Sandbox, SandboxCall } from './sandbox/port.ts'
import type { CallEvent } from './sip/call-event.ts'
import type { IncomingCall } from './sip/incoming-call.ts'
import { Negotiation } from './sip/negotiation.ts'
import { SimNetwork } from './sip/sim-network.ts'
import { openUdp } from './sip/transport.ts'
import type { Endpoint, Transport } from './sip/transport.ts'
import { UserAgent } from './sip/user-agent.ts'
import type { TrunkSettings } from './trunk.ts'

const TALK: TalkOptions = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: true,
}
const NODE = { address: '127.0.0.1', port: 5060 }
const PHONE = { address: '127.0.0.1', port: 6000 }
const CARRIER_A = { address: '127.0.0.1', port: 7000 }
const CARRIER_B = { address: '127.0.0.1', port: 7001 }

/** A media plane that carries nothing, and remembers what it was told. */
class FakeMedia implements MediaPlane {
  readonly commands: MediaCommand[] = []
  readonly #listeners = new Map<string, (event: MediaEvent) => void>()
  readonly #recordTo = new Map<string, string | null>()
  failing = false

  get sessions(): number {
    return this.#recordTo.size
  }

  subscribe(legId: string, listener: (event: MediaEvent) => void): () => void {
    this.#listeners.set(legId, listener)
    return () => this.#listeners.delete(legId)
  }

  post(command: MediaCommand): void {
    this.commands.push(command)
    const { legId } = command
    if (command.type === 'open') {
      if (this.failing) return this.tell({ type: 'failed', legId, reason: 'no ports' })
      this.#recordTo.set(legId, command.recordTo)
      this.tell({ type: 'opened', legId, port: 10_000, recognizer: 'phrases' })
    } else if (command.type === 'close') {
      const path = this.#recordTo.get(legId) ?? null
      this.#recordTo.delete(legId)
      const recording = path === null ? null : { path, durationMs: 5, bytes: 80 }
      const stats = { packetsSent: 0, packetsReceived: 0, packetsLost: 0, jitterMs: 0 }
      this.tell({ type: 'closed', legId, recording, stats })
    }
  }

  tell(event: MediaEvent): void {
    queueMicrotask(() => this.#listeners.get(event.legId)?.(event))
  }

  /** The agreements that a leg was connected with. */
  agreements(): unknown[] {
    return this.commands.flatMap((command) =>
      command.type === 'connect' ? [command.agreement] : [],
    )
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface World {
  clock: SimClock
  node: NetworkNode
  media: FakeMedia
  events: NetworkEvent[]
  told: SandboxCall[]
  open: (at: Endpoint) => Transport
  agent: (at: Endpoint, onCall: (call: IncomingCall) => void) => UserAgent
  dial: (more?: Partial<Extract<NetworkCommand, { type: 'dial' }>>) => void
  types: () => string[]
  finish: () => Promise<void>
}

function trunk(name: string, at: Endpoint, more: Partial<TrunkSettings> = {}): TrunkSettings {
  return {
    name,
    address: `${at.address}:${at.port}`,
    transport: 'udp',
    username: null,
    password: null,
    prefixes: ['+'],
    codecs: ['PCMU', 'PCMA'],
    ...more,
  }
}

async function world(trunks: readonly TrunkSettings[] = []): Promise<World> {
  const clock = new SimClock()
  const random = seededRandom(7)
  const network = new SimNetwork(clock, 5, () => false)
  const media = new FakeMedia()
  const told: SandboxCall[] = []
  const sandbox: Sandbox = {
    addressFor: () => PHONE,
    sourceOf: (_, port) => port === PHONE.port,
    call: (call) => told.push(call),
    close: () => Promise.resolve(),
  }
  const node = await createNode({
    clock,
    random,
    ids: new Ids(clock, random),
    log: silentLog,
    media,
    sip: NODE,
    trunks,
    sandbox,
    voices: [],
    recognizer: 'phrases',
    transport: network.open(NODE),
  })
  const events: NetworkEvent[] = []
  node.subscribe((event) => events.push(event))
  const agents: UserAgent[] = []
  return {
    clock,
    node,
    media,
    events,
    told,
    open: (at) => network.open(at),
    agent: (at, onCall) => {
      const made = new UserAgent({
        transport: network.open(at),
        clock,
        random: seededRandom(at.port),
        log: silentLog,
        onCall,
      })
      agents.push(made)
      return made
    },
    dial: (more) =>
      node.post({
        type: 'dial',
        callId: 'call_1',
        environment: 'test',
        from: '+15555550001',
        to: '+15555550123',
        callerIdName: null,
        ringTimeoutMs: 45_000,
        talk: TALK,
        recordTo: null,
        ...more,
      }),
    types: () => events.map(({ type }) => type),
    finish: async () => {
      await clock.advance(300_000)
      const left = agents.map((agent) => agent.transactions + agent.dialogs)
      expect([...left, media.sessions, clock.pending()]).toEqual([...left.map(() => 0), 0, 0])
      expect(node.counts).toEqual({ legs: 0, transactions: 0, dialogs: 0 })
      expect(events.filter(({ type }) => type === 'ended').length).toBeLessThanOrEqual(
        new Set(events.map(({ callId }) => callId)).size,
      )
    },
  }
}

/** What a phone says to an offer. */
function answerTo(call: IncomingCall, clock: Clock): string {
  const options = { address: '127.0.0.1', port: 20_000, codecs: ['PCMA'] as const }
  const made = new Negotiation({ ...options, random: seededRandom(clock.now()) }).answer(call.sdp!)
  if (!made.ok) throw new Error(made.failure)
  return made.value.sdp
}

const last = (w: World): NetworkEvent => w.events.at(-1)!

describe('a test call', () => {
  it('opens media, rings, is answered, talks, hangs up, and saves before it ends', async () => {
    const w = await world()
    const heard: CallEvent[] = []
    w.agent(PHONE, (call) => {
      expect(call.requestUri).toBe('sip:+15555550123@127.0.0.1:6000')
      call.listen((event) => heard.push(event))
      call.ring()
      w.clock.schedule(1000, () => call.answer(answerTo(call, w.clock)))
    })
    w.dial({ recordTo: '/tmp/one.wav', callerIdName: 'Acme "Inc"' })
    await w.clock.advance(2000)
    expect(w.types()).toEqual(['accepted', 'ringing', 'answered'])
    expect(w.media.agreements()).toMatchObject([
      { remote: { address: '127.0.0.1', port: 20_000 }, codec: 'PCMA', dtmfPayloadType: 101 },
    ])
    w.node.post({ type: 'sendDigits', callId: 'call_1', digits: '12' })
    expect(w.media.commands.at(-1)).toMatchObject({ type: 'talk', command: { digits: '12' } })
    await w.clock.advance(5000)
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.clock.advance(100)
    expect(w.types().slice(3)).toEqual(['recordingSaved', 'ended'])
    expect(last(w)).toMatchObject({ cause: 'local_hangup' })
    expect((last(w) as { measuredMs: number }).measuredMs).toBeGreaterThan(5900)
    expect(heard.at(-1)).toMatchObject({ type: 'ended', by: 'remote', reason: { q850: 16 } })
    await w.finish()
  })

  it.each([
    [486, 'busy'],
    [600, 'busy'],
    [603, 'declined'],
    [480, 'no_answer'],
    [404, 'invalid_number'],
    [503, 'carrier_refused'],
  ])('refused with %i ends as %s', async (sipCode, cause) => {
    const w = await world()
    w.agent(PHONE, (call) => call.reject(sipCode, 21))
    w.dial()
    await w.clock.advance(1000)
    expect(w.events).toMatchObject([
      { type: 'ended', cause, sipCode, q850Cause: 21, measuredMs: null },
    ])
    await w.finish()
  })

  it('that only gets a 100 is accepted at 8 s, and not answered in time', async () => {
    const w = await world()
    const heard: CallEvent[] = []
    w.agent(PHONE, (call) => call.listen((event) => heard.push(event)))
    w.dial({ ringTimeoutMs: 10_000 })
    await w.clock.advance(7_900)
    expect(w.types()).toEqual([])
    await w.clock.advance(200)
    expect(w.events).toMatchObject([{ type: 'accepted', sipCode: null }])
    await w.clock.advance(3000)
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'no_answer' })
    expect(heard.map(({ type }) => type)).toEqual(['cancelled'])
    await w.finish()
  })

  it('can be hung up in every phase', async () => {
    for (const afterMs of [0, 1, 8, 400, 995, 1002, 1008, 1015, 3000]) {
      const w = await world()
      w.agent(PHONE, (call) => {
        call.ring()
        w.clock.schedule(1000, () => call.answer(answerTo(call, w.clock)))
      })
      w.dial()
      await w.clock.advance(afterMs)
      w.node.post({ type: 'hangUp', callId: 'call_1' })
      await w.clock.advance(1000)
      expect(w.types().filter((type) => type === 'ended').length).toBe(1)
      const answered = w.types().includes('answered')
      expect(last(w)).toMatchObject({ cause: answered ? 'local_hangup' : 'cancelled' })
      await w.finish()
    }
  })

  it('ends when the phone hangs up, is lost, or has no usable audio', async () => {
    const w = await world()
    let count = 0
    w.agent(PHONE, (call) => {
      count++
      call.answer(count === 3 ? 'v=0' : answerTo(call, w.clock))
      if (count === 1) w.clock.schedule(3000, () => call.hangUp())
    })
    w.dial()
    await w.clock.advance(4000)
    expect(last(w)).toMatchObject({ cause: 'peer_hangup', q850Cause: 16 })
    w.dial({ callId: 'call_2' })
    await w.clock.advance(1000)
    w.media.tell({ type: 'mediaLost', legId: 'call_2', silentMs: 15_000 })
    await w.clock.advance(1000)
    expect(last(w)).toMatchObject({ callId: 'call_2', cause: 'media_lost' })
    w.dial({ callId: 'call_3' })
    await w.clock.advance(1000)
    expect(last(w)).toMatchObject({ callId: 'call_3', cause: 'carrier_refused', measuredMs: null })
    w.media.failing = true
    w.dial({ callId: 'call_4' })
    await w.clock.advance(1000)
    expect(last(w)).toMatchObject({ callId: 'call_4', type: 'ended', cause: 'media_lost' })
    await w.finish()
  })

  it('follows a hold and its end', async () => {
    const w = await world()
    let phone: IncomingCall | null = null
    w.agent(PHONE, (call) => {
      phone = call
      call.answer(answerTo(call, w.clock))
    })
    w.dial()
    await w.clock.advance(100)
    const held = answerTo(phone!, w.clock).replace('a=sendrecv', 'a=sendonly')
    const { session } = phone! as IncomingCall
    session!.reinvite(held)
    await w.clock.advance(100)
    session!.reinvite(held.replace('a=sendonly', 'a=sendrecv'))
    await w.clock.advance(100)
    expect(w.media.agreements()).toMatchObject([
      { direction: 'sendrecv' },
      { direction: 'recvonly' },
      { direction: 'sendrecv' },
    ])
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })
})

describe('a transfer', () => {
  async function transferred(to: string, sipCode: number | null) {
    const w = await world()
    const asked: string[] = []
    w.agent(PHONE, (call) => {
      call.listen((event) => {
        if (event.type !== 'referRequested' || sipCode === null) return
        asked.push(event.target)
        const report = event.accept()
        report(180)
        report(sipCode)
      })
      call.answer(answerTo(call, w.clock))
    })
    w.dial()
    await w.clock.advance(1000)
    w.node.post({ type: 'transfer', callId: 'call_1', to })
    await w.clock.advance(1000)
    return { w, asked }
  }

  it('that the target answers ends the leg', async () => {
    const { w, asked } = await transferred('+15555550199', 200)
    expect(asked).toEqual(['sip:+15555550199@127.0.0.1:6000'])
    expect(w.types().filter((type) => type !== 'dialog')).toEqual([
      'accepted',
      'answered',
      'transferAccepted',
      'transferred',
      'ended',
    ])
    expect(last(w)).toMatchObject({ cause: 'transferred' })
    await w.finish()
  })

  it.each([
    ['whose target is busy', '+15555550199', 486, 486],
    ['that the phone declines', '+15555550199', null, 603],
    ['out of the sandbox', 'sip:x@192.0.2.1', 200, null],
  ])('%s fails, and the call goes on', async (_, to, answer, sipCode) => {
    const { w } = await transferred(to, answer)
    expect(last(w)).toMatchObject({ type: 'transferFailed', sipCode })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })
})

describe('trunks', () => {
  const live = { environment: 'live' as const }

  it('none for the number: no_trunk', async () => {
    const w = await world([trunk('a', CARRIER_A, { prefixes: ['+44'] })])
    w.dial(live)
    expect(w.events).toEqual([])
    await w.clock.advance(10)
    expect(w.events).toMatchObject([{ type: 'ended', cause: 'no_trunk' }])
    await w.finish()
  })

  it('longest prefix first; a silent one is passed over, and its late answer is ended', async () => {
    const settings = [trunk('b', CARRIER_B), trunk('a', CARRIER_A, { prefixes: ['+1', '+1555'] })]
    const w = await world(settings)
    w.agent(CARRIER_B, (call) => {
      call.ring()
      call.answer(answerTo(call, w.clock))
    })
    w.dial(live)
    await w.clock.advance(4000)
    expect(w.events).toMatchObject([
      { type: 'accepted' },
      { type: 'ringing' },
      { type: 'answered', dialog: { trunk: 'b' } },
    ])
    const late: CallEvent[] = []
    w.agent(CARRIER_A, (call) => {
      call.listen((event) => late.push(event))
      call.ring()
    })
    await w.clock.advance(10_000)
    expect(late.map(({ type }) => type)).toEqual(['cancelled'])
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })

  it('all silent: carrier_silent after 3 s each', async () => {
    const w = await world([trunk('a', CARRIER_A), trunk('b', CARRIER_B)])
    w.dial(live)
    await w.clock.advance(5_900)
    expect(w.types()).toEqual([])
    await w.clock.advance(200)
    expect(w.events).toMatchObject([{ type: 'ended', cause: 'carrier_silent', sipCode: null }])
    await w.finish()
  })
})

describe('an incoming call', () => {
  const offer = (): string =>
    new Negotiation({
      address: '127.0.0.1',
      port: 20_000,
      codecs: ['PCMU'],
      random: seededRandom(3),
    }).offer()

  function ring(w: World, at: Endpoint, fields: [string, string][] = []) {
    const heard: CallEvent[] = []
    const caller = w.agent(at, (call) => call.reject(486))
    const call = caller.call(
      {
        to: 'sip:15555550001@127.0.0.1',
        via: NODE,
        from: 'sip:+15555550177@x',
        sdp: offer(),
        fields,
      },
      (event) => heard.push(event),
    )
    return { heard, call }
  }

  it('from a sandbox phone has the id that it was told', async () => {
    const w = await world()
    const to = '+15555550001'
    w.node.post({ type: 'sandboxCall', callId: 'call_9', from: '+15555550177', to, script: null })
    expect(w.told).toMatchObject([{ callId: 'call_9', node: NODE }])
    const { heard } = ring(w, PHONE, [[SANDBOX_CALL_HEADER, 'call_9']])
    await w.clock.advance(100)
    expect(w.events).toEqual([
      {
        callId: 'call_9',
        type: 'incoming',
        environment: 'test',
        trunk: null,
        from: '+15555550177',
        to,
      },
    ])
    w.node.post({ type: 'answer', callId: 'call_9', talk: TALK, recordTo: null })
    await w.clock.advance(100)
    expect(heard.map(({ type }) => type)).toEqual(['trying', 'progress', 'answered'])
    expect(last(w)).toMatchObject({ type: 'answered', recognizer: 'phrases' })
    w.node.post({ type: 'hangUp', callId: 'call_9' })
    await w.clock.advance(100)
    expect(heard.at(-1)).toMatchObject({ type: 'ended', by: 'remote' })
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'local_hangup' })
    await w.finish()
  })

  it('from a trunk is live, and may not choose its id; it can be refused or given up', async () => {
    const w = await world([trunk('a', CARRIER_A)])
    const to = '+15555550001'
    w.node.post({ type: 'sandboxCall', callId: 'call_9', from: to, to, script: null })
    const fields: [string, string][] = [
      [SANDBOX_CALL_HEADER, 'call_9'],
      ['p-asserted-identity', '"x" <sip:+15555550188@a>, <tel:+1>'],
    ]
    const { heard, call } = ring(w, CARRIER_A, fields)
    await w.clock.advance(100)
    const [incoming] = w.events
    expect(incoming).toMatchObject({ environment: 'live', trunk: 'a', from: '+15555550188', to })
    expect(incoming!.callId).not.toBe('call_9')
    w.node.post({ type: 'reject', callId: incoming!.callId, sipCode: 404 })
    await w.clock.advance(100)
    expect(heard.at(-1)).toMatchObject({ type: 'failed', sipCode: 404 })
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'local_hangup', sipCode: 404 })
    call.hangUp()
    await w.finish()
  })

  it('given up by its caller ends as cancelled', async () => {
    const w = await world()
    const { call } = ring(w, PHONE)
    await w.clock.advance(100)
    call.cancel()
    await w.clock.advance(100)
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'cancelled', measuredMs: null })
    await w.finish()
  })

  it('from a stranger gets no answer at all', async () => {
    const w = await world([trunk('a', CARRIER_A)])
    const { heard, call } = ring(w, { address: '127.0.0.1', port: 7999 })
    await w.clock.advance(40_000)
    expect(w.events).toEqual([])
    expect(heard).toMatchObject([{ type: 'failed', cause: 'timeout' }])
    call.hangUp()
    await w.finish()
  })
})

describe('recovery', () => {
  it('ends the dialog of another process by its record', async () => {
    const w = await world()
    const heard: CallEvent[] = []
    w.agent(PHONE, (call) => {
      call.listen((event) => heard.push(event))
      call.answer(answerTo(call, w.clock))
    })
    w.dial()
    await w.clock.advance(100)
    const answered = w.events.find((event) => event.type === 'answered')!
    const other = await createNode({
      clock: w.clock,
      random: seededRandom(8),
      ids: new Ids(w.clock, seededRandom(8)),
      log: silentLog,
      media: new FakeMedia(),
      sip: { address: '127.0.0.1', port: 5099 },
      trunks: [],
      sandbox: null,
      voices: [],
      recognizer: 'phrases',
      transport: w.open({ address: '127.0.0.1', port: 5099 }),
    })
    other.post({ type: 'bye', callId: 'call_1', dialog: answered.dialog })
    await w.clock.advance(100)
    expect(heard.at(-1)).toMatchObject({ type: 'ended', by: 'remote' })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
    expect(other.counts).toEqual({ legs: 0, transactions: 0, dialogs: 0 })
  })
})

describe('over real sockets', () => {
  it('a call is placed and ended, and closing gives everything back', async () => {
    const clock = new SystemClock()
    const random = seededRandom(11)
    const phone = new UserAgent({
      transport: await openUdp({ address: '127.0.0.1', port: 0 }),
      clock,
      random: seededRandom(12),
      log: silentLog,
      onCall: (call) => {
        call.ring()
        call.answer(answerTo(call, clock))
      },
    })
    const node = await createNode({
      clock,
      random,
      ids: new Ids(clock, random),
      log: silentLog,
      media: new FakeMedia(),
      sip: { address: '127.0.0.1', port: 0 },
      trunks: [trunk('phone', phone.address)],
      sandbox: null,
      voices: [],
      recognizer: 'phrases',
    })
    const answered = new Promise<void>((resolve) =>
      node.subscribe((event) => {
        if (event.type === 'answered') resolve()
      }),
    )
    const ended = new Promise<NetworkEvent>((resolve) =>
      node.subscribe((event) => {
        if (event.type === 'ended') resolve(event)
      }),
    )
    node.post({
      type: 'dial',
      callId: 'call_1',
      environment: 'live',
      from: '+15555550001',
      to: '+15555550123',
      callerIdName: null,
      ringTimeoutMs: 45_000,
      talk: TALK,
      recordTo: null,
    })
    await answered
    await node.close()
    expect(await ended).toMatchObject({ cause: 'local_hangup' })
    await phone.close()
    await drain()
    expect(node.counts).toEqual({ legs: 0, transactions: 0, dialogs: 0 })
    expect([phone.transactions, phone.dialogs, clock.pending()]).toEqual([0, 0, 0])
  })
})
