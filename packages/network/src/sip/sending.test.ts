// How requests leave: large ones over TCP, back to UDP where that is refused, and once more where a connection was lost.
import { Fault, SimClock, seededRandom, silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { composeRequest, composeResponse } from './compose.ts'
import { formatHop, parseHop, udpHop } from './hop.ts'
import type { Hop, Protocol } from './hop.ts'
import { SIP_TIMERS } from './machine.ts'
import { parseMessage, serialise, topVia } from './message.ts'
import type { SipRequest } from './message.ts'
import { MAX_UDP_REQUEST_BYTES } from './sending.ts'
import { TransactionLayer } from './transaction.ts'
import type { InviteClient } from './client-transaction.ts'
import type { Transport } from './transport.ts'

const LOCAL = { address: '10.0.0.1', port: 5060 }
const PEER = udpHop({ address: '10.0.0.2', port: 5070 })
const TCP: Hop = { ...PEER, protocol: 'TCP' }

/** A layer over a transport that says what it was given, and refuses what it is told to. */
function bench(
  refuses: (to: Hop, count: number) => Fault | null,
  protocols: Protocol[] = ['UDP', 'TCP'],
) {
  const clock = new SimClock()
  const sent: { atMs: number; hop: string; request: SipRequest }[] = []
  let lose = (): void => {}
  let deliver: (data: Buffer, from: Hop) => void = () => {}
  const transport: Transport = {
    local: LOCAL,
    at: (protocol) => (protocols.includes(protocol) ? LOCAL : null),
    holds: () => true,
    send: (data, to, failed) => {
      const parsed = parseMessage(data)
      if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('no request')
      sent.push({ atMs: clock.monotonicMs(), hop: formatHop(to), request: parsed.value })
      lose = () => failed(LOST)
      const refusal = refuses(to, sent.length)
      if (refusal) queueMicrotask(() => failed(refusal))
    },
    receive: (receiver) => {
      deliver = receiver
    },
    close: () => Promise.resolve(),
  }
  const nobody = {
    knows: () => false,
    admits: () => true,
    onInvite: () => {},
    onRequest: () => {},
    onCancel: () => {},
    onAck: () => {},
    onStray: () => {},
  }
  const layer = new TransactionLayer(
    { transport, clock, timers: SIP_TIMERS, sentBy: () => LOCAL },
    seededRandom(1),
    silentLog,
    nobody,
  )
  const heard: string[] = []
  const owner = {
    onResponse: ({ status }: { status: number }) => void heard.push(String(status)),
    onFailure: (why: string, reason: string | null) => void heard.push(`${why}: ${reason}`),
  }
  return {
    clock,
    layer,
    heard,
    sent,
    lose: () => lose(),
    hops: () => sent.map(({ hop }) => hop),
    invite: (bytes: number, to = PEER): InviteClient =>
      layer.invite(request('INVITE', bytes), to, owner),
    options: (bytes: number, to = PEER) => layer.request(request('OPTIONS', bytes), to, owner),
    reply: (status: number) =>
      deliver(serialise(composeResponse(sent.at(-1)!.request, status, { toTag: 't' })), TCP),
  }
}

/** A request that is about as long as asked for, in bytes, Via included. */
function request(method: string, bytes: number): SipRequest {
  const made = composeRequest({
    method,
    uri: 'sip:b@10.0.0.2',
    from: '<sip:a@x>;tag=1',
    to: '<sip:b@x>',
    callId: 'id',
    cseq: 1,
    contact: null,
    routes: [],
    fields: [],
    body: null,
  })
  const via = `SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK${'0'.repeat(20)};rport`
  made.headers.setAll('via', [via])
  return { ...made, body: 'x'.repeat(Math.max(0, bytes - serialise(made).length - 3)) }
}

const REFUSED = new Fault('the peer refused the connection', { retryable: false })
const LOST = new Fault('the peer reset the connection', { retryable: true })

describe('a large request', () => {
  it('goes over TCP, and says so; a small one stays on UDP', () => {
    const b = bench(() => null)
    b.options(MAX_UDP_REQUEST_BYTES)
    b.options(MAX_UDP_REQUEST_BYTES + 10)
    expect(b.hops()).toEqual(['10.0.0.2:5070', 'TCP 10.0.0.2:5070'])
    const vias = b.sent.map((one) => topVia(one.request).split(' ')[0])
    expect(vias).toEqual(['SIP/2.0/UDP', 'SIP/2.0/TCP'])
    expect(serialise(b.sent[0]!.request).length).toBeLessThanOrEqual(MAX_UDP_REQUEST_BYTES)
    expect(serialise(b.sent[1]!.request).length).toBeGreaterThan(MAX_UDP_REQUEST_BYTES)
  })

  it('goes over UDP where TCP is refused, in the same transaction, and is repeated there', async () => {
    const b = bench(({ protocol }) => (protocol === 'TCP' ? REFUSED : null))
    b.invite(2000)
    await b.clock.advance(600)
    expect(b.hops()).toEqual(['TCP 10.0.0.2:5070', '10.0.0.2:5070', '10.0.0.2:5070'])
    expect(b.sent.map(({ atMs }) => atMs)).toEqual([0, 0, 500])
    const branches = b.sent.map((one) => /branch=([^;]+)/.exec(topVia(one.request))![1])
    expect(new Set(branches).size).toBe(1)
    expect(topVia(b.sent[1]!.request)).toContain('SIP/2.0/UDP')
    b.reply(486)
    expect(b.hops().at(-1)).toBe('10.0.0.2:5070')
    expect(b.heard).toEqual(['486'])
    await b.clock.advance(32_000)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('is not sent over TCP again to a peer that refused it', async () => {
    const b = bench(({ protocol }) => (protocol === 'TCP' ? REFUSED : null))
    b.options(2000)
    await b.clock.advance(0)
    b.options(2000)
    expect(b.hops()).toEqual(['TCP 10.0.0.2:5070', '10.0.0.2:5070', '10.0.0.2:5070'])
  })

  it('stays on UDP where TCP is not spoken', () => {
    const b = bench(() => null, ['UDP'])
    b.options(2000)
    expect(b.hops()).toEqual(['10.0.0.2:5070'])
  })

  it('is cancelled and acknowledged where it went', async () => {
    const b = bench(() => null)
    const invite = b.invite(2000)
    b.reply(180)
    b.layer.cancel(request('CANCEL', 0), invite, { onResponse: () => {}, onFailure: () => {} })
    await b.clock.advance(0)
    expect(b.hops()).toEqual(['TCP 10.0.0.2:5070', 'TCP 10.0.0.2:5070'])
    expect(topVia(b.sent[1]!.request)).toBe(topVia(b.sent[0]!.request))
  })
})

describe('over a connection', () => {
  it('a request whose connection was lost is sent once more, over the next one', async () => {
    const b = bench((_, count) => (count === 1 ? LOST : null))
    b.invite(500, TCP)
    await b.clock.advance(10_000)
    expect(b.hops()).toEqual(['TCP 10.0.0.2:5070', 'TCP 10.0.0.2:5070'])
    b.reply(200)
    expect(b.heard).toEqual(['200'])
  })

  it('and fails with the reason when that is lost as well', async () => {
    const b = bench(() => LOST)
    b.options(500, TCP)
    await b.clock.advance(0)
    expect(b.heard).toEqual(['transport: the peer reset the connection'])
    expect([b.sent.length, b.layer.size, b.clock.pending()]).toEqual([2, 0, 0])
  })

  it('one that was refused is not tried again', async () => {
    const b = bench(() => REFUSED)
    b.invite(500, parseHop('TLS 10.0.0.2:5061 carrier.example')!)
    await b.clock.advance(0)
    expect(b.heard).toEqual(['transport: the peer refused the connection'])
    expect([b.sent.length, b.layer.size, b.clock.pending()]).toEqual([1, 0, 0])
  })

  it('a connection that is lost after an answer changes nothing', async () => {
    const b = bench(() => null)
    b.invite(500, TCP)
    b.reply(180)
    b.lose()
    await b.clock.advance(60_000)
    expect([b.sent.length, b.heard]).toEqual([1, ['180']])
  })
})
