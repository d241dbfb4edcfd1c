// The node's outside: trunks in their order, silent carriers, incoming calls, strangers, and lost packets.
import { seededRandom } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { SANDBOX_CALL_HEADER } from './sandbox/port.ts'
import type { CallEvent } from './sip/call-event.ts'
import { Negotiation } from './sip/negotiation.ts'
import { udpHop } from './sip/hop.ts'
import type { Endpoint } from './sip/hop.ts'
import {
  CARRIER_A,
  CARRIER_B,
  NODE,
  PHONE,
  TALK,
  answerTo,
  last,
  trunk,
  world,
} from './testing-node.ts'
import type { World } from './testing-node.ts'

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
  it('without an offer gets ours, and its ACK brings the answer', async () => {
    const w = await world()
    const { call } = ring(w, PHONE, [], null)
    await w.clock.advance(100)
    const { callId } = w.events[0]!
    w.node.post({ type: 'answer', callId, talk: TALK, recordTo: null })
    await w.clock.advance(100)
    // Our own caller sends no answer in its ACK, so there is nothing to connect.
    expect(w.types()).toEqual(['incoming', 'answered'])
    expect(w.media.agreements()).toEqual([])
    call.hangUp()
    await w.clock.advance(100)
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'peer_hangup' })
    await w.finish()
  })

  const offer = (): string =>
    new Negotiation({
      address: '127.0.0.1',
      port: 20_000,
      codecs: ['PCMU'],
      random: seededRandom(3),
    }).offer()

  function ring(
    w: World,
    at: Endpoint,
    fields: [string, string][] = [],
    sdp: string | null = offer(),
  ) {
    const heard: CallEvent[] = []
    const caller = w.agent(at, (call) => call.reject(486))
    const call = caller.call(
      {
        to: 'sip:15555550001@127.0.0.1',
        via: udpHop(NODE),
        from: 'sip:+15555550177@x',
        sdp,
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

describe('10 % of all packets lost each way', () => {
  it('80 calls each end once, as they should', async () => {
    const dice = seededRandom(21)
    const w = await world([], () => dice.float() < 0.1)
    const kinds = ['busy', 'no_answer', 'peer_hangup', 'local_hangup'] as const
    w.agent(PHONE, (call) => {
      const kind = kinds[Number(/(\d)@/.exec(call.requestUri)![1]) % 4]
      call.ring()
      if (kind === 'busy') call.reject(486)
      else if (kind !== 'no_answer') call.answer(answerTo(call, w.clock))
      if (kind === 'peer_hangup') w.clock.schedule(5000, () => call.hangUp())
    })
    for (let i = 0; i < 80; i++) {
      const callId = `call_${i}`
      w.dial({ callId, to: `+1555555010${i % 4}`, ringTimeoutMs: 50_000 })
      w.clock.schedule(70_000, () => w.node.post({ type: 'hangUp', callId }))
      await w.clock.advance(20)
    }
    await w.clock.advance(150_000)
    const causes = w.events.flatMap((event) =>
      event.type === 'ended' ? [[Number(event.callId.slice(5)) % 4, event.cause]] : [],
    )
    expect(causes.length).toBe(80)
    for (const [kind, cause] of causes) expect(cause).toBe(kinds[Number(kind)])
    await w.finish()
  })
})
