// Trunks at work in a simulated network: which is tried after which, what the limits refuse, who may call in.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CallEvent } from '../sip/call-event.ts'
import { udpHop } from '../sip/hop.ts'
import type { Credentials } from '../sip/digest.ts'
import type { IncomingCall } from '../sip/incoming-call.ts'
import { Negotiation } from '../sip/negotiation.ts'
import {
  CARRIER_A,
  CARRIER_B,
  NODE,
  answerTo,
  last,
  scriptedDns,
  trunk,
  world,
} from '../testing-node.ts'
import type { World } from '../testing-node.ts'

const live = { environment: 'live' as const }
const CARRIER_C = { address: '127.0.0.1', port: 7002 }
const CARRIERS = [CARRIER_A, CARRIER_B, CARRIER_C]
const OURS = '+15555550001'

const answers =
  (w: World) =>
  (call: IncomingCall): void => {
    call.ring()
    call.answer(answerTo(call, w.clock))
  }
const refuses =
  (sipCode: number, rings = false) =>
  (call: IncomingCall): void => {
    if (rings) call.ring()
    call.reject(sipCode)
  }

/** Closes a node that watches its trunks for as long as it lives. */
async function closed(w: World): Promise<void> {
  const closing = w.node.close()
  await w.clock.advance(10_000)
  await closing
  await w.finish()
}

describe('failover', () => {
  it('503 before ringing: the next trunk, and the caller hears of one call only', async () => {
    const w = await world([trunk('a', CARRIER_A), trunk('b', CARRIER_B)])
    w.agent(CARRIER_A, refuses(503))
    w.agent(CARRIER_B, answers(w))
    w.dial(live)
    await w.clock.advance(500)
    expect(w.types()).toEqual(['accepted', 'ringing', 'answered'])
    expect(last(w)).toMatchObject({ dialog: { trunk: 'b' } })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })

  it('503 after ringing is the end of the call', async () => {
    const w = await world([trunk('a', CARRIER_A), trunk('b', CARRIER_B)])
    w.agent(CARRIER_A, refuses(503, true))
    w.agent(CARRIER_B, answers(w))
    w.dial(live)
    await w.clock.advance(500)
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'carrier_refused', sipCode: 503 })
    await w.finish()
  })

  it('other codes only where the trunk says so', async () => {
    for (const failover of [[], [500, 403]]) {
      const w = await world([trunk('a', CARRIER_A, { failover }), trunk('b', CARRIER_B)])
      w.agent(CARRIER_A, refuses(403))
      w.agent(CARRIER_B, answers(w))
      w.dial(live)
      await w.clock.advance(500)
      expect(last(w)).toMatchObject(
        failover.length > 0 ? { type: 'answered' } : { type: 'ended', sipCode: 403 },
      )
      w.node.post({ type: 'hangUp', callId: 'call_1' })
      await w.finish()
    }
  })

  it('503 that says that the callee is busy is the callee’s answer', async () => {
    const w = await world([trunk('a', CARRIER_A), trunk('b', CARRIER_B)])
    w.agent(CARRIER_A, (call) => call.reject(503, 17))
    w.agent(CARRIER_B, answers(w))
    w.dial(live)
    await w.clock.advance(500)
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'busy', sipCode: 503, q850Cause: 17 })
    await w.finish()
  })

  it('a busy callee is busy on every trunk', async () => {
    const w = await world([trunk('a', CARRIER_A), trunk('b', CARRIER_B)])
    w.agent(CARRIER_A, refuses(486))
    w.agent(CARRIER_B, answers(w))
    w.dial(live)
    await w.clock.advance(500)
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'busy' })
    await w.finish()
  })

  it('a name: each of its hosts in turn, before the next trunk', async () => {
    const named = { address: 'sip.example.com', transport: 'udp' as const }
    const w = await world([trunk('name', CARRIER_A, named), trunk('c', CARRIER_C)], undefined, {
      dns: scriptedDns({ '_sip._udp.sip.example.com': [CARRIER_A, CARRIER_B] }),
    })
    const called: string[] = []
    w.agent(CARRIER_A, refuses(503))
    w.agent(CARRIER_B, (call) => {
      called.push(call.requestUri)
      call.reject(503)
    })
    w.agent(CARRIER_C, answers(w))
    w.dial(live)
    await w.clock.advance(500)
    expect(called).toEqual(['sip:+15555550123@sip.example.com'])
    expect(last(w)).toMatchObject({ type: 'answered', dialog: { trunk: 'c' } })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await closed(w)
  })

  it('a name that is not found is passed over; with nothing else the carrier was silent', async () => {
    const w = await world([trunk('name', CARRIER_A, { address: 'gone.example.com' })])
    w.dial(live)
    await w.clock.advance(500)
    expect(last(w)).toMatchObject({ type: 'ended', cause: 'carrier_silent' })
    await closed(w)
  })

  it('every mixture of carriers ends as the first who decides, else as who said most', async () => {
    const kinds = ['silent', '503', '404', 'busy', 'answers'] as const
    const settings = fc.record({ kind: fc.constantFrom(...kinds), prefix: fc.nat(2) })
    const mixtures = fc.array(settings, { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(mixtures, async (carriers) => {
        const prefixes = ['+', '+1', '+1555']
        const w = await world(
          carriers.map(({ prefix }, i) =>
            trunk(`t${i}`, CARRIERS[i]!, { prefixes: [prefixes[prefix]!] }),
          ),
        )
        carriers.forEach(({ kind }, i) => {
          if (kind === 'answers') w.agent(CARRIERS[i]!, answers(w))
          else if (kind !== 'silent') {
            w.agent(CARRIERS[i]!, refuses({ '503': 503, '404': 404, busy: 486 }[kind]))
          }
        })
        w.dial(live)
        await w.clock.advance(20_000)
        w.node.post({ type: 'hangUp', callId: 'call_1' })
        await w.finish()
        const order = carriers
          .map((one, i) => ({ ...one, i }))
          .toSorted((a, b) => b.prefix - a.prefix)
        const decides = order.find(({ kind }) => kind !== 'silent' && kind !== '503')
        const expected = {
          silent: 'carrier_silent',
          '503': 'carrier_refused',
          '404': 'invalid_number',
          busy: 'busy',
          answers: 'local_hangup',
        }
        const said = carriers.some(({ kind }) => kind === '503') ? '503' : 'silent'
        expect(last(w)).toMatchObject({ type: 'ended', cause: expected[decides?.kind ?? said] })
        const answered = w.events.find(({ type }) => type === 'answered')
        if (decides?.kind === 'answers') {
          expect(answered).toMatchObject({ dialog: { trunk: `t${decides.i}` } })
        } else expect(answered).toBeUndefined()
      }),
      { numRuns: 60 },
    )
  })
})

describe('limits', () => {
  it('the third call at a time goes over the next trunk, and one more is refused with the reason', async () => {
    const settings = [
      trunk('a', CARRIER_A, { maxCalls: 2 }),
      trunk('b', CARRIER_B, { maxCalls: 1 }),
    ]
    const w = await world(settings)
    for (const at of [CARRIER_A, CARRIER_B]) w.agent(at, answers(w))
    for (const callId of ['call_1', 'call_2', 'call_3', 'call_4']) w.dial({ ...live, callId })
    await w.clock.advance(5_000)
    const trunks = w.events.flatMap((event) =>
      event.type === 'answered' ? [event.dialog.trunk] : [],
    )
    expect(trunks).toEqual(['a', 'a', 'b'])
    expect(w.node.trunks).toMatchObject([{ calls: 2 }, { calls: 1 }])
    expect(last(w)).toMatchObject({
      callId: 'call_4',
      type: 'ended',
      cause: 'carrier_refused',
      sipCode: null,
      reason: 'the trunk carries as many calls as it may (maxCalls)',
    })
    for (const callId of ['call_1', 'call_2', 'call_3']) w.node.post({ type: 'hangUp', callId })
    await w.clock.advance(1_000)
    expect(w.node.trunks).toMatchObject([{ calls: 0 }, { calls: 0 }])
    await w.finish()
  })

  it('calls per second are spread over the queue, and what waits too long is refused', async () => {
    const w = await world([trunk('a', CARRIER_A, { callsPerSec: 2 })])
    const atMs: number[] = []
    w.agent(CARRIER_A, (call) => {
      atMs.push(w.clock.monotonicMs())
      call.reject(486)
    })
    for (let i = 0; i < 9; i++) w.dial({ ...live, callId: `call_${i}` })
    await w.clock.advance(5_000)
    expect(atMs).toEqual([5, 5, 1005, 1005, 2005, 2005])
    const refused = w.events.filter((event) => event.type === 'ended' && event.reason !== null)
    expect(refused).toHaveLength(3)
    expect(refused[0]).toMatchObject({ reason: expect.stringContaining('callsPerSec') })
    await w.finish()
  })

  it('a call that is hung up while it waits leaves the queue', async () => {
    const w = await world([trunk('a', CARRIER_A, { callsPerSec: 1 })])
    const called: string[] = []
    w.agent(CARRIER_A, (call) => {
      called.push(call.requestUri)
      call.reject(486)
    })
    for (const digit of [1, 2, 3])
      w.dial({ ...live, callId: `call_${digit}`, to: `+1555555012${digit}` })
    await w.clock.advance(100)
    expect(w.node.trunks).toMatchObject([{ waiting: 2 }])
    w.node.post({ type: 'hangUp', callId: 'call_2' })
    await w.clock.advance(1_000)
    expect(called.map((uri) => uri.slice(5, 17))).toEqual(['15555550121@', '15555550123@'])
    await w.finish()
  })
})

describe('health', () => {
  it('a trunk that is down is tried last, and still tried', async () => {
    const settings = [CARRIER_A, CARRIER_B].map((at, i) =>
      trunk(`t${i}`, at, { optionsIntervalSec: 30 }),
    )
    const w = await world(settings)
    w.agent(CARRIER_B, answers(w))
    await w.clock.advance(150_000)
    expect(w.node.trunks).toMatchObject([{ up: false }, { up: true }])
    w.dial(live)
    await w.clock.advance(100)
    expect(last(w)).toMatchObject({ type: 'answered', dialog: { trunk: 't1' } })
    w.node.post({ type: 'hangUp', callId: 'call_1' })

    w.agent(CARRIER_A, answers(w))
    await w.clock.advance(40_000)
    expect(w.node.trunks).toMatchObject([{ up: true }, { up: true }])
    w.dial({ ...live, callId: 'call_2' })
    await w.clock.advance(100)
    expect(last(w)).toMatchObject({ type: 'answered', dialog: { trunk: 't0' } })
    w.node.post({ type: 'hangUp', callId: 'call_2' })
    await w.clock.advance(1_000)
    await closed(w)
  })

  it('all down: they are tried in their order', async () => {
    const settings = [CARRIER_A, CARRIER_B].map((at, i) =>
      trunk(`t${i}`, at, { optionsIntervalSec: 30 }),
    )
    const w = await world(settings)
    await w.clock.advance(150_000)
    expect(w.node.trunks).toMatchObject([{ up: false }, { up: false }])
    w.agent(CARRIER_A, answers(w))
    w.dial(live)
    await w.clock.advance(100)
    expect(last(w)).toMatchObject({ type: 'answered', dialog: { trunk: 't0' } })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.clock.advance(1_000)
    await closed(w)
  })
})

describe('calls that come in', () => {
  const offer = (): string =>
    new Negotiation({
      address: '127.0.0.1',
      port: 2e4,
      codecs: ['PCMU'] as const,
      random: seededRandom(3),
    }).offer()

  /** Rings the node up from there, and gives what the caller hears. */
  function ringUp(w: World, at: typeof NODE, credentials: Credentials | null, to = OURS) {
    const heard: CallEvent[] = []
    const caller = w.agent(at, (call) => call.reject(486))
    caller.call(
      {
        to: `sip:${to}@127.0.0.1`,
        via: udpHop(NODE),
        from: 'sip:+15555550177@x',
        sdp: offer(),
        credentials,
      },
      (event) => heard.push(event),
    )
    return heard
  }

  const inbound = { sources: ['127.0.0.0/8'], username: 'peer', password: 'right' }

  it('with digest: let in with the password, refused without, never reported without', async () => {
    const cases: [Credentials | null, number | null][] = [
      [{ username: 'peer', password: 'right' }, null],
      [{ username: 'peer', password: 'wrong' }, 403],
      [{ username: 'other', password: 'right' }, 403],
      [null, 401],
    ]
    for (const [credentials, sipCode] of cases) {
      const w = await world([trunk('pbx', CARRIER_A, { inbound })])
      const heard = ringUp(w, CARRIER_B, credentials)
      await w.clock.advance(200)
      if (sipCode === null) {
        expect(w.events).toMatchObject([{ type: 'incoming', trunk: 'pbx', to: OURS }])
        expect(heard.map(({ type }) => type)).toEqual(['trying', 'progress'])
        expect(w.node.trunks).toMatchObject([{ calls: 1 }])
        w.node.post({ type: 'reject', callId: w.events[0]!.callId, sipCode: 480 })
      } else {
        expect(w.events).toEqual([])
        expect(heard.at(-1)).toMatchObject({ type: 'failed', sipCode })
      }
      await w.finish()
    }
  })

  it('from outside the listed blocks nothing is answered, from inside any port is', async () => {
    const elsewhere = { address: '127.9.0.1', port: 7009 }
    const sources = { sources: ['127.8.0.0/16', '127.9.0.1'], username: null, password: null }
    const w = await world([trunk('a', CARRIER_A, { inbound: sources })])
    const heard = ringUp(w, CARRIER_A, null)
    await w.clock.advance(40_000)
    expect([w.events, heard]).toMatchObject([[], [{ type: 'failed', cause: 'timeout' }]])
    ringUp(w, elsewhere, null)
    await w.clock.advance(100)
    expect(w.events).toMatchObject([{ type: 'incoming', trunk: 'a' }])
    w.node.post({ type: 'reject', callId: w.events[0]!.callId, sipCode: 480 })
    await w.finish()
  })

  it('two that share an address are told apart by who calls', async () => {
    const w = await world([
      trunk('one', CARRIER_A, { inbound: { ...inbound, username: 'one' } }),
      trunk('two', CARRIER_B, { inbound: { ...inbound, username: 'two' } }),
    ])
    ringUp(w, CARRIER_C, { username: 'two', password: 'right' })
    await w.clock.advance(100)
    expect(w.events).toMatchObject([{ type: 'incoming', trunk: 'two' }])
    w.node.post({ type: 'reject', callId: w.events[0]!.callId, sipCode: 480 })
    await w.finish()
  })

  it('beyond what the trunk carries are refused with 503', async () => {
    const w = await world([trunk('a', CARRIER_A, { maxCalls: 1 })])
    const first = ringUp(w, CARRIER_A, null)
    await w.clock.advance(100)
    expect(first.at(-1)).toMatchObject({ type: 'progress', sipCode: 180 })
    w.dial(live)
    await w.clock.advance(2_100)
    expect(last(w)).toMatchObject({ type: 'ended', reason: expect.stringContaining('maxCalls') })
    w.node.post({ type: 'reject', callId: w.events[0]!.callId, sipCode: 480 })
    await w.finish()
  })

  it.each(['15555550001', '+15555550001', '0015555550001'])('%s is our number', async (to) => {
    const w = await world([trunk('a', CARRIER_A)])
    ringUp(w, CARRIER_A, null, to)
    await w.clock.advance(100)
    expect(w.events).toMatchObject([{ type: 'incoming', to: OURS }])
    w.node.post({ type: 'reject', callId: w.events[0]!.callId, sipCode: 480 })
    await w.finish()
  })
})
