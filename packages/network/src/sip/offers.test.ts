// Media that changes in a call: hold and resume, late offers, UPDATE, refusals, glare; and 2xx that come again.
import { describe, expect, it } from 'vitest'
import type { CallEvent } from './call-event.ts'
import type { IncomingCall } from './incoming-call.ts'
import { MAX_GLARE_TRIES } from './offer-exchange.ts'
import { ALICE, BOB, SipWorld, only, sdp, types } from './testing.ts'
import type { HandDriven } from './testing.ts'
import type { SipRequest } from './message.ts'
import type { UserAgentOptions } from './user-agent.ts'

const answering = (event: CallEvent): void => {
  if (event.type === 'reoffer') event.answer(sdp('answer'))
}

/** Alice and bob, both ours, in a call. */
async function connected(
  onAlice: (event: CallEvent) => void = () => {},
  onBob: (event: CallEvent) => void = () => {},
) {
  const w = new SipWorld()
  const alice = w.agent(ALICE)
  const bobHeard: CallEvent[] = []
  let bob: IncomingCall | null = null
  w.agent(BOB, (call) => {
    bob = call
    call.listen((event) => {
      bobHeard.push(event)
      onBob(event)
    })
    call.answer(sdp('first answer'))
  })
  const dialled = w.dial(alice, {}, onAlice)
  await w.clock.advance(100)
  return { w, ...dialled, bobHeard, bob: bob! as IncomingCall }
}

/** Alice in a call with a peer that `onRequest` drives; what it leaves is answered with 200. */
async function withPeer(onRequest: (request: SipRequest, peer: HandDriven) => boolean) {
  const w = new SipWorld()
  const peer = w.peer(BOB, (request, self) => {
    if (request.method === 'ACK' || onRequest(request, self)) return
    self.reply(request, 200, request.method === 'INVITE' ? { sdp: sdp('answer') } : {})
  })
  const dialled = w.dial(w.agent(ALICE), { credentials: { username: 'a', password: 'p' } })
  await w.clock.advance(50)
  return { w, peer, ...dialled, session: dialled.call.session! }
}

/** Bob is ours, and called by a peer that `onRequest` drives. */
async function calledByPeer(
  onRequest: (request: SipRequest, peer: HandDriven) => void,
  more: Partial<UserAgentOptions> = {},
) {
  const w = new SipWorld()
  const peer = w.peer(ALICE, onRequest, BOB)
  let bob: IncomingCall | null = null
  const answer = (call: IncomingCall): void => {
    bob = call
    call.answer(sdp('answer'))
  }
  w.agent(BOB, answer, more)
  const head = (method: string, to: string): string =>
    `${method} sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK${method}\r\nFrom: <sip:a@10.0.0.1>;tag=a\r\nTo: ${to}\r\nCall-ID: c\r\nCSeq: 1 ${method}\r\nContact: <sip:a@10.0.0.1>\r\n`
  const offer = `Content-Type: application/sdp\r\n\r\n${sdp('offer')}`
  peer.raw(head('INVITE', '<sip:b@10.0.0.2>') + offer)
  await w.clock.advance(30)
  peer.raw(`${head('ACK', /^To: (.*)\r$/m.exec(w.seen(/^SIP\/2.0 200/)[0]!)![1]!)}\r\n`)
  await w.clock.advance(30)
  return { w, peer, bob: bob! as IncomingCall }
}

describe('an offer in a call', () => {
  it.each(['reinvite', 'update'] as const)('by %s is answered, by either side', async (how) => {
    const p = await connected(answering, answering)
    expect(p.call.session![how](sdp('hold'))).toBe(true)
    await p.w.clock.advance(100)
    expect(p.bob.session![how](sdp('resume'))).toBe(true)
    await p.w.clock.advance(100)
    const came = { type: 'reinvited', sdp: sdp('answer'), sipCode: 200 }
    expect(p.heard).toContainEqual(came)
    expect(p.bobHeard).toContainEqual(came)
    expect(only(p.bobHeard, 'reoffer')[0]!.sdp).toBe(sdp('hold'))
    expect(only(p.heard, 'reoffer')[0]!.sdp).toBe(sdp('resume'))
    p.call.hangUp()
    await p.w.settle()
  })

  it.each(['reinvite', 'update'] as const)('by %s that is refused changes nothing', async (how) => {
    const p = await connected(
      () => {},
      (event) => {
        if (event.type === 'reoffer') event.refuse(488)
      },
    )
    p.call.session![how](sdp('odd'))
    await p.w.clock.advance(100)
    expect(only(p.heard, 'reinvited')).toMatchObject([{ sdp: null, sipCode: 488 }])
    expect(types(p.heard)).not.toContain('ended')
    // What a refresh would offer is still what was agreed on.
    expect(p.call.session!.exchange.ready).toBe(true)
    p.call.hangUp()
    await p.w.settle()
  })

  it('is made one at a time', async () => {
    const p = await connected(() => {}, answering)
    expect(p.call.session!.reinvite(sdp('one'))).toBe(true)
    expect(p.call.session!.reinvite(sdp('two'))).toBe(false)
    expect(p.call.session!.update(sdp('three'))).toBe(false)
    await p.w.clock.advance(100)
    expect(p.call.session!.update(sdp('three'))).toBe(true)
    await p.w.clock.advance(100)
    p.call.hangUp()
    await p.w.settle()
  })

  it('while the peer’s is considered: 500 and a time to come again', async () => {
    const p = await withPeer(() => false)
    const invite = p.peer.last('INVITE')
    p.peer.ask(invite, 'UPDATE', 1, { sdp: sdp('one') })
    p.peer.ask(invite, 'UPDATE', 2, { sdp: sdp('two') })
    p.peer.ask(invite, 'INVITE', 3, { sdp: sdp('three') })
    await p.w.clock.advance(50)
    expect(p.peer.responses.filter((text) => text.startsWith('500'))).toEqual([
      '500 UPDATE',
      '500 INVITE',
    ])
    expect(p.w.seen(/^SIP\/2.0 500[^]*Retry-After: \d+\r\n/).length).toBe(2)
    only(p.heard, 'reoffer')[0]!.answer(sdp('yes'))
    await p.w.clock.advance(50)
    expect(p.peer.responses.at(-1)).toBe('200 UPDATE')
    p.call.hangUp()
    await p.w.settle()
  })
})

describe('an INVITE in a call', () => {
  it('is taken for the ACK that was lost', async () => {
    let lose = 1
    const w = new SipWorld(({ text }) => text.startsWith('ACK') && lose-- > 0)
    const bobHeard: CallEvent[] = []
    w.agent(BOB, (call) => {
      call.listen((event) => {
        bobHeard.push(event)
        answering(event)
      })
      call.answer(sdp('first answer'))
    })
    const { call, heard } = w.dial(w.agent(ALICE))
    await w.clock.advance(100)
    call.session!.reinvite(sdp('hold'))
    await w.clock.advance(100)
    expect(only(heard, 'reinvited')).toMatchObject([{ sipCode: 200 }])
    expect(types(bobHeard)).toEqual(['answered', 'confirmed', 'reoffer', 'confirmed'])
    call.hangUp()
    await w.settle()
  })

  it('that is refused with 500 for the moment is made again in its time', async () => {
    let refusals = 0
    const p = await withPeer((request, self) => {
      if (request.method !== 'INVITE' || refusals-- <= 0) return false
      self.reply(request, 500, { fields: [['retry-after', '7']] })
      return true
    })
    refusals = 1
    p.session.reinvite(sdp('hold'))
    await p.w.clock.advance(6900)
    expect(p.peer.count('INVITE')).toBe(2)
    await p.w.clock.advance(200)
    expect(only(p.heard, 'reinvited')).toMatchObject([{ sipCode: 200 }])
    p.call.hangUp()
    await p.w.settle()
  })
})

describe('a late offer', () => {
  it('is ours in the 200, and its answer comes in the ACK', async () => {
    const p = await withPeer(() => false)
    const invite = p.peer.last('INVITE')
    p.peer.ask(invite, 'INVITE', 1)
    await p.w.clock.advance(50)
    const [reoffer] = only(p.heard, 'reoffer')
    expect(reoffer!.sdp).toBe(null)
    reoffer!.answer(sdp('our offer'))
    await p.w.clock.advance(50)
    // The peer may not offer before it has answered.
    p.peer.ask(invite, 'UPDATE', 2, { sdp: sdp('crossing') })
    await p.w.clock.advance(50)
    expect(p.peer.responses.at(-1)).toBe('491 UPDATE')
    p.peer.ask(invite, 'ACK', 1, { sdp: sdp('their answer') })
    await p.w.clock.advance(50)
    expect(only(p.heard, 'confirmed')).toMatchObject([{ sdp: sdp('their answer') }])
    expect(p.call.session!.reinvite(sdp('next'))).toBe(true)
    p.call.hangUp()
    await p.w.settle()
  })
})

describe('glare', () => {
  it('of a peer that always has an offer of its own: tried again, and given up', async () => {
    const p = await withPeer((request, self) => {
      if (request.method !== 'UPDATE') return false
      self.reply(request, 491)
      return true
    })
    p.session.update(sdp('ours'))
    await p.w.clock.advance(60_000)
    const times = p.w.times(/^UPDATE/)
    expect(times.length).toBe(MAX_GLARE_TRIES + 1)
    for (let i = 1; i < times.length; i++) {
      const gapMs = times[i]! - times[i - 1]! - 20
      expect(gapMs).toBeGreaterThanOrEqual(2100)
      expect(gapMs).toBeLessThanOrEqual(4000)
      expect(Math.round(gapMs) % 10).toBe(0)
    }
    expect(only(p.heard, 'reinvited')).toMatchObject([{ sdp: null, sipCode: 491 }])
    p.call.hangUp()
    await p.w.settle()
  })

  it('of a callee waits for less than 2 s', async () => {
    const p = await calledByPeer((request, self) =>
      self.reply(request, request.method === 'UPDATE' ? 491 : 200),
    )
    expect(p.bob.session!.update(sdp('ours'))).toBe(true)
    await p.w.clock.advance(20_000)
    const times = p.w.times(/^UPDATE/)
    expect(times.length).toBe(MAX_GLARE_TRIES + 1)
    for (let i = 1; i < times.length; i++) {
      expect(times[i]! - times[i - 1]! - 20).toBeLessThanOrEqual(2000)
    }
    p.bob.hangUp()
    await p.w.settle()
  })
})

describe('a 2xx that comes again', () => {
  it('is acknowledged with the ACK of its own INVITE, whichever came last', async () => {
    const p = await withPeer(() => false)
    const first = p.peer.last('INVITE')
    p.session.reinvite(sdp('second'))
    await p.w.clock.advance(50)
    const second = p.peer.last('INVITE')
    const before = p.peer.count('ACK')
    p.peer.reply(second, 200, { sdp: sdp('answer') })
    p.peer.reply(first, 200, { sdp: sdp('answer') })
    await p.w.clock.advance(50)
    const again = p.peer.requests.filter(({ method }) => method === 'ACK').slice(before)
    expect(again.map(({ headers }) => headers.get('cseq'))).toEqual(['2 ACK', '1 ACK'])
    // Long after, when the transactions are gone.
    await p.w.clock.advance(60_000)
    p.peer.reply(first, 200, { sdp: sdp('answer') })
    await p.w.clock.advance(50)
    expect(p.peer.last('ACK').headers.get('cseq')).toBe('1 ACK')
    expect(only(p.heard, 'reinvited').length).toBe(1)
    p.call.hangUp()
    await p.w.settle()
  })
})

describe('challenges in a call', () => {
  it('to a callee of ours are answered with what is known of the caller', async () => {
    const p = await calledByPeer(
      (request, self) => {
        const known = request.headers.get('authorization') !== null
        const fields = [['www-authenticate', 'Digest realm="r", nonce="n", qop="auth"']] as const
        self.reply(request, known ? 200 : 401, known ? {} : { fields })
      },
      { credentialsFor: (_, source) => ({ username: source.address, password: 'p' }) },
    )
    p.bob.hangUp()
    await p.w.clock.advance(100)
    expect(p.peer.last('BYE').headers.get('authorization')).toContain('username="10.0.0.1"')
    expect(p.peer.count('BYE')).toBe(2)
    await p.w.settle()
  })

  it.each(['INVITE', 'UPDATE', 'INFO', 'REFER', 'BYE'])(
    'of %s are answered, and a stale nonce as well',
    async (challenged) => {
      const nonces = ['one', 'two', 'three']
      let open = false
      const p = await withPeer((request, self) => {
        if (!open || request.method !== challenged) return false
        const nonce = nonces.shift()
        if (nonce === undefined) return false
        const stale = nonce === 'one' ? '' : ', stale=true'
        self.reply(request, 401, {
          fields: [
            ['www-authenticate', `Digest realm="r", nonce="${nonce}", qop="auth"${stale}`],
            ['www-authenticate', 'Digest realm="other", nonce="x", algorithm=SHA-256, qop="auth"'],
          ].slice(0, nonce === 'one' ? 2 : 1) as [string, string][],
        })
        return true
      })
      open = true
      if (challenged === 'INVITE') p.session.reinvite(sdp('x'))
      else if (challenged === 'UPDATE') p.session.update(sdp('x'))
      else if (challenged === 'INFO') p.session.info({ type: 'application/dtmf', text: '5' })
      else if (challenged === 'REFER') p.session.refer('sip:c@10.0.0.3')
      else p.call.hangUp()
      await p.w.clock.advance(200)
      const last = p.peer.last(challenged)
      expect(last.headers.all('authorization').length).toBe(2)
      expect(last.headers.get('authorization')).toContain('nonce="three"')
      // What was learned goes with later requests at once.
      if (challenged !== 'BYE') {
        p.call.hangUp()
        await p.w.clock.advance(50)
        expect(p.peer.last('BYE').headers.get('authorization')).toContain('nonce="three"')
      }
      if (challenged === 'INVITE') {
        expect(p.peer.last('ACK').headers.get('authorization')).toContain('nonce="three"')
      }
      await p.w.settle()
    },
  )
})
