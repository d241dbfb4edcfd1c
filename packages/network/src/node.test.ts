// The node against our own user agents as phones: every way in which a call goes, under simulated time and on sockets.
import { Ids, SystemClock, drain, seededRandom, silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { createNode } from './node.ts'
import type { NetworkEvent } from './port.ts'
import type { CallEvent } from './sip/call-event.ts'
import type { IncomingCall } from './sip/incoming-call.ts'
import { openUdp } from './sip/transport.ts'
import { UserAgent } from './sip/user-agent.ts'
import { FakeMedia, PHONE, TALK, answerTo, last, trunk, world } from './testing-node.ts'

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
    w.agent(PHONE, (call) => call.reject(sipCode, 31))
    w.dial()
    await w.clock.advance(1000)
    expect(w.events).toMatchObject([
      { type: 'ended', cause, sipCode, q850Cause: 31, measuredMs: null },
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
    ['out of the sandbox', 'sip:x@192.0.2.1', 200, null],
  ])('%s fails, and the call goes on', async (_, to, answer, sipCode) => {
    const { w } = await transferred(to, answer)
    expect(last(w)).toMatchObject({ type: 'transferFailed', sipCode })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
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
