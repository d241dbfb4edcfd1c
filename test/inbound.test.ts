// Calls that come in over a trunk, from the first packet to the bill: reached, reserved, answered, paid, or refused.
import { SystemClock, seededRandom, silentLog, systemRandom } from '@saperly/kernel'
import type { NetworkNode } from '@saperly/network'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CallEvent } from '../packages/network/src/sip/call-event.ts'
import { udpHop } from '../packages/network/src/sip/hop.ts'
import { Negotiation } from '../packages/network/src/sip/negotiation.ts'
import type { OutgoingCall } from '../packages/network/src/sip/outgoing-call.ts'
import { openUdp } from '../packages/network/src/sip/transport.ts'
import { UserAgent } from '../packages/network/src/sip/user-agent.ts'
import { Books } from './books.ts'
import { ApiClient, openWorld, SocketBrain, until, type World } from './world.ts'

const KEY = 'sk_live_0123456789abcdef0123456789abcdef'
const OURS = '+15550009999'
const UNBOUND = '+15550009998'
const PEER = '+15550001111'
/** A minute from there costs more than a fresh workspace has. */
const DEAR = '+44'

let world: World
let api: ApiClient
let books: Books
let carrier: UserAgent
let brain: SocketBrain
const numberId = `num_${'0'.repeat(24)}`

beforeAll(async () => {
  carrier = new UserAgent({
    transport: await openUdp({
      address: '127.0.0.1',
      port: 0,
    }),
    clock: new SystemClock(),
    random: systemRandom,
    log: silentLog,
  })
  world = await openWorld({
    environment: {
      SAPERLY_ROOT_KEY: KEY,
      SIP_PORT: '0',
      ALLOW_PRIVATE_NETWORKS: '127.0.0.0/8',
    },
    config: {
      trunks: [{ name: 'carrier', address: `127.0.0.1:${carrier.address.port}` }],
      rates: [
        { prefix: '+1', manualCentsPerMin: 60, hostedCentsPerMin: 60 },
        { prefix: DEAR, manualCentsPerMin: 501, hostedCentsPerMin: 501 },
      ],
      limits: { liveCalls: 1 },
    },
  })
  api = new ApiClient(world.url, KEY)
  const { body } = await api.post('/connections', {
    name: 'inbound',
    mode: 'manual',
    complianceEnabled: false,
  })
  for (const [id, phoneNumber, connectionId] of [
    [numberId, OURS, body.id],
    [`num_${'1'.repeat(24)}`, UNBOUND, null],
  ]) {
    await world.server.store.tables.numbers.insert({
      workspaceId: 'ws_default',
      environment: 'live',
      id,
      phoneNumber,
      connectionId,
      webhookUrl: null,
      smsSenderId: null,
      callerIdName: null,
      country: 'US',
      numberType: 'local',
      monthlyPriceCents: 0,
      nextChargeAt: null,
      releasedAt: null,
      createdAt: 0,
    })
  }
  books = await Books.open({ ...world, api })
  const line = { connectionId: body.id, secret: body.manualSecret }
  brain = await SocketBrain.connect(world.url, line, ({ type }: { type: string }) =>
    type === 'inbound_call' ? [{ type: 'speak', text: 'Hello.' }] : null,
  )
})

afterAll(async () => {
  await brain.close()
  await books.settle()
  await world.close()
  await carrier.close()
})

/** The carrier rings one of our numbers; `over` resolves with the last event. */
function ring(
  from: string,
  to = OURS,
  fields: [string, string][] = [],
): { call: OutgoingCall; heard: CallEvent[]; over: Promise<CallEvent> } {
  const { address } = world.server.network as NetworkNode
  const offer = new Negotiation({
    address: '127.0.0.1',
    port: 29990,
    codecs: ['PCMU'] as const,
    random: seededRandom(1),
  }).offer()
  const heard: CallEvent[] = []
  let done: (event: CallEvent) => void = () => {}
  const over = new Promise<CallEvent>((resolve) => {
    done = resolve
  })
  const call = carrier.call(
    {
      to: `sip:${to}@127.0.0.1:${address.port}`,
      via: udpHop(address),
      from: `sip:${from}@127.0.0.1`,
      sdp: offer,
      fields,
    },
    (event) => {
      heard.push(event)
      if (event.type === 'ended' || event.type === 'failed') done(event)
    },
  )
  return { call, heard, over }
}

const consentOf = async (peer: string): Promise<unknown> =>
  (await api.get(`/consent/check?numberId=${numberId}&peerNumber=${encodeURIComponent(peer)}`)).body

const available = async (): Promise<number> => (await api.get('/usage')).body.balanceCents

const callsFrom = async (from: string): Promise<{ id: string; status: string }[]> => {
  const { body } = await api.get('/calls?limit=1000')
  return body.filter((call: { from: string }) => call.from === from)
}

describe('a call over a trunk', () => {
  test('rings, reserves, reaches the brain, implies consent, and is billed until its caller hangs up', async () => {
    expect(await consentOf(PEER)).toMatchObject({ hasConsent: false })
    const before = await available()
    const { call, heard, over } = ring(PEER.slice(1))
    await until('the brain', async () => brain.of('inbound_call').length > 0)
    const { callId, from, to } = brain.of('inbound_call')[0]
    expect([from, to]).toEqual([PEER, OURS])
    expect(heard.map(({ type }) => type)).toEqual(['trying', 'progress', 'answered'])
    expect(heard[1]).toMatchObject({ sipCode: 180 })
    expect(await available()).toBe(before - 60)
    expect(await consentOf(PEER)).toEqual({ hasConsent: true, type: 'implied_inbound' })

    // Beyond the workspace's limit of live calls: refused, and nothing is written.
    const second = await ring('15550001112').over
    expect(second).toMatchObject({ type: 'failed', sipCode: 503 })
    expect(await callsFrom('+15550001112')).toEqual([])

    await until('a second of talk', async () => {
      const { body } = await api.get(`/calls/${callId}`)
      return body.answeredAt !== null && Date.now() - Date.parse(body.answeredAt) > 1_200
    })
    call.hangUp()
    await over
    const final = await books.closed(callId)
    expect(final).toMatchObject({
      direction: 'inbound',
      status: 'completed',
      hangupCause: 'peer_hangup',
      from: PEER,
      to: OURS,
      numberId,
    })
    expect(final.durationSec).toBeGreaterThanOrEqual(1)
    expect(await available()).toBe(before - final.costCents)
    expect(books.receiver.events('call.received').map(({ payload }) => payload.callId)).toContain(
      callId,
    )
  })

  test('without the funds is rejected: 503 to the caller, recorded, told, and free', async () => {
    const from = `${DEAR}2079460000`
    const before = await available()
    const asked = brain.of('inbound_call').length
    const over = await ring(from).over
    expect(over).toMatchObject({ type: 'failed', sipCode: 503 })
    const [call] = await callsFrom(from)
    expect(call).toMatchObject({
      status: 'rejected',
      hangupCause: 'insufficient_funds',
      direction: 'inbound',
      costCents: 0,
      durationSec: 0,
      answeredAt: null,
    })
    await books.refused(call!.id)
    expect(await available()).toBe(before)
    expect(brain.of('inbound_call')).toHaveLength(asked)
    expect(await consentOf(from)).toMatchObject({ hasConsent: false })
  })

  test('to a number that is not ours, or that nobody answers for', async () => {
    expect(await ring(PEER, '+15550007777').over).toMatchObject({ type: 'failed', sipCode: 404 })
    expect(await ring(PEER, UNBOUND).over).toMatchObject({ type: 'failed', sipCode: 480 })
  })

  test('that hides who calls reaches the brain, and implies nothing', async () => {
    const asked = brain.of('inbound_call').length
    const { call, over } = ring('anonymous', OURS, [
      ['p-asserted-identity', `<sip:${PEER}@127.0.0.1>`],
      ['privacy', 'id'],
    ])
    await until('the brain', async () => brain.of('inbound_call').length > asked)
    const { callId, from } = brain.of('inbound_call').at(-1)
    expect(from).toBe('anonymous')
    call.hangUp()
    await over
    await books.closed(callId)
    const { body: consents } = await api.get('/consent')
    expect(consents.map(({ peerNumber }: { peerNumber: string }) => peerNumber)).toEqual([PEER])
  })

  test('ended by the API is ended at the carrier, and billed', async () => {
    const asked = brain.of('inbound_call').length
    const { over } = ring(PEER)
    await until('the brain', async () => brain.of('inbound_call').length > asked)
    const { callId } = brain.of('inbound_call').at(-1)
    const ended = await api.post(`/calls/${callId}/end`)
    expect(ended.body).toMatchObject({ status: 'completed', hangupCause: 'api_end' })
    expect(await over).toMatchObject({ type: 'ended', by: 'remote' })
    await books.closed(callId)
  })

  test('stands on /metrics with its trunk', async () => {
    const text = await (await fetch(`${world.url}/metrics`)).text()
    expect(text).toContain('saperly_trunk_up{trunk="carrier"} 1\n')
    expect(text).toContain('saperly_trunk_calls{trunk="carrier"} 0\n')
  })
})
