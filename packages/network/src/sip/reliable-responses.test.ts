// A caller that insists on 100rel: our 18x are numbered, repeated until PRACK, one after the other (RFC 3262).
import { describe, expect, it } from 'vitest'
import type { CallEvent } from './call-event.ts'
import type { Field } from './compose.ts'
import type { IncomingCall } from './incoming-call.ts'
import { ALICE, BOB, SipWorld, only, sdp, types } from './testing.ts'

async function called(onCall: (call: IncomingCall) => void, more: { offer?: boolean } = {}) {
  const w = new SipWorld()
  const heard: CallEvent[] = []
  let incoming: IncomingCall | null = null
  const alice = w.agent(ALICE, (call) => {
    incoming = call
    call.listen((event) => heard.push(event))
    onCall(call)
  })
  const peer = w.peer(BOB, (request, self) => {
    if (request.method !== 'ACK') self.reply(request, 200)
  })
  const head = (method: string, cseq: number, fields: readonly Field[], body: string): string =>
    [
      `${method} sip:a@10.0.0.1 SIP/2.0`,
      `Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK${method}${cseq}`,
      'From: <sip:bob@10.0.0.2>;tag=b',
      `To: <sip:a@10.0.0.1>${method === 'INVITE' ? '' : `;tag=${incoming!.localTag}`}`,
      'Call-ID: c',
      `CSeq: ${cseq} ${method}`,
      'Contact: <sip:bob@10.0.0.2:5060>',
      ...fields.map(([name, value]) => `${name}: ${value}`),
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      '',
      body,
    ].join('\r\n')
  const offer = more.offer === false ? '' : sdp('offer')
  peer.raw(head('INVITE', 1, [['Require', '100rel']], offer))
  await w.clock.advance(30)
  const ask = async (method: string, cseq: number, fields: Field[] = [], body = '') => {
    peer.raw(head(method, cseq, fields, body))
    await w.clock.advance(30)
  }
  /** RSeq of the latest reliable response. */
  const rseq = (): number =>
    Number(/RSeq: (\d+)/.exec(w.seen(/^SIP\/2.0 1[^]*RSeq/).at(-1) ?? '')?.[1])
  const prack = (cseq: number, body = ''): Promise<void> =>
    ask('PRACK', cseq, [['RAck', `${rseq()} 1 INVITE`]], body)
  const finals = (): string[] =>
    w.seen(/^SIP\/2.0 [2-6][^]*CSeq: 1 INVITE/).map((text) => text.slice(8, 11))
  return { w, alice, peer, heard, ask, prack, rseq, finals, incoming: incoming! }
}

describe('a reliable 180', () => {
  it('is repeated with doubled gaps until its PRACK', async () => {
    const p = await called((call) => call.ring())
    await p.w.clock.advance(4000)
    const times = p.w.times(/^SIP\/2.0 180/)
    const gaps = times.slice(1).map((atMs, i) => Math.round(atMs - times[i]!))
    expect(gaps).toEqual([500, 1000, 2000])
    await p.prack(2)
    expect(p.peer.responses.at(-1)).toBe('200 PRACK')
    await p.w.clock.advance(10_000)
    expect(p.w.times(/^SIP\/2.0 180/).length).toBe(4)
    p.incoming.reject(486)
    await p.w.settle()
  })

  it('that nobody acknowledges ends the call with 504', async () => {
    const p = await called((call) => call.ring())
    await p.w.clock.advance(33_000)
    expect(p.finals()[0]).toBe('504')
    await p.w.settle()
  })

  it('takes no PRACK for something else', async () => {
    const p = await called((call) => call.ring())
    await p.ask('PRACK', 2, [['RAck', `${p.rseq() + 1} 1 INVITE`]])
    expect(p.peer.responses.at(-1)).toBe('481 PRACK')
    await p.prack(3)
    expect(p.peer.responses.at(-1)).toBe('200 PRACK')
    await p.prack(4)
    expect(p.peer.responses.at(-1)).toBe('481 PRACK')
    p.incoming.reject(486)
    await p.w.settle()
  })
})

it('the next response waits for the PRACK of the one before, and the answer for both', async () => {
  const p = await called((call) => {
    call.ring()
    call.ring(183, sdp('early'))
    call.answer(sdp('early'))
  })
  expect(p.w.seen(/^SIP\/2.0 183/).length).toBe(0)
  const first = p.rseq()
  await p.prack(2)
  expect(p.rseq()).toBe(first + 1)
  expect(p.finals()).toEqual([])
  await p.prack(3)
  expect(p.finals()).toEqual(['200'])
  // The description was settled by the 183.
  expect(p.w.seen(/^SIP\/2.0 200[^]*CSeq: 1 INVITE/)[0]!.split('\r\n\r\n')[1]).toBe('')
  await p.ask('ACK', 1)
  expect(types(p.heard)).toEqual(['answered', 'confirmed'])
  p.incoming.hangUp()
  await p.w.settle()
})

it('an UPDATE changes the early media; the answer then brings no description', async () => {
  const p = await called((call) => call.ring(183, sdp('early')))
  await p.ask('UPDATE', 2, [], sdp('changed'))
  only(p.heard, 'reoffer')[0]!.answer(sdp('as you like'))
  await p.prack(3)
  await p.w.clock.advance(30)
  expect(p.peer.responses).toContain('200 UPDATE')
  p.incoming.answer(sdp('ignored'))
  await p.w.clock.advance(30)
  expect(only(p.heard, 'answered')).toMatchObject([{ sdp: sdp('changed') }])
  await p.ask('ACK', 1)
  p.incoming.hangUp()
  await p.w.settle()
})

it('an UPDATE with an offer before any answer of ours: 500 and a time to come again', async () => {
  const p = await called((call) => call.ring())
  await p.ask('UPDATE', 2, [], sdp('changed'))
  expect(p.w.seen(/^SIP\/2.0 500[^]*Retry-After: \d+\r\n/).length).toBe(1)
  await p.ask('UPDATE', 3)
  expect(p.peer.responses.at(-1)).toBe('200 UPDATE')
  p.incoming.reject(486)
  await p.w.settle()
})

it('our offer goes out reliably, and its answer comes in the PRACK', async () => {
  const p = await called(
    (call) => {
      call.ring()
      call.ring(183, sdp('our offer'))
    },
    { offer: false },
  )
  // A 180 without a description may not go first: the first reliable response has to bring the offer.
  expect(p.w.seen(/^SIP\/2.0 180/).length).toBe(0)
  await p.prack(2, sdp('their answer'))
  expect(only(p.heard, 'reinvited')).toMatchObject([{ sdp: sdp('their answer') }])
  p.incoming.answer(sdp('our offer'))
  await p.w.clock.advance(30)
  await p.ask('ACK', 1)
  expect(types(p.heard)).toEqual(['reinvited', 'answered', 'confirmed'])
  p.incoming.hangUp()
  await p.w.settle()
})

it('an offer in the PRACK is answered in its 200', async () => {
  const p = await called((call) => call.ring(183, sdp('early')))
  await p.prack(2, sdp('another'))
  only(p.heard, 'reoffer')[0]!.answer(sdp('yes'))
  await p.w.clock.advance(30)
  expect(p.w.seen(/^SIP\/2.0 200[^]*PRACK[^]*s=yes/).length).toBe(1)
  p.incoming.reject(486)
  await p.w.settle()
})

it('CANCEL ends it while a response is still repeated', async () => {
  const p = await called((call) => call.ring())
  p.peer.raw(
    'CANCEL sip:a@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKINVITE1\r\nFrom: <sip:bob@10.0.0.2>;tag=b\r\nTo: <sip:a@10.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 CANCEL\r\n\r\n',
  )
  await p.w.clock.advance(30)
  expect(types(p.heard)).toEqual(['cancelled'])
  await p.w.settle()
})

it('a caller that merely supports 100rel gets plain responses', async () => {
  const w = new SipWorld()
  w.agent(BOB, (call) => {
    call.ring()
    call.answer(sdp('answer'))
  })
  const { call } = w.dial(w.agent(ALICE))
  await w.clock.advance(100)
  expect(w.seen(/RSeq/)).toEqual([])
  expect(w.seen(/^PRACK/)).toEqual([])
  call.hangUp()
  await w.settle()
})
