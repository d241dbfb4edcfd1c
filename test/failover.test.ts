// Placed calls over several trunks, by the API: the next one after 503, a refusal that stands, and a limit that is told.
import { SystemClock, seededRandom, silentLog, systemRandom } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IncomingCall } from '../packages/network/src/sip/incoming-call.ts'
import { Negotiation } from '../packages/network/src/sip/negotiation.ts'
import { openUdp } from '../packages/network/src/sip/transport.ts'
import { UserAgent } from '../packages/network/src/sip/user-agent.ts'
import { ApiClient, openWorld, type World } from './world.ts'

const KEY = 'sk_live_0123456789abcdef0123456789abcdef'
const OURS = '+15550009999'
const numberId = `num_${'0'.repeat(24)}`

let world: World
let api: ApiClient
const carriers: UserAgent[] = []

async function carrier(onCall: (call: IncomingCall) => void): Promise<string> {
  const transport = await openUdp({ address: '127.0.0.1', port: 0 })
  const deps = { clock: new SystemClock(), random: systemRandom, log: silentLog }
  const agent = new UserAgent({ transport, ...deps, onCall })
  carriers.push(agent)
  return `127.0.0.1:${agent.address.port}`
}

function answers(call: IncomingCall): void {
  const options = { address: '127.0.0.1', port: 29_980, codecs: ['PCMU'] as const }
  const made = new Negotiation({ ...options, random: seededRandom(1) }).answer(call.sdp!)
  call.listen(() => {})
  call.ring()
  if (made.ok) call.answer(made.value.sdp)
}

beforeAll(async () => {
  const full = await carrier((call) => call.reject(503))
  const good = await carrier(answers)
  world = await openWorld({
    environment: { SAPERLY_ROOT_KEY: KEY, SIP_PORT: '0' },
    config: {
      trunks: [
        { name: 'full', address: full, prefixes: ['+1555', '+44'] },
        { name: 'good', address: good, prefixes: ['+1555'] },
        { name: 'narrow', address: good, prefixes: ['+1900'], maxCalls: 1 },
      ],
      rates: ['+1', '+44'].map((prefix) => ({
        prefix,
        manualCentsPerMin: 13,
        hostedCentsPerMin: 26,
      })),
    },
  })
  api = new ApiClient(world.url, KEY)
  const settings = { name: 'out', mode: 'manual', complianceEnabled: false }
  const { body } = await api.post('/connections', {
    ...settings,
    manualWebhookUrl: 'https://brain.example.com/',
  })
  await world.server.store.tables.numbers.insert({
    workspaceId: 'ws_default',
    environment: 'live',
    id: numberId,
    phoneNumber: OURS,
    connectionId: body.id,
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
})

afterAll(async () => {
  await world.close()
  for (const agent of carriers) await agent.close()
})

async function place(to: string) {
  await api.consent(numberId, to)
  return api.post('/calls', { fromNumberId: numberId, to })
}

const available = async (): Promise<number> => (await api.get('/usage')).body.balanceCents

async function ended(callId: string): Promise<number> {
  await api.post(`/calls/${callId}/end`)
  return (await api.final(callId)).costCents
}

describe('a placed call', () => {
  test('goes over the next trunk after 503', async () => {
    const placed = await place('+15550001111')
    expect(placed.status).toBe(201)
    await ended(placed.body.id)
  })

  test('that no other trunk serves is refused with what the carrier said', async () => {
    const before = await available()
    const { status, body } = await place('+442079460000')
    expect([status, body._tag]).toEqual([502, 'CallStartFailed'])
    expect(body).toMatchObject({ hangupCause: 'carrier_refused', sipCode: 503 })
    expect(await api.final(body.callId)).toMatchObject({ status: 'failed', costCents: 0 })
    expect(await available()).toBe(before)
  })

  test('beyond the limit of its trunk is refused with a reason, and free; then there is room again', async () => {
    const first = await place('+19005550001')
    expect(first.status).toBe(201)
    const before = await available()
    const { status, body } = await place('+19005550002')
    expect([status, body._tag]).toEqual([502, 'CallStartFailed'])
    expect(body).toMatchObject({
      hangupCause: 'carrier_refused',
      sipCode: null,
      reason: 'the trunk carries as many calls as it may (maxCalls)',
    })
    expect(await api.final(body.callId)).toMatchObject({ status: 'failed', costCents: 0 })
    expect(await available()).toBe(before)
    await ended(first.body.id)
    const again = await place('+19005550003')
    expect(again.status).toBe(201)
    await ended(again.body.id)
  })
})
