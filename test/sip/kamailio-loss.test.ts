// A lost first packet of every kind between us and Kamailio, on real sockets: each call comes out as if nothing was lost.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import { Agent, answering, side } from './agent.ts'
import type { OutgoingCall } from '../../packages/network/src/sip/outgoing-call.ts'
import { FirstLoss } from './first-loss.ts'
import { Kamailio, kamailioMissing } from './kamailio.ts'
import { havePeer } from '../peers.ts'

const ready = havePeer('test/sip/kamailio-loss.test.ts', kamailioMissing)
const CREDENTIALS = { username: 'agent', password: 'right' }

describe.skipIf(!ready)('between us and Kamailio', () => {
  let phone: Agent
  let carrier: Kamailio
  /** What the phone hears of the call under way. */
  let heard: CallEvent[] = []
  let phoneDone = (): void => {}

  beforeAll(async () => {
    phone = await Agent.open({
      onCall: (call) => {
        heard = []
        if (call.requestUri.startsWith('sip:rings@')) {
          call.listen((event) => void heard.push(event))
          return call.ring()
        }
        answering((event) => {
          heard.push(event)
          if (event.type === 'reoffer') event.answer(side().offer())
          if (event.type === 'referRequested') event.accept()(200)
          if (event.type === 'confirmed' && call.requestUri.startsWith('sip:hangsup@'))
            call.hangUp()
          if (event.type === 'ended') phoneDone()
        })(call)
      },
    })
    const digest = { ...CREDENTIALS, algorithm: 'SHA-256' } as const
    carrier = await Kamailio.start({ relayTo: phone.hop('UDP'), digest })
  })

  afterAll(async () => {
    await carrier.close()
    await phone.close()
  })

  async function callWith(
    loss: FirstLoss,
    user: 'answers' | 'rings' | 'hangsup',
    react: (event: CallEvent, call: OutgoingCall) => void,
    /** Whether the lost message comes again for sure: what Kamailio keeps no state of does not. */
    repeats = true,
  ): Promise<CallEvent[]> {
    const us = await Agent.open({ wrap: (transport) => loss.wrap(transport) })
    const done = new Promise<void>((resolve) => {
      phoneDone = resolve
    })
    const via = carrier.hop('UDP')
    const to = `sip:${user}@${via.address}:${via.port}`
    const events = await us.call({ to, via, credentials: CREDENTIALS }, react)
    if (user !== 'rings') await done
    if (repeats) await loss.repeated
    await us.close()
    expect([us.ua.transactions, us.ua.dialogs]).toEqual([0, 0])
    return events
  }

  it.each([
    ['INVITE', 'out'],
    ['407 INVITE', 'in'],
    ['200 INVITE', 'in'],
    ['ACK', 'out'],
    ['BYE', 'out'],
    ['200 BYE', 'in'],
  ] as const)('a call that we end, without the first %s %s', async (kind, way) => {
    const loss = new FirstLoss(kind, way)
    const events = await callWith(loss, 'answers', (event, call) => {
      if (event.type !== 'answered') return
      // The answer comes again, and its ACK with it, while the call is up.
      if (kind === 'ACK') void loss.repeated.then(() => call.hangUp())
      else call.hangUp()
    })
    expect(events.at(-1)).toMatchObject({ type: 'ended', by: 'local' })
    expect(heard.at(-1)).toMatchObject({ type: 'ended', by: 'remote' })
    expect(loss.outcome.lost).toBe(true)
  })

  it('a call that is challenged, without the ACK of its 407', async () => {
    const loss = new FirstLoss('refusal ACK', 'out')
    const events = await callWith(
      loss,
      'answers',
      (event, call) => {
        if (event.type === 'answered') call.hangUp()
      },
      false,
    )
    expect(events.at(-1)).toMatchObject({ type: 'ended', by: 'local' })
    expect(loss.outcome.lost).toBe(true)
  })

  it.each([
    ['BYE', 'in'],
    ['200 BYE', 'out'],
  ] as const)('a call that the callee ends, without the first %s %s', async (kind, way) => {
    const loss = new FirstLoss(kind, way)
    const events = await callWith(loss, 'hangsup', () => {})
    expect(events.at(-1)).toMatchObject({ type: 'ended', by: 'remote' })
    expect(loss.outcome).toEqual({ lost: true, repeated: true })
  })

  it.each([
    ['CANCEL', 'out'],
    ['200 CANCEL', 'in'],
    ['487 INVITE', 'in'],
  ] as const)('a call that we give up, without the first %s %s', async (kind, way) => {
    const loss = new FirstLoss(kind, way)
    const events = await callWith(loss, 'rings', (event, call) => {
      if (event.type === 'progress') call.hangUp()
    })
    expect(events.at(-1)).toMatchObject({ type: 'failed', cause: 'cancelled', sipCode: 487 })
    expect(heard.map(({ type }) => type)).toEqual(['cancelled'])
    expect(loss.outcome.lost).toBe(true)
  })

  it.each([
    ['re-INVITE', 'out'],
    ['200 re-INVITE', 'in'],
    ['re-ACK', 'out'],
    ['REFER', 'out'],
    ['202 REFER', 'in'],
    ['NOTIFY', 'in'],
    ['200 NOTIFY', 'out'],
  ] as const)('a call that we change and transfer, without the first %s %s', async (kind, way) => {
    const loss = new FirstLoss(kind, way)
    const events = await callWith(loss, 'answers', (event, call) => {
      if (event.type === 'answered') queueMicrotask(() => call.session!.reinvite(side().offer()))
      const transfer = (): void => void call.session!.refer('sip:carol@127.0.0.1:9')
      if (event.type === 'reinvited' && kind === 're-ACK') void loss.repeated.then(transfer)
      else if (event.type === 'reinvited') transfer()
      if (event.type === 'referDone') call.hangUp()
    })
    expect(events.find(({ type }) => type === 'reinvited')).toMatchObject({ sipCode: 200 })
    expect(events.find(({ type }) => type === 'referDone')).toMatchObject({
      outcome: { transferred: true },
    })
    expect(loss.outcome.lost).toBe(true)
  })
})
