// The four transaction tables: total, with retransmission at the times of RFC 3261, and an end for every path.
import { SimClock, seededRandom, silentLog } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { INVITE_CLIENT, PLAIN_CLIENT } from './client-transaction.ts'
import { composeRequest, composeResponse } from './compose.ts'
import { SIP_TIMERS } from './machine.ts'
import { parseMessage, serialise } from './message.ts'
import type { SipRequest } from './message.ts'
import { INVITE_SERVER, PLAIN_SERVER } from './server-transaction.ts'
import type { InviteServer, PlainServer } from './server-transaction.ts'
import { TransactionLayer } from './transaction.ts'
import { udpHop } from './hop.ts'
import type { Hop, Transport } from './transport.ts'

const PEER = udpHop({ address: '10.0.0.2', port: 5060 })

/** A layer over a transport that records what is sent, when. */
function bench() {
  const local = { address: '10.0.0.1', port: 5060 }
  const clock = new SimClock()
  const sent: { atMs: number; text: string; data: Buffer; to: Hop }[] = []
  let deliver: (data: Buffer, from: Hop) => void = () => {}
  let breaks = false
  let gone = false
  const transport: Transport = {
    local,
    at: () => local,
    holds: () => !gone,
    send: (data, to, failed) => {
      const text = data.toString().split('\r\n')[0]!
      sent.push({ atMs: clock.monotonicMs(), text, data, to })
      if (breaks) void Promise.resolve().then(() => failed(new Error('no route')))
    },
    receive: (receiver) => {
      deliver = receiver
    },
    close: () => Promise.resolve(),
  }
  const servers: (InviteServer | PlainServer)[] = []
  const acks: SipRequest[] = []
  const layer = new TransactionLayer(
    { transport, clock, timers: SIP_TIMERS, sentBy: () => local },
    seededRandom(5),
    silentLog,
    {
      knows: () => true,
      admits: (_, source) => source.address === PEER.address,
      onInvite: (transaction) => servers.push(transaction),
      onRequest: (transaction) => servers.push(transaction),
      onCancel: (transaction) => servers.push(transaction),
      onAck: (request) => acks.push(request),
      onStray: () => {},
    },
  )
  const heard: string[] = []
  const owner = {
    onResponse: ({ status }: { status: number }) => void heard.push(String(status)),
    onFailure: (why: string) => void heard.push(why),
  }
  const requests = (): SipRequest[] =>
    sent.flatMap(({ data }) => {
      const parsed = parseMessage(data)
      return parsed.ok && parsed.value.kind === 'request' ? [parsed.value] : []
    })
  const lastRequest = (): SipRequest => requests().at(-1)!
  const reply = (status: number, request = lastRequest()): void =>
    deliver(serialise(composeResponse(request, status, { toTag: 't' })), PEER)
  const times = (pattern: RegExp): number[] =>
    sent.filter(({ text }) => pattern.test(text)).map(({ atMs }) => atMs)
  return {
    clock,
    layer,
    owner,
    heard,
    sent,
    servers,
    acks,
    times,
    reply,
    requests,
    receive: (request: SipRequest, from = PEER) => deliver(serialise(request), from),
    break: () => {
      breaks = true
    },
    lose: () => {
      gone = true
    },
  }
}

function request(method: string, branch = ''): SipRequest {
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
  made.headers.set('via', `SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK${branch}`)
  return made
}

describe('the tables', () => {
  it.each([
    ['INVITE client', INVITE_CLIENT],
    ['non-INVITE client', PLAIN_CLIENT],
    ['INVITE server', INVITE_SERVER],
    ['non-INVITE server', PLAIN_SERVER],
  ])('%s: every state has every event, and every state leads to the end', (_, table) => {
    const rows = Object.entries(table as Record<string, Record<string, unknown>>)
    const events = Object.keys(rows[0]![1]).toSorted()
    const leadsTo = new Map<string, Set<string>>()
    for (const [state, row] of rows) {
      expect(Object.keys(row).toSorted()).toEqual(events)
      const next = Object.values(row).flatMap((cell) =>
        Array.isArray(cell) ? [String(cell[0])] : [],
      )
      leadsTo.set(state, new Set(next))
    }
    for (const [state] of rows) {
      if (state !== 'terminated') expect(leadsTo.get(state)).toContain('terminated')
    }
  })
})

describe('INVITE client', () => {
  it('repeats at T1 doubling, and gives up after 64 T1', async () => {
    const b = bench()
    b.layer.invite(request('INVITE'), PEER, b.owner)
    await b.clock.advance(40_000)
    expect(b.times(/INVITE/)).toEqual([0, 500, 1500, 3500, 7500, 15_500, 31_500])
    expect(b.heard).toEqual(['timeout'])
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('stops at a provisional response, acknowledges each failure, and lingers 64 T1', async () => {
    const b = bench()
    b.layer.invite(request('INVITE'), PEER, b.owner)
    const invite = b.sent[0]!.data
    const parsed = parseMessage(invite)
    const sentInvite =
      parsed.ok && parsed.value.kind === 'request' ? parsed.value : request('INVITE')
    b.reply(180, sentInvite)
    await b.clock.advance(20_000)
    b.reply(486, sentInvite)
    b.reply(486, sentInvite)
    expect(b.times(/INVITE/)).toEqual([0])
    expect(b.times(/ACK/)).toEqual([20_000, 20_000])
    expect(b.heard).toEqual(['180', '486'])
    await b.clock.advance(31_999)
    expect(b.layer.size).toBe(1)
    await b.clock.advance(1)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('hands up every 2xx for 64 T1 (timer M), and no failure after it', async () => {
    const b = bench()
    b.layer.invite(request('INVITE'), PEER, b.owner)
    b.reply(200)
    b.reply(200)
    b.reply(486)
    expect(b.heard).toEqual(['200', '200'])
    await b.clock.advance(32_000)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('repeats nothing over a reliable transport, and fails when that breaks', async () => {
    const b = bench()
    b.break()
    b.layer.invite(request('INVITE'), { ...PEER, protocol: 'TCP' }, b.owner)
    await b.clock.advance(10)
    expect(b.heard).toEqual(['transport'])
    expect([b.sent.length, b.layer.size, b.clock.pending()]).toEqual([1, 0, 0])
  })
})

describe('non-INVITE client', () => {
  it('repeats at T1 doubling up to T2, and gives up after 64 T1', async () => {
    const b = bench()
    b.layer.request(request('BYE'), PEER, b.owner)
    await b.clock.advance(40_000)
    expect(b.times(/BYE/).slice(0, 6)).toEqual([0, 500, 1500, 3500, 7500, 11_500])
    expect(b.heard).toEqual(['timeout'])
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('slows to T2 once a provisional has come, and lingers T4 after the final', async () => {
    const b = bench()
    b.layer.request(request('BYE'), PEER, b.owner)
    b.reply(100)
    await b.clock.advance(9000)
    expect(b.times(/BYE/)).toEqual([0, 500, 4500, 8500])
    b.reply(200)
    b.reply(200)
    expect(b.heard).toEqual(['100', '200'])
    await b.clock.advance(5000)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })
})

describe('INVITE server', () => {
  it('repeats a failure at T1 doubling to T2 until its ACK, then lingers T4', async () => {
    const b = bench()
    b.receive(request('INVITE', 'x'))
    const server = b.servers[0]!
    server.respond(composeResponse(server.request, 486, { toTag: 't' }))
    await b.clock.advance(8000)
    expect(b.times(/486/)).toEqual([0, 500, 1500, 3500, 7500])
    b.receive(request('ACK', 'x'))
    await b.clock.advance(4999)
    expect(b.layer.size).toBe(1)
    await b.clock.advance(1)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('ends without an ACK after 64 T1', async () => {
    const b = bench()
    b.receive(request('INVITE', 'x'))
    const server = b.servers[0]!
    server.respond(composeResponse(server.request, 486))
    await b.clock.advance(32_000)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('answers a repeated INVITE with its last provisional, and absorbs it once accepted (timer L)', async () => {
    const b = bench()
    b.receive(request('INVITE', 'x'))
    const server = b.servers[0]!
    server.respond(composeResponse(server.request, 180))
    b.receive(request('INVITE', 'x'))
    expect(b.times(/180/).length).toBe(2)
    server.respond(composeResponse(server.request, 200))
    b.receive(request('INVITE', 'x'))
    expect([b.times(/200/).length, b.servers.length]).toEqual([1, 1])
    await b.clock.advance(32_000)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })
})

describe('over a connection', () => {
  const TCP = { ...PEER, port: 41_000, protocol: 'TCP' as const }

  it('says so in Via', () => {
    const b = bench()
    b.layer.request(request('OPTIONS'), TCP, b.owner)
    expect(b.sent[0]!.data.toString()).toMatch(/^Via: SIP\/2\.0\/TCP 10\.0\.0\.1:5060;/m)
  })

  it('answers each repetition, but repeats and keeps nothing by itself', async () => {
    const b = bench()
    b.receive(request('INVITE', 'x'), TCP)
    const server = b.servers[0]!
    server.respond(composeResponse(server.request, 486, { toTag: 't' }))
    b.receive(request('INVITE', 'x'), TCP)
    await b.clock.advance(8000)
    expect(b.times(/486/)).toEqual([0, 0])
    expect(b.sent.map(({ to }) => to)).toEqual([TCP, TCP])
    b.receive(request('ACK', 'x'), TCP)
    await b.clock.advance(0)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('answers at the address of Via when the connection is gone', () => {
    const b = bench()
    b.receive(request('OPTIONS', 'x'), TCP)
    b.lose()
    const server = b.servers[0]!
    server.respond(composeResponse(server.request, 200, { toTag: 't' }))
    expect(b.sent.map(({ to }) => to)).toEqual([{ ...TCP, port: 5060 }])
  })

  it('leaves nothing behind once a request has its final response', async () => {
    const b = bench()
    b.layer.request(request('BYE'), TCP, b.owner)
    b.layer.invite(request('INVITE'), TCP, b.owner)
    await b.clock.advance(20_000)
    b.reply(486)
    b.reply(200, b.requests()[0])
    await b.clock.advance(0)
    expect(b.times(/BYE|INVITE/)).toEqual([0, 0])
    expect(b.heard).toEqual(['486', '200'])
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })
})

describe('non-INVITE server', () => {
  it('answers repetitions for 64 T1 (timer J)', async () => {
    const b = bench()
    b.receive(request('BYE', 'x'))
    b.receive(request('BYE', 'x'))
    const server = b.servers[0]!
    server.respond(composeResponse(server.request, 200))
    b.receive(request('BYE', 'x'))
    expect([b.servers.length, b.times(/200/).length]).toEqual([1, 2])
    await b.clock.advance(32_000)
    expect([b.layer.size, b.clock.pending()]).toEqual([0, 0])
  })

  it('drops strangers without a trace', () => {
    const b = bench()
    b.receive(request('OPTIONS', 'x'), udpHop({ address: '10.9.9.9', port: 5060 }))
    expect([b.layer.size, b.sent.length, b.servers.length]).toEqual([0, 0, 0])
  })
})
