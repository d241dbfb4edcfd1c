// Session timers on the wire: who refreshes, how, how long, and what happens when nobody does (RFC 4028).
import { describe, expect, it } from 'vitest'
import type { CallEvent } from './call-event.ts'
import type { Field } from './compose.ts'
import type { IncomingCall } from './incoming-call.ts'
import type { SipRequest } from './message.ts'
import { SESSION_TIMER_TABLE } from './session-timer.ts'
import { ALICE, BOB, SipWorld, only, sdp, types } from './testing.ts'
import type { Dialled, HandDriven } from './testing.ts'

const expires = (value: string): Field => ['session-expires', value]

/** Alice calls a peer that answers INVITEs with those fields, and other requests as `more` does (200 otherwise). */
async function callPeer(
  fields: readonly Field[],
  more: (request: SipRequest, peer: HandDriven) => boolean = () => false,
): Promise<{ w: SipWorld; peer: HandDriven } & Dialled> {
  const w = new SipWorld()
  const alice = w.agent(ALICE)
  const peer = w.peer(BOB, (request, self) => {
    if (request.method === 'ACK' || more(request, self)) return
    self.reply(request, 200, { fields, ...(request.method === 'INVITE' && { sdp: sdp('answer') }) })
  })
  const dialled = w.dial(alice)
  await w.clock.advance(100)
  return { w, peer, ...dialled }
}

describe('a caller', () => {
  it('asks for 1800 s and says that it knows timers', async () => {
    const { w, peer, call } = await callPeer([])
    const { headers } = peer.last('INVITE')
    expect(headers.get('session-expires')).toBe('1800')
    expect(headers.get('min-se')).toBe(null)
    expect(headers.list('supported')).toEqual(['100rel', 'timer'])
    call.hangUp()
    await w.settle()
  })

  it('whose peer wants no timer keeps the call for good', async () => {
    const { w, heard, call } = await callPeer([])
    await w.clock.advance(10_000_000)
    expect(types(heard)).toEqual(['trying', 'answered'])
    call.hangUp()
    await w.settle()
  })

  it('that refreshes sends UPDATE without a description at half time', async () => {
    const { w, peer, call } = await callPeer([expires('100;refresher=uac')], (request, self) => {
      if (request.method !== 'UPDATE') return false
      self.reply(request, 200, { fields: [expires('100;refresher=uac')] })
      return true
    })
    await w.clock.advance(49_000)
    expect(peer.count('UPDATE')).toBe(0)
    await w.clock.advance(2_000)
    expect(peer.last('UPDATE').headers.get('session-expires')).toBe('100;refresher=uac')
    expect(peer.last('UPDATE').body).toBe('')
    await w.clock.advance(500_000)
    expect(peer.count('UPDATE')).toBe(11)
    call.hangUp()
    await w.settle()
  })

  it('sends the same offer by re-INVITE to a peer that takes no UPDATE', async () => {
    const fields = [expires('100;refresher=uac')]
    const w = new SipWorld()
    const alice = w.agent(ALICE)
    const peer = w.peer(BOB, (request, self) => {
      if (request.method === 'ACK') return
      const response = `SIP/2.0 200 OK\r\nVia: ${request.headers.get('via')}\r\nFrom: ${request.headers.get('from')}\r\nTo: <sip:bob@10.0.0.2>;tag=b\r\nCall-ID: ${request.headers.get('call-id')}\r\nCSeq: ${request.headers.get('cseq')}\r\nContact: <sip:bob@10.0.0.2>\r\nAllow: INVITE, ACK, BYE\r\nSession-Expires: ${fields[0]![1]}\r\nContent-Type: application/sdp\r\n\r\n${sdp('answer')}`
      self.raw(response)
    })
    const { call, heard } = w.dial(alice)
    await w.clock.advance(51_000)
    expect(peer.count('INVITE')).toBe(2)
    expect(peer.last('INVITE').body).toBe(sdp('offer'))
    expect(only(heard, 'reinvited')).toEqual([])
    await w.clock.advance(300_000)
    expect(peer.count('INVITE')).toBe(8)
    expect(peer.count('ACK')).toBe(8)
    call.hangUp()
    await w.settle()
  })

  it('follows 422 to the interval that the peer demands', async () => {
    const { w, peer, call, heard } = await callPeer(
      [expires('3600;refresher=uac')],
      (request, self) => {
        const asked = Number(request.headers.get('session-expires') ?? 0)
        if (request.method !== 'INVITE' || asked >= 3600) return false
        self.reply(request, 422, { fields: [['min-se', '3600']] })
        return true
      },
    )
    expect(peer.last('INVITE').headers.get('session-expires')).toBe('3600')
    expect(peer.last('INVITE').headers.get('min-se')).toBe('3600')
    expect(types(heard)).toEqual(['trying', 'answered'])
    call.hangUp()
    await w.settle()
  })

  it('gives up when 422 follows 422 without end', async () => {
    let demand = 2000
    const { w, peer, heard } = await callPeer([], (request, self) => {
      self.reply(request, 422, { fields: [['min-se', String((demand += 100))]] })
      return true
    })
    await w.clock.advance(1000)
    expect(heard.at(-1)).toMatchObject({ type: 'failed', cause: 'refused', sipCode: 422 })
    expect(peer.count('INVITE')).toBe(3)
    await w.settle()
  })

  it('hangs up shortly before the end when the peer, who should, doesn’t refresh', async () => {
    const { w, peer, heard } = await callPeer([expires('90;refresher=uas')])
    await w.clock.advance(59_000)
    expect(peer.count('BYE')).toBe(0)
    await w.clock.advance(2_000)
    expect(peer.last('BYE').headers.get('reason')).toContain('cause=102')
    expect(peer.count('UPDATE') + peer.count('INVITE')).toBe(1)
    expect(heard.at(-1)).toMatchObject({ type: 'ended', by: 'lost' })
    await w.settle()
  })

  it('stays as long as the peer refreshes, by UPDATE or by re-INVITE', async () => {
    const { w, peer, call, heard } = await callPeer([expires('90;refresher=uas')])
    const invite = peer.last('INVITE')
    const fields: Field[] = [['supported', 'timer'], expires('90;refresher=uac')]
    for (let i = 0; i < 10; i++) {
      await w.clock.advance(45_000)
      peer.ask(invite, 'UPDATE', i + 1, { fields })
    }
    await w.clock.advance(100)
    expect(peer.responses).toEqual(Array(10).fill('200 UPDATE'))
    expect(w.seen(/^SIP\/2.0 200[^]*CSeq: \d+ UPDATE/)[0]).toContain(
      'Session-Expires: 90;refresher=uac',
    )
    expect(types(heard)).not.toContain('ended')
    call.hangUp()
    await w.settle()
  })

  it.each([
    [408, 'lost'],
    [481, 'lost'],
  ])('whose refresh is answered with %i ends the call', async (status) => {
    const { w, peer, heard } = await callPeer([expires('100;refresher=uac')], (request, self) => {
      if (request.method !== 'UPDATE') return false
      self.reply(request, status)
      return true
    })
    await w.clock.advance(51_000)
    expect(heard.at(-1)).toMatchObject({ type: 'ended', by: 'lost' })
    expect(peer.count('BYE')).toBe(1)
    await w.settle()
  })

  it('tries a refresh again that failed for the moment', async () => {
    let refusals = 2
    const { w, peer, call, heard } = await callPeer(
      [expires('100;refresher=uac')],
      (request, self) => {
        if (request.method !== 'UPDATE' || refusals-- <= 0) return false
        self.reply(request, 500, { fields: [['retry-after', '1']] })
        return true
      },
    )
    await w.clock.advance(60_000)
    expect(peer.count('UPDATE')).toBe(3)
    expect(types(heard)).not.toContain('ended')
    call.hangUp()
    await w.settle()
  })

  it('changes to re-INVITE when UPDATE is not taken after all', async () => {
    const { w, peer, call, heard } = await callPeer(
      [expires('100;refresher=uac')],
      (request, self) => {
        if (request.method !== 'UPDATE') return false
        self.send({
          kind: 'response',
          status: 405,
          reason: 'no',
          headers: request.headers.setAll('to', ['<sip:bob@10.0.0.2>;tag=b']),
          body: '',
        })
        return true
      },
    )
    await w.clock.advance(60_000)
    expect(peer.count('UPDATE')).toBe(1)
    expect(peer.count('INVITE')).toBe(2)
    expect(types(heard)).not.toContain('ended')
    call.hangUp()
    await w.settle()
  })
})

describe('a callee', () => {
  /** A peer calls alice by hand. */
  async function callAlice(fields: readonly Field[], answer = true) {
    const w = new SipWorld()
    const heard: CallEvent[] = []
    let incoming: IncomingCall | null = null
    w.agent(ALICE, (call) => {
      incoming = call
      call.listen((event) => heard.push(event))
      if (answer) call.answer(sdp('answer'))
    })
    const peer = w.peer(BOB, (request, self) => self.reply(request, 200))
    const head = (method: string, to: string): string =>
      `${method} sip:a@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKx${method}\r\nFrom: <sip:bob@10.0.0.2>;tag=b\r\nTo: ${to}\r\nCall-ID: c\r\nCSeq: 1 ${method}\r\nContact: <sip:bob@10.0.0.2:5060>\r\n`
    const more = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    peer.raw(
      `${head('INVITE', '<sip:a@10.0.0.1>')}${more}Allow: INVITE, BYE, UPDATE\r\nContent-Type: application/sdp\r\n\r\n${sdp('offer')}`,
    )
    await w.clock.advance(50)
    const final = w.seen(/^SIP\/2.0 [2-6][^]*INVITE/)[0] ?? ''
    const to = /^To: (.*)$/m.exec(final)?.[1] ?? ''
    if (final.startsWith('SIP/2.0 200')) peer.raw(`${head('ACK', to.trim())}\r\n`)
    await w.clock.advance(50)
    return { w, peer, heard, final, incoming: () => incoming! }
  }

  it('refuses too short an interval with 422 and says what it takes', async () => {
    const { w, final, heard } = await callAlice([['supported', 'timer'], expires('60')])
    expect(final).toMatch(/^SIP\/2.0 422 Session Interval Too Small/)
    expect(final).toContain('Min-SE: 90')
    expect(heard).toEqual([])
    await w.settle()
  })

  it('lets a peer that knows timers refresh, and requires it', async () => {
    const { w, final, peer } = await callAlice([['supported', 'timer'], expires('300')])
    expect(final).toContain('Session-Expires: 300;refresher=uac')
    expect(final).toContain('Require: timer')
    await w.clock.advance(150_000)
    expect(peer.count('UPDATE')).toBe(0)
    await w.clock.advance(119_000)
    expect(peer.count('BYE')).toBe(1)
    await w.settle()
  })

  it('takes the part that the peer gives it', async () => {
    const { w, final, peer, incoming } = await callAlice([
      ['supported', 'timer'],
      expires('300;refresher=uas'),
    ])
    expect(final).toContain('Session-Expires: 300;refresher=uas')
    await w.clock.advance(150_000)
    expect(peer.count('UPDATE')).toBe(1)
    incoming().hangUp()
    await w.settle()
  })

  it('refreshes by itself where a proxy asked and the peer knows nothing of it', async () => {
    const { w, final, peer, incoming } = await callAlice([expires('300')])
    expect(final).toContain('Session-Expires: 300;refresher=uas')
    expect(final).not.toContain('Require: timer')
    await w.clock.advance(150_000)
    expect(peer.count('UPDATE')).toBe(1)
    incoming().hangUp()
    await w.settle()
  })

  it('shortens what is longer than ours, not below the least that was asked for', async () => {
    const one = await callAlice([['supported', 'timer'], expires('7200')])
    expect(one.final).toContain('Session-Expires: 1800;')
    const two = await callAlice([['supported', 'timer'], expires('7200'), ['min-se', '3600']])
    expect(two.final).toContain('Session-Expires: 3600;')
    for (const { incoming, w } of [one, two]) {
      incoming().hangUp()
      await w.settle()
    }
  })

  it('runs no timer with a peer that has none', async () => {
    const { w, final, incoming } = await callAlice([])
    expect(final).not.toContain('Session-Expires')
    incoming().hangUp()
    await w.settle()
  })
})

it('two of ours refresh for hours, and never both', async () => {
  const w = new SipWorld()
  const alice = w.agent(ALICE)
  const bobHeard: CallEvent[] = []
  w.agent(BOB, (call) => {
    call.listen((event) => bobHeard.push(event))
    call.answer(sdp('answer'))
  })
  const { call, heard } = w.dial(alice)
  await w.clock.advance(6 * 3600_000)
  const refreshes = w.wire.filter(({ text }) => text.startsWith('UPDATE'))
  expect(refreshes.length).toBe(24 - 1)
  expect(new Set(refreshes.map(({ from }) => from)).size).toBe(1)
  expect(types([...heard, ...bobHeard])).not.toContain('ended')
  call.hangUp()
  await w.settle()
})

it('every state of the table is reached from the first', () => {
  const reached = new Set(['asleep'])
  for (const state of reached) {
    const row = SESSION_TIMER_TABLE[state as keyof typeof SESSION_TIMER_TABLE]
    for (const cell of Object.values(row)) if (typeof cell !== 'string') reached.add(cell[0])
  }
  expect([...reached].toSorted()).toEqual(Object.keys(SESSION_TIMER_TABLE).toSorted())
})
