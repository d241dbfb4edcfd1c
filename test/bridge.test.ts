// A transfer that the carrier won't do: the network calls the target, and the two hear each other; money and all.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readWav } from '../packages/network/src/record/wav.ts'
import { ToneDecoder } from '../packages/network/src/speech/tone-decoder.ts'
import { checkReceipt, type Posting } from './books.ts'
import { FastClock, ScriptedNetwork } from './scripted-network.ts'
import { type ApiClient, openWorld, SocketBrain, type World } from './world.ts'

const FRAME_SAMPLES = 160
/** Its carrier refuses a REFER. */
const PEER = '+15555550113'
const BUSY = '+15555550101'
const TARGET = '+15555550107'
const OTHER = '+15555550109'
const TARGET_CENTS_PER_MIN = 300

/** They take turns, each in answer to the other; what a starved machine garbled is asked for again. */
const SCRIPTS = {
  'no-transfer': {
    refer: 'refuse',
    steps: [
      { do: 'answer' },
      {
        do: 'converse',
        turns: 6,
        patienceSec: 60,
        replies: ['And I am the peer.', 'Yes, I am the peer.', 'Indeed, I am the peer.'].map(
          (say) => ({ hears: ['this is the target', 'again'], say }),
        ),
        otherwise: ['Say that again.', 'Say that once again.'],
      },
    ],
  },
  'hangs-up': {
    steps: [
      { do: 'ring', times: 2 },
      { do: 'answer' },
      { do: 'wait', ms: 1000 },
      { do: 'say', text: 'This is the target.' },
      {
        do: 'converse',
        turns: 4,
        patienceSec: 10,
        replies: [
          { hears: ['i am the peer'], say: 'Good to hear you.', hangUp: true },
          { hears: ['again'], say: 'Still, this is the target.' },
        ],
        otherwise: ['Again, please.', 'Once again, please.'],
      },
    ],
  },
}

function spokenIn(samples: Int16Array): string {
  const decoder = new ToneDecoder()
  for (let at = 0; at + FRAME_SAMPLES <= samples.length; at += FRAME_SAMPLES) {
    decoder.write(samples.subarray(at, at + FRAME_SAMPLES))
  }
  return decoder.finish().text
}

async function postingsOf(api: ApiClient, callId: string): Promise<[string, number][]> {
  const { body } = await api.get('/transactions?limit=1000')
  const own = (body as Posting[]).filter((posting) => posting.callId === callId).toReversed()
  // Whatever was held and taken stands in the receipt as well.
  checkReceipt((await api.get(`/calls/${callId}/receipt`)).body, own)
  return own.map(({ type, amountCents }) => [type, amountCents])
}

async function transfersOf(api: ApiClient, callId: string) {
  const { body } = await api.get(`/calls/${callId}/events`)
  const events = body as { type: string; data: { state: string } }[]
  return events.filter(({ type }) => type === 'transfer').map(({ data }) => data)
}

/** So that a test that is tried again has money for it. */
async function topUp(world: World, cents: number): Promise<void> {
  const tenant = { workspaceId: 'ws_default', environment: 'test' } as const
  await world.server.store.tables.ledger.topUp(tenant, cents, 'for a transfer', Date.now())
}

async function connect(world: World, line: Awaited<ReturnType<ApiClient['line']>>, to: string) {
  await world.api.consent(line.numberId, to)
  const placed = await world.api.post('/calls', { fromNumberId: line.numberId, to })
  expect(placed).toMatchObject({ status: 201 })
  const callId: string = placed.body.id
  await world.until('the answer', async () => {
    return (await world.api.get(`/calls/${callId}`)).body.phase === 'connected'
  })
  return callId
}

describe('with phones', () => {
  let world: World
  let api: ApiClient

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'saperly-scripts-'))
    for (const [name, script] of Object.entries(SCRIPTS)) {
      await writeFile(join(directory, `${name}.json`), JSON.stringify(script))
    }
    const cents = TARGET_CENTS_PER_MIN
    world = await openWorld({
      environment: { SANDBOX_SCRIPTS: directory },
      config: {
        rates: [{ prefix: TARGET, manualCentsPerMin: cents, hostedCentsPerMin: cents }],
      },
    })
    api = world.api
    await rm(directory, { recursive: true })
  })
  afterAll(() => world.close())

  test('both hear each other, the recording holds both, and both legs are billed', async () => {
    const line = await api.line({ recordingEnabled: true })
    const brain = await SocketBrain.connect(world.url, line, ({ type }) =>
      type === 'outbound_call' ? [{ type: 'wait_for_user' }] : null,
    )
    await topUp(world, TARGET_CENTS_PER_MIN)
    const before = (await api.get('/usage')).body.balanceCents
    const callId = await connect(world, line, PEER)
    const transferred = await api.post(`/calls/${callId}/transfer`, { to: TARGET })
    expect(transferred).toMatchObject({ status: 200, body: { id: callId, phase: 'connected' } })
    await world.until('the bridge', async () =>
      (await transfersOf(api, callId)).some(({ state }) => state === 'completed'),
    )
    const late = await api.post(`/calls/${callId}/speak`, { text: 'Is anybody there?' })
    expect([late.status, late.body._tag]).toEqual([409, 'CallNotActive'])

    const call = await api.final(callId)
    expect(call).toMatchObject({ status: 'completed', hangupCause: 'transferred' })
    const notes = await transfersOf(api, callId)
    expect(notes).toEqual([
      { to: TARGET, state: 'requested', reason: null, sipCode: null },
      { to: TARGET, state: 'accepted', reason: null, sipCode: null },
      { to: TARGET, state: 'completed', reason: null, sipCode: 200 },
    ])
    // Its signalling has both dialogs: ours with the peer, and the one that the network began.
    const { body: ladder } = await api.get(`/calls/${callId}/sip`)
    expect(new Set((ladder as string).match(/^Call-ID: \S+$/gm)).size).toBe(2)
    expect(ladder).toMatch(/us REFER \(\d\) -+> peer 1 UDP/)
    const told = brain.events.map(({ type }) => type)
    expect(told.at(-1)).toBe('call_ended')
    expect(told).not.toContain('transfer_failed')

    const link = await api.get(`/calls/${callId}/recording`)
    const bytes = await (await fetch(link.headers.get('location')!)).arrayBuffer()
    const { left, right } = readWav(Buffer.from(bytes))!
    expect(spokenIn(left)).toContain('I am the peer.')
    expect(spokenIn(right)).toMatch(/his is the target\..*Good to hear you\.$/)

    const own = Math.ceil((call.durationSec * 13) / 60)
    const postings = await postingsOf(api, callId)
    expect(postings.map(([type]) => type)).toEqual(['reserve', 'reserve', 'settle', 'settle'])
    expect(postings.slice(0, 3)).toEqual([
      ['reserve', -13],
      ['reserve', -TARGET_CENTS_PER_MIN],
      ['settle', 13 - own],
    ])
    const targetCents = call.costCents - own
    expect(targetCents % (TARGET_CENTS_PER_MIN / 60)).toBe(0)
    expect(targetCents).toBeGreaterThan(0)
    expect(targetCents).toBeLessThan((call.durationSec * TARGET_CENTS_PER_MIN) / 60)
    expect((await api.get('/usage')).body.balanceCents).toBe(before - call.costCents)
    expect(await world.server.store.tables.ledger.verify()).toEqual([])
    // Both phones spoke and heard, and none of it was the agent's business.
    const { body: events } = await api.get(`/calls/${callId}/events`)
    const types = events.map(({ type }: { type: string }) => type)
    expect(types.lastIndexOf('turn')).toBeLessThan(types.lastIndexOf('transfer'))
    await brain.close()
  })

  test('a target that is busy is refused by every means, and the call goes on', async () => {
    const line = await api.line()
    const brain = await SocketBrain.connect(world.url, line, () => [{ type: 'wait_for_user' }])
    const callId = await connect(world, line, PEER)
    const refused = await api.post(`/calls/${callId}/transfer`, { to: BUSY })
    expect([refused.status, refused.body]).toEqual([
      502,
      { _tag: 'TransferFailed', callId, reason: 'the target did not answer', sipCode: 486 },
    ])
    await world.until('the brain to hear', async () => brain.of('transfer_failed').length > 0)
    expect(brain.of('transfer_failed')).toMatchObject([{ sipCode: 486 }])
    expect((await transfersOf(api, callId)).map(({ state }) => state)).toEqual([
      'requested',
      'failed',
    ])
    const spoken = await api.post(`/calls/${callId}/speak`, { text: 'Still here?' })
    expect(spoken.status).toBe(200)
    const { body: call } = await api.post(`/calls/${callId}/end`)
    expect(call.hangupCause).toBe('api_end')
    expect((await postingsOf(api, callId)).map(([type]) => type)).toEqual([
      'reserve',
      'reserve',
      'release',
      'settle',
    ])
    expect(call.costCents).toBe(Math.ceil((call.durationSec * 13) / 60))
    await brain.close()
  })

  test('a brain is bound to its targets, and none of them is called once it has opted out', async () => {
    const line = await api.line({ callControl: { transfer: { targets: [OTHER] } } })
    await world.server.store.tables.consent.optOut(
      { workspaceId: 'ws_default', environment: 'test' },
      OTHER,
      'sms',
      Date.now(),
    )
    const brain = await SocketBrain.connect(world.url, line, ({ type }) =>
      type === 'outbound_call' ? [{ type: 'transfer', to: OTHER }] : null,
    )
    const callId = await connect(world, line, PEER)
    await world.until('the refusal', async () => brain.of('transfer_failed').length > 0)
    expect(brain.of('transfer_failed')[0].reason).toBe('recipient_opted_out')
    expect(await transfersOf(api, callId)).toEqual([])
    await api.post(`/calls/${callId}/end`)
    await brain.close()
  })

  test('somebody who called us is bridged like somebody whom we called', async () => {
    const line = await api.line()
    const brain = await SocketBrain.connect(world.url, line, () => [{ type: 'wait_for_user' }])
    const request = { from: PEER, toNumberId: line.numberId, script: 'no-transfer' }
    const { body: received } = await api.post('/sandbox/calls', request)
    const callId: string = received.id
    await world.until('the answer', async () => brain.of('inbound_call').length > 0)
    const transferred = await api.post(`/calls/${callId}/transfer`, { to: '+15555550110' })
    expect(transferred).toMatchObject({ status: 200 })
    await world.until('the bridge', async () =>
      (await transfersOf(api, callId)).some(({ state }) => state === 'completed'),
    )
    const { body: call } = await api.post(`/calls/${callId}/end`)
    expect(call).toMatchObject({
      direction: 'inbound',
      status: 'completed',
      hangupCause: 'api_end',
    })
    const kinds = (await postingsOf(api, callId)).map(([type]) => type)
    expect(kinds).toEqual(['reserve', 'reserve', 'settle', 'settle'])
    await brain.close()
  })

  test('a peer that hangs up while the target rings leaves no call and no hold', async () => {
    const line = await api.line()
    const callId = await connect(world, line, PEER)
    const transferring = api.post(`/calls/${callId}/transfer`, { to: '+15555550102' })
    expect((await transferring).status).toBe(200)
    const { body: call } = await api.post(`/calls/${callId}/end`)
    expect(call).toMatchObject({ status: 'completed', hangupCause: 'api_end' })
    expect((await postingsOf(api, callId)).map(([type]) => type).toSorted()).toEqual([
      'release',
      'reserve',
      'reserve',
      'settle',
    ])
    expect(await world.server.store.tables.ledger.verify()).toEqual([])
  })
})

describe('money in a bridge, in quick motion', () => {
  const clock = new SystemClock()
  const fast = new FastClock(clock, 15)
  const rates: Record<string, number> = { [TARGET]: 300, [OTHER]: 600, [BUSY]: 60 }
  const network = new ScriptedNetwork(fast)
  let world: World
  let api: ApiClient

  beforeAll(async () => {
    world = await openWorld({
      adapters: { clock: fast },
      network: async () => network,
      config: {
        rates: Object.entries(rates).map(([prefix, cents]) => {
          return { prefix, manualCentsPerMin: cents, hostedCentsPerMin: cents }
        }),
        limits: { requestsPerSec: 1000, burst: 1000 },
      },
    })
    api = world.api
  })
  afterAll(async () => {
    await world.close()
    if (clock.pending() > 0) throw new Error('a timer was left behind')
  })

  const bridge = async (to: string, maxDurationSec: number, settings = {}) => {
    const line = await api.line(settings)
    await api.consent(line.numberId, PEER)
    const brain = await SocketBrain.connect(world.url, line, () => [{ type: 'wait_for_user' }])
    const request = { fromNumberId: line.numberId, to: PEER, maxDurationSec }
    const placed = await api.post('/calls', request)
    expect(placed).toMatchObject({ status: 201 })
    const transferred = await api.post(`/calls/${placed.body.id}/transfer`, { to })
    await brain.close()
    return { callId: placed.body.id as string, transferred, line }
  }

  test('the target is called from the number of the call, or from another of the tenant', async () => {
    const { body: other } = await api.post('/numbers', {})
    const { phoneNumber: own } = other
    for (const from of [undefined, own, '+15550001234']) {
      const callControl = { transfer: { targets: [BUSY], from } }
      const { callId, line } = await bridge(BUSY, 60, { callControl })
      const command = network.commands.findLast(({ type }) => type === 'bridge')
      const expected = from === own ? own : line.phoneNumber
      expect(command).toMatchObject({ callId, to: BUSY, from: expected, ringTimeoutMs: 45_000 })
      await api.post(`/calls/${callId}/end`)
    }
  })

  test('a carrier that takes it and falls silent: told once, bridged later', async () => {
    network.silentOn.add(BUSY)
    const { callId, transferred } = await bridge(BUSY, 120)
    network.silentOn.clear()
    expect(transferred.status).toBe(200)
    const begun = network.commands.filter(({ type }) => type === 'bridge')
    expect(begun.some((command) => command.callId === callId)).toBe(false)
    await world.until('the bridge', async () =>
      (await transfersOf(api, callId)).some(({ state }) => state === 'completed'),
    )
    const { body: call } = await api.post(`/calls/${callId}/end`)
    expect((await transfersOf(api, callId)).map(({ state }) => state)).toEqual([
      'requested',
      'accepted',
      'completed',
    ])
    expect(call.costCents).toBeGreaterThan(Math.ceil((call.durationSec * 13) / 60))
  })

  test(
    'both holds grow, and both legs are settled at their own rates',
    { timeout: 60_000 },
    async () => {
      const { callId } = await bridge(BUSY, 100)
      const call = await api.final(callId)
      expect(call).toMatchObject({ hangupCause: 'max_duration', durationSec: 100 })
      const postings = await postingsOf(api, callId)
      const kinds = postings.map(([type]) => type)
      expect(kinds).toEqual(['reserve', 'reserve', 'extend', 'extend', 'settle', 'settle'])
      expect(postings.slice(0, 2)).toEqual([
        ['reserve', -13],
        ['reserve', -60],
      ])
      // 22 cents for 100 s at 13 a minute; the target at 60 a minute for almost as long: a cent a second.
      const targetCents = call.costCents - 22
      expect(targetCents).toBeGreaterThan(90)
      expect(targetCents).toBeLessThanOrEqual(100)
      expect(postings.reduce((sum, [, cents]) => sum + cents, 0)).toBe(-call.costCents)
    },
  )

  test(
    'one that can not grow ends the bridge inside what is held',
    { timeout: 60_000 },
    async () => {
      // Enough for one slice of each leg, and not for another of the target's.
      const left = (await api.get('/usage')).body.balanceCents
      if (left < 400) await topUp(world, 400 - left)
      const balance = (await api.get('/usage')).body.balanceCents
      expect(balance).toBeLessThan(600)
      const { callId, transferred } = await bridge(TARGET, 600)
      expect(transferred.status).toBe(200)
      const call = await api.final(callId)
      expect([call.status, call.hangupCause]).toEqual(['completed', 'insufficient_funds'])
      const targetCents = call.costCents - Math.ceil((call.durationSec * 13) / 60)
      expect(targetCents).toBeLessThanOrEqual(300)
      expect(targetCents).toBeGreaterThanOrEqual(55 * 5)
      expect((await api.get('/usage')).body.balanceCents).toBe(balance - call.costCents)
      expect(await world.server.store.tables.ledger.verify()).toEqual([])
    },
  )

  test('none is begun that can not be paid, and the call goes on', async () => {
    const { callId, transferred } = await bridge(OTHER, 600)
    expect([transferred.status, transferred.body]).toEqual([
      502,
      { _tag: 'TransferFailed', callId, reason: 'insufficient_funds', sipCode: 405 },
    ])
    expect((await api.get(`/calls/${callId}`)).body.phase).toBe('connected')
    const { body: call } = await api.post(`/calls/${callId}/end`)
    expect(call.costCents).toBe(Math.ceil((call.durationSec * 13) / 60))
  })
})
