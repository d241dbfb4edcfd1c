// Trunks on real sockets: Kamailio as carriers that fail over and as a registrar, baresip as a caller, and a stranger.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Ids, SystemClock, assert, silentLog, systemRandom } from '@saperly/kernel'
import { afterEach, describe, expect, it } from 'vitest'
import { createNode } from '../../packages/network/src/node.ts'
import type { NetworkNode, NodeOptions } from '../../packages/network/src/node.ts'
import type { NetworkEvent } from '../../packages/network/src/port.ts'
import { udpHop } from '../../packages/network/src/sip/hop.ts'
import { openUdp } from '../../packages/network/src/sip/transport.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'
import type { UserAgentOptions } from '../../packages/network/src/sip/user-agent.ts'
import { FakeMedia, TALK, answerTo } from '../../packages/network/src/testing-node.ts'
import type { TrunkSettings } from '../../packages/network/src/trunk/settings.ts'
import { havePeer } from '../peers.ts'
import { Baresip, baresipMissing } from './baresip.ts'
import { CA, certificate } from './certificates.ts'
import { Kamailio, kamailioMissing } from './kamailio.ts'
import type { KamailioOptions } from './kamailio.ts'

const ADDRESS = '127.0.0.1'
const NUMBER = '+15555550123'
const OURS = '+15555550001'
const haveKamailio = havePeer('test/sip/trunk.test.ts', kamailioMissing)
const haveBaresip = havePeer('test/sip/trunk.test.ts', baresipMissing)

const clock = new SystemClock()
const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
  assert(clock.pending() === 0, 'a timer was left behind')
})

interface Opened {
  node: NetworkNode
  events: NetworkEvent[]
  /** Every line that it logged. */
  log: string[]
  dial: () => void
  until: <T>(what: () => T | null | undefined | false) => Promise<T>
}

/** A node whose media carries nothing: all that is looked at is signalling. */
async function open(
  trunks: readonly TrunkSettings[],
  sip: Partial<NodeOptions['sip']> = {},
): Promise<Opened> {
  const log: string[] = []
  const write = (event: string, fields = {}): void =>
    void log.push(JSON.stringify({ event, ...fields }))
  const node = await createNode({
    clock,
    random: systemRandom,
    ids: new Ids(clock, systemRandom),
    log: { ...silentLog, info: write, warn: write, error: write },
    media: new FakeMedia(),
    sip: { address: ADDRESS, port: 0, ...sip },
    trunks,
    sandbox: null,
    voices: [],
    recognizer: 'free',
  })
  const events: NetworkEvent[] = []
  node.subscribe((event) => events.push(event))
  closers.push(() => node.close())
  const dial = (): void =>
    node.post({
      type: 'dial',
      callId: 'call_1',
      environment: 'live',
      from: OURS,
      to: NUMBER,
      callerIdName: null,
      ringTimeoutMs: 45e3,
      talk: TALK,
      recordTo: null,
    })
  const until: Opened['until'] = async (what) => {
    for (;;) {
      const found = what()
      if (found) return found
      await clock.sleep(10, new AbortController().signal)
    }
  }
  return { node, events, log, dial, until }
}

function trunk(name: string, address: string, more: Partial<TrunkSettings> = {}): TrunkSettings {
  return {
    name,
    address,
    transport: 'udp',
    username: null,
    password: null,
    prefixes: ['+'],
    codecs: ['PCMU', 'PCMA'],
    ...more,
  }
}

async function kamailio(options: KamailioOptions): Promise<Kamailio> {
  const carrier = await Kamailio.start(options)
  closers.push(() => carrier.close())
  return carrier
}

async function agent(onCall?: UserAgentOptions['onCall']): Promise<UserAgent> {
  const made = new UserAgent({
    transport: await openUdp({
      address: ADDRESS,
      port: 0,
    }),
    clock,
    random: systemRandom,
    log: silentLog,
    ...(onCall && { onCall }),
  })
  closers.push(() => made.close())
  return made
}

describe.skipIf(!haveKamailio)('Kamailio as the carrier of a trunk', () => {
  it('refuses with 503: the call goes over the second trunk, and each is alive', async () => {
    const callee = await agent((call) => {
      call.ring()
      call.answer(answerTo(call, clock))
    })
    const full = await kamailio({ refuses: 503 })
    const good = await kamailio({
      relayTo: udpHop(callee.address),
      digest: { username: 'acme', password: 'secret', algorithm: 'SHA-256', inDialog: true },
    })
    const { node, events, dial, until } = await open([
      trunk('full', `${ADDRESS}:${full.port}`),
      trunk('good', `${ADDRESS}:${good.port}`, { username: 'acme', password: 'secret' }),
    ])
    dial()
    const answered = await until(() => events.find((event) => event.type === 'answered'))
    expect(answered).toMatchObject({ dialog: { trunk: 'good' } })
    expect(events.map(({ type }) => type)).toEqual(['accepted', 'ringing', 'answered'])
    expect(node.trunks).toMatchObject([
      { name: 'full', up: true, calls: 0 },
      { name: 'good', up: true, calls: 1 },
    ])
    node.post({ type: 'hangUp', callId: 'call_1' })
    await until(() => events.at(-1)!.type === 'ended')
    expect(node.trunks).toMatchObject([{ calls: 0 }, { calls: 0 }])
  })

  it('cannot be reached, or proves to be another: the call goes over the next trunk', async () => {
    const callee = await agent((call) => call.answer(answerTo(call, clock)))
    const relay = { relayTo: udpHop(callee.address) }
    const stranger = await kamailio({ ...relay, certificate: 'stranger' })
    const good = await kamailio(relay)
    const tls = { ca: CA, certificate: null, key: null, minVersion: 'TLSv1.2' as const }
    const named = { ...tls, serverName: 'carrier.example' }
    const { node, events, dial, until } = await open([
      trunk('gone', `${ADDRESS}:1`, { transport: 'tcp', optionsIntervalSec: 0 }),
      trunk('false', `${ADDRESS}:${stranger.tlsPort}`, { transport: 'tls', tls: named }),
      trunk('good', `${ADDRESS}:${good.tlsPort}`, { transport: 'tls', tls: named }),
    ])
    dial()
    const answered = await until(() => events.find((event) => event.type === 'answered'))
    expect(answered).toMatchObject({ dialog: { trunk: 'good' } })
    node.post({ type: 'hangUp', callId: 'call_1' })
    await until(() => events.at(-1)!.type === 'ended')
  })

  const ways = [
    ['udp', 'MD5'],
    ['udp', 'SHA-256'],
    ['tcp', 'SHA-256'],
    ['tls', 'SHA-256'],
  ] as const

  it.each(ways)(
    'is a registrar over %s with %s: we are called, until we leave',
    async (transport, algorithm) => {
      const digest = { username: 'acme', password: 'secret', algorithm }
      const registrar = await kamailio({ registrar: { maxExpiresSec: 60 }, digest })
      const port = transport === 'tls' ? registrar.tlsPort : registrar.port
      const tls = {
        ca: CA,
        certificate: null,
        key: null,
        serverName: 'carrier.example',
        minVersion: 'TLSv1.2' as const,
      }
      const settings = trunk('pbx', `${ADDRESS}:${port}`, {
        transport,
        tls: transport === 'tls' ? tls : null,
        username: 'acme',
        password: 'secret',
        register: {
          registrar: null,
          expiresSec: 600,
          aor: `${OURS.slice(1)}@${ADDRESS}`,
        },
        inbound: {
          sources: [ADDRESS],
          username: null,
          password: null,
        },
      })
      const own = { ...certificate('node'), clientCa: null, minVersion: 'TLSv1.2' as const }
      const { node, events, until } = await open([settings], { tls: { port: 0, server: own } })
      await until(() => node.trunks[0]!.registered)

      const caller = await agent()
      const ring = (): Promise<number> =>
        new Promise((resolve) =>
          caller.call(
            {
              to: `sip:${OURS.slice(1)}@${ADDRESS}`,
              via: registrar.hop('UDP'),
              from: `sip:${NUMBER}@${ADDRESS}`,
              sdp: null,
              credentials: {
                username: 'acme',
                password: 'secret',
              },
            },
            (event) => {
              if (event.type === 'progress' || event.type === 'failed') resolve(event.sipCode ?? 0)
            },
          ),
        )
      expect(await ring()).toBe(180)
      expect(events).toMatchObject([
        { type: 'incoming', environment: 'live', trunk: 'pbx', from: NUMBER, to: OURS },
      ])
      node.post({ type: 'reject', callId: events[0]!.callId, sipCode: 480 })
      await until(() => events.at(-1)!.type === 'ended')
      await node.close()
      expect(await ring()).toBe(404)
    },
  )

  it('with a wrong password is no registrar of ours', async () => {
    const digest = { username: 'acme', password: 'secret', algorithm: 'SHA-256' } as const
    const registrar = await kamailio({ registrar: {}, digest })
    const register = { registrar: null, expiresSec: 600, aor: null }
    const settings = trunk('pbx', `${ADDRESS}:${registrar.port}`, {
      username: 'acme',
      password: 'wrong',
      register,
    })
    const { node, log, until } = await open([settings])
    const failed = await until(() => log.find((line) => line.includes('trunk.register_failed')))
    expect(failed).toContain('"sipCode":401')
    expect(node.trunks).toMatchObject([{ registered: false, up: true }])
    expect(log.join('\n')).not.toContain('wrong')
  })
})

describe.skipIf(!haveBaresip)('baresip calls in over a trunk with digest', () => {
  // This baresip knows MD5 only, and gives up where another algorithm is offered as well.
  const inbound = {
    sources: [`${ADDRESS}/32`],
    username: 'peer',
    password: 'opensesame',
    algorithms: ['MD5'] as const,
  }

  async function callIn(password: string): Promise<{ peer: Baresip; opened: Opened }> {
    const peer = await Baresip.start({
      answer: 'manual',
      numbers: [NUMBER],
      toneHz: 0,
      credentials: {
        username: 'peer',
        password,
      },
    })
    closers.push(() => peer.close())
    // Its address in the settings is another: it comes by its password.
    const opened = await open([trunk('pbx', '192.0.2.1', { inbound, optionsIntervalSec: 0 })])
    await peer.command('dial', `sip:${OURS}@${ADDRESS}:${opened.node.address.port}`)
    return { peer, opened }
  }

  it('and is let in with the password', async () => {
    const { peer, opened } = await callIn('opensesame')
    const { node, events, until } = opened
    const incoming = await until(() => events.find((event) => event.type === 'incoming'))
    expect(incoming).toMatchObject({ trunk: 'pbx', from: NUMBER, to: OURS })
    await peer.saw('CALL_RINGING')
    node.post({ type: 'answer', callId: incoming.callId, talk: TALK, recordTo: null })
    await peer.saw('CALL_ESTABLISHED')
    node.post({ type: 'hangUp', callId: incoming.callId })
    await peer.saw('CALL_CLOSED')
    await until(() => events.at(-1)!.type === 'ended')
  })

  it('and is refused without it, unheard of', async () => {
    const { peer, opened } = await callIn('openbarley')
    await peer.saw('CALL_CLOSED')
    expect(opened.events).toEqual([])
    expect(opened.node.counts.legs).toBe(0)
  })
})

describe('a stranger', () => {
  it('hears nothing over UDP, and is not let in over TCP', async () => {
    const known = createSocket('udp4').bind(0, ADDRESS)
    const stranger = createSocket('udp4').bind(0, '127.0.0.2')
    await Promise.all([once(known, 'listening'), once(stranger, 'listening')])
    closers.push(async () => {
      known.close()
      stranger.close()
    })
    const heard: string[] = []
    stranger.on('message', (data) => heard.push(data.toString()))
    const { port: knownPort } = known.address()
    const { node, events } = await open([
      trunk('a', `${ADDRESS}:${knownPort}`, { optionsIntervalSec: 0 }),
    ])
    const { port } = node.address
    const from = stranger.address()
    for (const method of ['INVITE', 'OPTIONS', 'REGISTER', 'BYE', 'CANCEL', 'ACK', 'NONSENSE']) {
      stranger.send(requestText(method, from.address, from.port), port, ADDRESS)
    }
    for (const noise of ['\r\n\r\n', 'INVITE sip:x SIP/2.0\r\n\r\n', 'x'.repeat(1000), '\0']) {
      stranger.send(noise, port, ADDRESS)
    }
    // Datagrams of one machine come in the order of sending: when this is answered, all of those have been looked at.
    const answer = once(known, 'message')
    known.send(requestText('OPTIONS', ADDRESS, knownPort), port, ADDRESS)
    const [data] = (await answer) as [Buffer]
    expect(data.toString()).toMatch(/^SIP\/2\.0 200 /)
    // And an answer to the stranger would have been here before one that is sent now.
    const self = once(stranger, 'message')
    stranger.send('the end', from.port, from.address)
    await self
    expect(heard).toEqual(['the end'])
    expect([events, node.counts.legs, node.counts.dialogs]).toEqual([[], 0, 0])

    const socket = connect({ port, host: ADDRESS, localAddress: '127.0.0.2' })
    closers.push(async () => void socket.destroy())
    const bytes: Buffer[] = []
    socket.on('data', (chunk: Buffer) => bytes.push(chunk))
    socket.on('error', () => {})
    socket.write(requestText('OPTIONS', '127.0.0.2', 5060))
    await once(socket, 'close')
    expect(bytes).toEqual([])
  })
})

function requestText(method: string, address: string, port: number): string {
  return [
    `${method} sip:${OURS}@${ADDRESS} SIP/2.0`,
    `Via: SIP/2.0/UDP ${address}:${port};branch=z9hG4bK${method};rport`,
    'Max-Forwards: 10',
    `From: <sip:stranger@${address}>;tag=1`,
    `To: <sip:${OURS}@${ADDRESS}>`,
    `Call-ID: ${method}@${address}`,
    `CSeq: 1 ${method}`,
    `Contact: <sip:stranger@${address}:${port}>`,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
}
