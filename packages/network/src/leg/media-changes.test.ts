// What signalling does to a leg's media: early media and forks, hold and resume, late offers, changes, keys by INFO.
import { seededRandom } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import type { CallEvent } from '../sip/call-event.ts'
import { composeResponse } from '../sip/compose.ts'
import { digitOfInfo } from '../sip/dtmf-info.ts'
import type { IncomingCall } from '../sip/incoming-call.ts'
import { parseMessage, serialise } from '../sip/message.ts'
import { Negotiation } from '../sip/negotiation.ts'
import type { Codec } from '../sip/sdp.ts'
import { CARRIER_A, CARRIER_B, PHONE, TALK, answerTo, last, trunk, world } from '../testing-node.ts'
import type { World } from '../testing-node.ts'

/** What the media of `call_1` was told after it was opened: connections and digits. */
function told(w: World): unknown[] {
  return w.media.commands.flatMap((command) => {
    if (command.type === 'digit') return [command.digit]
    if (command.type !== 'connect') return []
    const { remote, codec, direction } = command.agreement
    return [`${command.early ? 'early ' : ''}${remote.port} ${codec} ${direction}`]
  })
}

async function inCall() {
  const w = await world()
  const heard: CallEvent[] = []
  let phone: IncomingCall | null = null
  w.agent(PHONE, (call) => {
    phone = call
    call.listen((event) => heard.push(event))
    call.answer(answerTo(call, w.clock))
  })
  w.dial()
  await w.clock.advance(100)
  const { session } = phone! as IncomingCall
  const side = (port = 20_000, codecs: readonly Codec[] = ['PCMA']): Negotiation =>
    new Negotiation({ address: '127.0.0.1', port, codecs, random: seededRandom(port) })
  const offer = async (sdp: string, how: 'reinvite' | 'update' = 'reinvite'): Promise<void> => {
    expect(session![how](sdp)).toBe(true)
    await w.clock.advance(100)
  }
  const over = async (): Promise<void> => {
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  }
  return { w, heard, session: session!, side, offer, over }
}

describe('before the answer', () => {
  it('early media is connected for listening only, and the answer connects anew', async () => {
    const w = await world()
    w.agent(PHONE, (call) => {
      call.ring(183, answerTo(call, w.clock))
      w.clock.schedule(2000, () => call.answer(answerTo(call, w.clock)))
    })
    w.dial()
    await w.clock.advance(1000)
    expect(w.types()).toEqual(['accepted', 'ringing'])
    expect(told(w)).toEqual(['early 20000 PCMA sendrecv'])
    await w.clock.advance(2000)
    expect(w.types().slice(2)).toEqual(['answered'])
    expect(told(w)).toEqual(['early 20000 PCMA sendrecv', '20000 PCMA sendrecv'])
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })

  it('a caller that insists on reliable ringing is rung, and answered after its PRACK', async () => {
    const w = await world([trunk('a', CARRIER_A)])
    const carrier = w.agent(CARRIER_A, () => {})
    const side = new Negotiation({
      address: '127.0.0.1',
      port: 21_000,
      codecs: ['PCMU'],
      random: seededRandom(1),
    })
    const call = carrier.call(
      {
        to: 'sip:+15555550001@127.0.0.1:5060',
        via: { address: '127.0.0.1', port: 5060, protocol: 'UDP', serverName: null },
        from: 'sip:+15555550123@127.0.0.1',
        sdp: side.offer(),
        fields: [['require', '100rel']],
      },
      () => {},
    )
    await w.clock.advance(100)
    const incoming = last(w)
    w.node.post({ type: 'answer', callId: incoming.callId, talk: TALK, recordTo: null })
    await w.clock.advance(100)
    expect(told(w)).toEqual(['21000 PCMU sendrecv'])
    call.hangUp()
    await w.finish()
  })
})

describe('a carrier that says 302', () => {
  /** Carrier A sends every call on to the same number at carrier B. */
  async function redirected(followRedirects: number, redirectHosts: readonly string[]) {
    const w = await world([
      trunk('a', CARRIER_A, { prefixes: ['+1'], followRedirects, redirectHosts }),
    ])
    const transport = w.open(CARRIER_A)
    transport.receive((data, from) => {
      const message = parseMessage(data)
      if (!message.ok || message.value.kind !== 'request' || message.value.method === 'ACK') return
      const fields = [['contact', `<sip:+15555550123@127.0.0.1:${CARRIER_B.port}>`]] as const
      const moved = composeResponse(message.value, 302, { toTag: 'a', fields })
      transport.send(serialise(moved), from, () => {})
    })
    w.agent(CARRIER_B, (call) => call.answer(answerTo(call, w.clock)))
    w.dial({ environment: 'live' })
    await w.clock.advance(500)
    return w
  }

  it('is followed where its trunk lets us', async () => {
    const w = await redirected(1, ['127.0.0.1'])
    expect(w.types()).toEqual(['accepted', 'answered'])
    expect(told(w)).toEqual(['20000 PCMA sendrecv'])
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })

  it('has refused the call where its trunk doesn’t', async () => {
    const w = await redirected(0, ['127.0.0.1'])
    expect(w.events).toMatchObject([{ type: 'ended', cause: 'carrier_refused', sipCode: 302 }])
    await w.finish()
  })
})

describe('in a call', () => {
  it.each([
    ['sendonly', 'a=sendrecv', 'a=sendonly', 'recvonly'],
    ['inactive', 'a=sendrecv', 'a=inactive', 'inactive'],
    ['an address of 0.0.0.0', 'c=IN IP4 127.0.0.1', 'c=IN IP4 0.0.0.0', 'recvonly'],
  ])('hold by %s, and resume', async (_, from, to, direction) => {
    const p = await inCall()
    const side = p.side()
    await p.offer(side.offer().replace(from, to))
    await p.offer(side.offer(), 'update')
    expect(told(p.w).slice(1)).toEqual([`20000 PCMA ${direction}`, '20000 PCMA sendrecv'])
    await p.over()
  })

  it.each(['reinvite', 'update'] as const)('codec and port change by %s', async (how) => {
    const p = await inCall()
    await p.offer(p.side(22_000, ['PCMU']).offer(), how)
    expect(told(p.w)).toEqual(['20000 PCMA sendrecv', '22000 PCMU sendrecv'])
    await p.over()
  })

  it('an offer that we can’t take is refused with 488, and the old session goes on', async () => {
    const p = await inCall()
    await p.offer(p.side(22_000).offer().replaceAll('PCMA', 'G729').replaceAll(/\b8\b/g, '18'))
    expect(p.heard.at(-1)).toMatchObject({ type: 'reinvited', sdp: null, sipCode: 488 })
    expect(told(p.w)).toEqual(['20000 PCMA sendrecv'])
    p.session.info({ type: 'application/dtmf-relay', text: 'Signal=5\r\nDuration=100\r\n' })
    await p.w.clock.advance(100)
    expect(told(p.w).at(-1)).toBe('5')
    await p.over()
  })

  it('keys come by INFO; other INFOs are none', async () => {
    const p = await inCall()
    p.session.info({ type: 'application/dtmf-relay', text: 'Signal=11\r\nDuration=100\r\n' })
    p.session.info({ type: 'application/dtmf', text: '7' })
    p.session.info({ type: 'application/media_control+xml', text: '<media_control/>' })
    await p.w.clock.advance(100)
    expect(told(p.w).slice(1)).toEqual(['#', '7'])
    await p.over()
  })

  it('keys go by INFO over a trunk that wants them so, and no events are agreed on', async () => {
    const w = await world([trunk('a', CARRIER_A, { prefixes: ['+1'], dtmf: 'info' })])
    const heard: string[] = []
    w.agent(CARRIER_A, (call) => {
      expect(call.sdp).not.toContain('telephone-event')
      call.listen((event) => {
        if (event.type === 'info') heard.push(digitOfInfo(event.contentType, event.body) ?? '')
      })
      call.answer(answerTo(call, w.clock))
    })
    w.dial({ environment: 'live' })
    await w.clock.advance(100)
    const connected = w.media.commands.find((command) => command.type === 'connect')
    expect(connected).toMatchObject({
      agreement: { digitsBy: 'signalling', dtmfPayloadType: null },
    })
    w.media.tell({ type: 'signalDigits', legId: 'call_1', digits: '4#' })
    await w.clock.advance(1000)
    expect(heard).toEqual(['4', '#'])
    expect(w.media.commands.at(-1)).toEqual({ type: 'digitsSignalled', legId: 'call_1' })
    w.node.post({ type: 'hangUp', callId: 'call_1' })
    await w.finish()
  })

  it('a BYE tells why: its Reason is kept', async () => {
    const p = await inCall()
    p.session.bye(31)
    await p.w.clock.advance(100)
    expect(last(p.w)).toMatchObject({ type: 'ended', cause: 'peer_hangup', q850Cause: 31 })
    await p.w.finish()
  })
})
