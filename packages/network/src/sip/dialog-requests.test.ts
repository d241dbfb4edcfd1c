// Inside a call: hold, glare, REFER and how it comes out, INFO, odd methods, forks and challenges.
import { SimClock, seededRandom, silentLog } from '@saperly/kernel'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { CallEvent, ReferReport } from './call-event.ts'
import { composeResponse } from './compose.ts'
import type { IncomingCall } from './incoming-call.ts'
import { parseMessage, serialise } from './message.ts'
import type { SipRequest } from './message.ts'
import { udpHop } from './hop.ts'
import { SimNetwork } from './sim-network.ts'
import { REFER_GRACE_MS, REFER_SILENCE_MS } from './refer.ts'
import { UserAgent } from './user-agent.ts'
import type { Transport } from './transport.ts'

const ALICE = udpHop({ address: '10.0.0.1', port: 5060 })
const BOB = udpHop({ address: '10.0.0.2', port: 5060 })

function world(): { clock: SimClock; network: SimNetwork; wire: string[] } {
  const clock = new SimClock()
  const wire: string[] = []
  const network = new SimNetwork(clock, 10, ({ text }) => {
    wire.push(text)
    return false
  })
  return { clock, network, wire }
}

async function connected(
  onEvent: (event: CallEvent, call: IncomingCall) => void = () => {},
  onAliceEvent: (event: CallEvent) => void = () => {},
) {
  const { clock, network, wire } = world()
  let incoming: IncomingCall | null = null
  const bobHeard: CallEvent[] = []
  const make = (local: typeof ALICE, seed: number): UserAgent =>
    new UserAgent({
      transport: network.open(local),
      clock,
      random: seededRandom(seed),
      log: silentLog,
      onCall: (call) => {
        incoming = call
        call.listen((event) => {
          bobHeard.push(event)
          onEvent(event, call)
        })
        call.answer('v=0')
      },
    })
  const alice = make(ALICE, 1)
  const bob = make(BOB, 2)
  const heard: CallEvent[] = []
  const call = alice.call(
    { to: 'sip:bob@10.0.0.2', via: BOB, from: 'sip:alice@10.0.0.1', sdp: 'v=0' },
    (event) => {
      heard.push(event)
      onAliceEvent(event)
    },
  )
  await clock.advance(100)
  const settle = async (): Promise<void> => {
    call.hangUp()
    await clock.advance(300_000)
    const left = [alice.transactions, alice.dialogs, bob.transactions, bob.dialogs, clock.pending()]
    expect(left).toEqual([0, 0, 0, 0, 0])
  }
  return { clock, wire, alice, bob, call, incoming: incoming!, heard, bobHeard, settle }
}

const without = (events: readonly CallEvent[], type: string): CallEvent[] =>
  events.filter((event) => event.type !== type)

describe('re-INVITE', () => {
  it('is offered, answered and acknowledged', async () => {
    const p = await connected((event) => {
      if (event.type === 'reoffer') event.answer('v=0\r\nheld')
    })
    expect(p.call.session!.reinvite('v=0\r\nhold')).toBe(true)
    await p.clock.advance(100)
    expect(p.heard.at(-1)).toEqual({ type: 'reinvited', sdp: 'v=0\r\nheld', sipCode: 200 })
    expect(without(p.bobHeard, 'dialog').at(-1)).toMatchObject({ type: 'confirmed' })
    await p.settle()
  })

  it('can be refused, and the call goes on', async () => {
    const p = await connected((event) => {
      if (event.type === 'reoffer') event.refuse(488)
    })
    p.call.session!.reinvite('v=0')
    await p.clock.advance(100)
    expect(p.heard.at(-1)).toMatchObject({ type: 'reinvited', sdp: null, sipCode: 488 })
    await p.settle()
  })

  it('not answered yet is given back with 487 when the call ends', async () => {
    const p = await connected()
    p.call.session!.reinvite('v=0')
    await p.clock.advance(100)
    expect(p.incoming.session!.reinvite('v=0')).toBe(false)
    p.incoming.hangUp()
    await p.clock.advance(100)
    expect(p.wire.some((text) => /^SIP\/2.0 487 [^]*CSeq: 2 INVITE/.test(text))).toBe(true)
    await p.settle()
  })

  it('meets another: both get 491, wait by whose Call-ID it is, and both get through', async () => {
    const answering = (event: CallEvent): void => {
      if (event.type === 'reoffer') event.answer(`${event.sdp} answered`)
    }
    const p = await connected(answering, answering)
    p.call.session!.reinvite('v=0\r\nalice')
    p.incoming.session!.reinvite('v=0\r\nbob')
    await p.clock.advance(2050)
    expect(p.wire.filter((text) => text.startsWith('SIP/2.0 491')).length).toBe(2)
    const came = { type: 'reinvited', sdp: 'v=0\r\nbob answered', sipCode: 200 }
    expect(p.bobHeard).toContainEqual(came)
    expect(p.heard.some(({ type }) => type === 'reinvited')).toBe(false)
    await p.clock.advance(4100)
    expect(p.heard).toContainEqual({ ...came, sdp: 'v=0\r\nalice answered' })
    await p.settle()
  })
})

describe('REFER', () => {
  async function transfer(steps: (report: ReferReport, call: IncomingCall) => void) {
    const p = await connected((event, call) => {
      if (event.type === 'referRequested') steps(event.accept(), call)
    })
    expect(p.call.session!.refer('sip:carol@10.0.0.3')).toBe(true)
    expect(p.call.session!.refer('sip:dave@10.0.0.3')).toBe(false)
    return p
  }
  const outcome = (events: readonly CallEvent[]): unknown =>
    events.flatMap((event) => (event.type === 'referDone' ? [event.outcome] : []))

  it('is followed to the answer of the target', async () => {
    const p = await transfer((report) => {
      report(180)
      report(200)
    })
    await p.clock.advance(100)
    expect(without(p.heard, 'dialog').map(({ type }) => type)).toEqual([
      'trying',
      'answered',
      'referAccepted',
      'referProgress',
      'referProgress',
      'referDone',
    ])
    expect(outcome(p.heard)).toEqual([{ transferred: true, sipCode: 200 }])
    expect(p.bobHeard.find(({ type }) => type === 'referRequested')).toMatchObject({
      target: 'sip:carol@10.0.0.3',
    })
    await p.settle()
  })

  it('fails with the target, and the call goes on', async () => {
    const p = await transfer((report) => report(486))
    await p.clock.advance(100)
    expect(outcome(p.heard)).toMatchObject([{ transferred: false, sipCode: 486 }])
    expect(p.heard.some(({ type }) => type === 'ended')).toBe(false)
    await p.settle()
  })

  it('is declined by a peer that takes none', async () => {
    const p = await connected()
    p.call.session!.refer('sip:carol@10.0.0.3')
    await p.clock.advance(100)
    expect(outcome(p.heard)).toMatchObject([{ transferred: false, sipCode: 603 }])
    await p.settle()
  })

  it('survives a far-end BYE until its report', async () => {
    const p = await transfer((report, call) => {
      call.hangUp()
      report(200)
    })
    await p.clock.advance(REFER_GRACE_MS + 100)
    expect(outcome(p.heard)).toMatchObject([{ transferred: false }])
    expect(p.heard.at(-1)).toMatchObject({ type: 'ended', by: 'remote' })
    await p.settle()
  })

  it('taken in silence fails after 32 s', async () => {
    // A peer that says 202 and nothing else.
    const { clock, network } = world()
    const peer = new SilentTransferPeer(network.open(BOB))
    const alice = new UserAgent({
      transport: network.open(ALICE),
      clock,
      random: seededRandom(1),
      log: silentLog,
    })
    const heard: CallEvent[] = []
    const call = alice.call(
      { to: 'sip:bob@10.0.0.2', via: BOB, from: 'sip:alice@10.0.0.1', sdp: 'v=0' },
      (event) => heard.push(event),
    )
    await clock.advance(100)
    call.session!.refer('sip:carol@10.0.0.3')
    await clock.advance(REFER_SILENCE_MS + 100)
    expect(outcome(heard)).toMatchObject([{ transferred: false, sipCode: null }])
    expect(peer.seen).toContain('REFER')
    call.hangUp()
    await clock.advance(100_000)
    expect([alice.dialogs, alice.transactions, clock.pending()]).toEqual([0, 0, 0])
  })
})

/** Answers everything with 200 (REFER with 202), and never notifies. */
class SilentTransferPeer {
  readonly seen: string[] = []

  constructor(transport: Transport) {
    transport.receive((data, from) => {
      const parsed = parseMessage(data)
      if (!parsed.ok || parsed.value.kind !== 'request') return
      this.seen.push(parsed.value.method)
      if (parsed.value.method === 'ACK') return
      const status = parsed.value.method === 'REFER' ? 202 : 200
      const contact = 'sip:bob@10.0.0.2:5060'
      const reply = composeResponse(parsed.value, status, { toTag: 'b', contact })
      transport.send(serialise(reply), from, () => {})
    })
  }
}

describe('a peer that is driven by hand', () => {
  function byHand(answer: (request: SipRequest, reply: Reply) => void) {
    const { clock, network, wire } = world()
    const transport = network.open(BOB)
    transport.receive((data, from) => {
      const parsed = parseMessage(data)
      if (!parsed.ok || parsed.value.kind !== 'request') return
      const request = parsed.value
      answer(request, (status, toTag, fields = []) => {
        const contact = 'sip:bob@10.0.0.2:5060'
        const reply = composeResponse(request, status, { toTag, contact, fields })
        transport.send(serialise(reply), from, () => {})
      })
    })
    const alice = new UserAgent({
      transport: network.open(ALICE),
      clock,
      random: seededRandom(1),
      log: silentLog,
    })
    const heard: CallEvent[] = []
    const call = alice.call(
      {
        to: 'sip:bob@10.0.0.2',
        via: BOB,
        from: 'sip:alice@10.0.0.1',
        sdp: 'v=0',
        credentials: { username: 'alice', password: 'secret' },
      },
      (event) => heard.push(event),
    )
    const raw = (text: string): void =>
      transport.send(Buffer.from(text.replaceAll('\n', '\r\n')), ALICE, () => {})
    return { clock, alice, call, heard, wire, raw }
  }
  type Reply = (
    status: number,
    toTag: string,
    fields?: readonly (readonly [string, string])[],
  ) => void

  it('forks: the second 200 is acknowledged and ended, the first is the call', async () => {
    const p = byHand((request, reply) => {
      if (request.method === 'INVITE') {
        reply(200, 'one')
        reply(200, 'two')
        reply(200, 'one')
      } else if (request.method === 'BYE') reply(200, 'x')
    })
    await p.clock.advance(1000)
    const first = (pattern: RegExp): string[] => p.wire.filter((text) => pattern.test(text))
    expect(first(/^ACK[^]*tag=one/).length).toBe(2)
    expect(first(/^ACK[^]*tag=two/).length).toBe(1)
    expect(first(/^BYE[^]*tag=two/).length).toBe(1)
    expect(p.heard.map(({ type }) => type)).toEqual(['trying', 'answered'])
    p.call.hangUp()
    await p.clock.advance(100_000)
    expect([p.alice.dialogs, p.alice.transactions, p.clock.pending()]).toEqual([0, 0, 0])
  })

  it('hangs up before it reports a transfer: the report still counts, the bill ends at the BYE', async () => {
    let refer: SipRequest | null = null
    const p = byHand((request, reply) => {
      if (request.method === 'REFER') refer = request
      if (request.method === 'REFER') reply(202, 'b')
      else if (request.method !== 'ACK') reply(200, 'b')
    })
    await p.clock.advance(100)
    p.call.session!.refer('sip:carol@10.0.0.3')
    await p.clock.advance(100)
    const { headers } = refer as unknown as SipRequest
    const inDialog = (method: string, cseq: number, more: string): void =>
      p.raw(
        `${method} sip:a@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK${method}\nFrom: ${headers.get('to')}\nTo: ${headers.get('from')}\nCall-ID: ${headers.get('call-id')}\nCSeq: ${cseq} ${method}\n${more}`,
      )
    inDialog('BYE', 1, '\n')
    await p.clock.advance(100)
    const byeAtMs = p.clock.monotonicMs()
    await p.clock.advance(1000)
    inDialog('NOTIFY', 2, 'Event: refer\nSubscription-State: terminated\n\nSIP/2.0 200 OK\n')
    await p.clock.advance(100)
    const [done, ended] = p.heard.slice(-2)
    expect(done).toMatchObject({ type: 'referDone', outcome: { transferred: true } })
    expect(ended).toMatchObject({ type: 'ended', by: 'remote' })
    expect((ended as { atMs: number }).atMs).toBeLessThan(byeAtMs)
    await p.clock.advance(100_000)
    expect([p.alice.dialogs, p.alice.transactions, p.clock.pending()]).toEqual([0, 0, 0])
  })

  it.each([
    ['MD5', 401, 'www-authenticate', 'authorization', 'md5'],
    ['SHA-256', 407, 'proxy-authenticate', 'proxy-authorization', 'sha256'],
  ])('challenges with %s by %i, in the dialog too', async (name, status, ask, given, hash) => {
    const nonces = ['first', 'second']
    let nonce = ''
    const good: string[] = []
    const p = byHand((request, reply) => {
      if (request.method === 'ACK') return
      const value = request.headers.get(given) ?? ''
      const part = (key: string): string =>
        new RegExp(`[ ,]${key}="?([^",]*)`).exec(value)?.[1] ?? ''
      const digest = (text: string): string => createHash(hash).update(text).digest('hex')
      const expected = digest(
        `${digest('alice:home, sweet:secret')}:${nonce}:${part('nc')}:${part('cnonce')}:auth:${digest(`${request.method}:${request.uri}`)}`,
      )
      if (value !== '' && part('response') === expected) {
        good.push(request.method)
        // The next request is asked again, with another nonce.
        nonce = 'retired'
        return reply(200, 'b')
      }
      nonce = nonces.shift() ?? 'none left'
      reply(status, 'b', [
        [ask, `Digest realm="home, sweet", nonce="weak", algorithm=UNKNOWN, qop="auth"`],
        [
          ask,
          `Digest realm="home, sweet", nonce="${nonce}", algorithm=${name}, qop="auth,auth-int"`,
        ],
      ])
    })
    await p.clock.advance(100)
    p.call.hangUp()
    await p.clock.advance(100)
    expect(good).toEqual(['INVITE', 'BYE'])
    expect(p.heard.map(({ type }) => type)).toEqual(['trying', 'answered', 'ended'])
    await p.clock.advance(100_000)
    expect([p.alice.dialogs, p.alice.transactions, p.clock.pending()]).toEqual([0, 0, 0])
  })

  it('refuses our credentials twice: the call fails with its 401', async () => {
    const p = byHand((request, reply) => {
      if (request.method !== 'INVITE') return
      reply(401, 'b', [['www-authenticate', 'Digest realm="r", nonce="n"']])
    })
    await p.clock.advance(1000)
    expect(p.heard.at(-1)).toMatchObject({ type: 'failed', cause: 'refused', sipCode: 401 })
    expect(p.wire.filter((text) => text.startsWith('INVITE')).length).toBe(2)
  })

  it('sends odd requests: each gets its code', async () => {
    const p = byHand(() => {})
    const ask = async (method: string, to: string, more = ''): Promise<string> => {
      const before = p.wire.length
      p.raw(
        `${method} sip:a@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK${method}${to.length}\nFrom: <sip:b@x>;tag=1\nTo: ${to}\nCall-ID: odd\nCSeq: 7 ${method}\n${more}Content-Length: 0\n\n`,
      )
      await p.clock.advance(30)
      const replies = p.wire.slice(before).filter((text) => text.startsWith('SIP/2.0'))
      return replies[0]?.split('\r\n')[0] ?? 'nothing'
    }
    expect(await ask('OPTIONS', '<sip:a@x>')).toBe('SIP/2.0 200 OK')
    expect(await ask('SUBSCRIBE', '<sip:a@x>')).toBe('SIP/2.0 405 Method Not Allowed')
    expect(await ask('FROB', '<sip:a@x>')).toBe('SIP/2.0 501 Not Implemented')
    expect(await ask('BYE', '<sip:a@x>;tag=9')).toContain('481')
    expect(await ask('INVITE', '<sip:a@x>;tag=9')).toContain('481')
    expect(await ask('CANCEL', '<sip:a@x>')).toContain('481')
    expect(await ask('INVITE', '<sip:a@x>', 'Require: 100rel, frob\n')).toContain('420')
    expect(p.wire.at(-1)).toContain('Unsupported: frob\r\n')
  })
})
