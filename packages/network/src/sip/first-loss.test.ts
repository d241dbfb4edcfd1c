// A lost first packet of every kind, both ways: the call comes out as if nothing had been lost, and nothing is left.
import { SimClock, seededRandom, silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { FirstLoss } from '../../../../test/sip/first-loss.ts'
import type { CallEvent } from './call-event.ts'
import { udpHop } from './hop.ts'
import type { IncomingCall } from './incoming-call.ts'
import { SimNetwork } from './sim-network.ts'
import { UserAgent } from './user-agent.ts'

const ALICE = udpHop({ address: '10.0.0.1', port: 5060 })
const BOB = udpHop({ address: '10.0.0.2', port: 5060 })
/** Longer than a repetition takes, shorter than anything gives up, milliseconds. */
const STEP_MS = 8_000

/** Alice calls Bob over a line that loses one message; `way` is Alice's. Gives what both heard, and the loss. */
function line(kind: string, way: 'out' | 'in', bobDoes: (call: IncomingCall) => void) {
  const clock = new SimClock()
  const loss = new FirstLoss(kind, way)
  const network = new SimNetwork(clock, 10, () => false)
  const heard: { alice: CallEvent[]; bob: CallEvent[] } = { alice: [], bob: [] }
  const react = (event: CallEvent): void => {
    if (event.type === 'reoffer') event.answer('v=0\r\nchanged')
    if (event.type === 'referRequested') event.accept()(200)
  }
  let incoming: IncomingCall | null = null
  const parts = { clock, log: silentLog }
  const alice = new UserAgent({
    ...parts,
    transport: loss.wrap(network.open(ALICE)),
    random: seededRandom(1),
  })
  const bob = new UserAgent({
    ...parts,
    transport: network.open(BOB),
    random: seededRandom(2),
    onCall: (call) => {
      incoming = call
      call.listen((event) => {
        heard.bob.push(event)
        react(event)
      })
      bobDoes(call)
    },
  })
  const options = { to: 'sip:bob@10.0.0.2', via: BOB, from: 'sip:alice@10.0.0.1', sdp: 'v=0' }
  const call = alice.call(options, (event) => {
    heard.alice.push(event)
    react(event)
  })
  const finish = async (): Promise<void> => {
    await clock.advance(300_000)
    const left = [alice.transactions, alice.dialogs, bob.transactions, bob.dialogs, clock.pending()]
    expect(left).toEqual([0, 0, 0, 0, 0])
  }
  return { clock, loss, heard, call, incoming: () => incoming!, finish }
}

/** What may come or not, or overtake something, says nothing about the outcome. */
const BY_THE_WAY = ['dialog', 'trying', 'referProgress']

const types = (events: readonly CallEvent[]): string[] =>
  events.map(({ type }) => type).filter((type) => !BY_THE_WAY.includes(type))

const CALL_KINDS = [
  'INVITE',
  '200 INVITE',
  'ACK',
  're-INVITE',
  '200 re-INVITE',
  're-ACK',
  'REFER',
  '202 REFER',
  'NOTIFY',
  '200 NOTIFY',
  'BYE',
  '200 BYE',
]
/** Who changes, transfers and ends the call. */
type Actor = 'caller' | 'callee'

/** Which way a message travels, as seen from the caller. */
function wayOf(kind: string, actor: Actor): 'out' | 'in' {
  const ofCaller = ['INVITE', 'ACK'].includes(kind)
  const ofActor = ['re-INVITE', 're-ACK', 'REFER', 'BYE', '200 NOTIFY'].includes(kind)
  if (ofCaller) return 'out'
  if (kind === '200 INVITE') return 'in'
  return ofActor === (actor === 'caller') ? 'out' : 'in'
}

describe.each<Actor>(['caller', 'callee'])(
  'the %s changes, transfers and ends the call',
  (actor) => {
    it.each(CALL_KINDS)('without the first %s', async (kind) => {
      const b = line(kind, wayOf(kind, actor), (call) => {
        call.ring()
        call.answer('v=0')
      })
      await b.clock.advance(STEP_MS)
      const session = actor === 'caller' ? b.call.session! : b.incoming().session!
      expect(session.reinvite('v=0\r\noffer')).toBe(true)
      await b.clock.advance(STEP_MS)
      expect(session.refer('sip:carol@10.0.0.3')).toBe(true)
      await b.clock.advance(STEP_MS)
      if (actor === 'caller') b.call.hangUp()
      else b.incoming().hangUp()
      await b.clock.advance(STEP_MS)
      const [acting, other] =
        actor === 'caller' ? [b.heard.alice, b.heard.bob] : [b.heard.bob, b.heard.alice]
      const opening = { caller: ['progress', 'answered'], callee: ['answered', 'confirmed'] }
      const [ours, theirs] =
        actor === 'caller' ? [opening.caller, opening.callee] : [opening.callee, opening.caller]
      expect(types(acting)).toEqual([...ours, 'reinvited', 'referAccepted', 'referDone', 'ended'])
      expect(types(other)).toEqual([...theirs, 'reoffer', 'confirmed', 'referRequested', 'ended'])
      expect(b.loss.outcome).toEqual({ lost: true, repeated: true })
      await b.finish()
    })
  },
)

describe('the caller gives up', () => {
  it.each([
    ['CANCEL', 'out'],
    ['200 CANCEL', 'in'],
    ['487 INVITE', 'in'],
  ] as const)('without the first %s', async (kind, way) => {
    const b = line(kind, way, (call) => call.ring())
    await b.clock.advance(STEP_MS)
    b.call.hangUp()
    await b.clock.advance(STEP_MS)
    expect(types(b.heard.alice)).toEqual(['progress', 'failed'])
    expect(b.heard.alice.at(-1)).toMatchObject({ cause: 'cancelled', sipCode: 487 })
    expect(types(b.heard.bob)).toEqual(['cancelled'])
    expect(b.loss.outcome.lost).toBe(true)
    await b.finish()
  })

  it('without the first ACK of its 487', async () => {
    const b = line('refusal ACK', 'out', (call) => call.ring())
    await b.clock.advance(STEP_MS)
    b.call.hangUp()
    await b.clock.advance(STEP_MS)
    expect(types(b.heard.bob)).toEqual(['cancelled'])
    expect(b.loss.outcome).toEqual({ lost: true, repeated: true })
    await b.finish()
  })
})

describe('the callee refuses', () => {
  it.each([
    ['486 INVITE', 'in'],
    ['refusal ACK', 'out'],
  ] as const)('without the first %s', async (kind, way) => {
    const b = line(kind, way, (call) => call.reject(486))
    await b.clock.advance(STEP_MS)
    expect(types(b.heard.alice)).toEqual(['failed'])
    expect(b.heard.alice.at(-1)).toMatchObject({ cause: 'refused', sipCode: 486 })
    expect(b.loss.outcome).toEqual({ lost: true, repeated: true })
    await b.finish()
  })
})
