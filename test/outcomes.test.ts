// Every way in which a call can end, over real SIP and RTP: status, cause, bill, one webhook, nothing left behind.
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Books, type CallBody } from './books.ts'
import { openTestNetwork, type TestNetwork } from './network.ts'
import { type ApiClient, openWorld, SocketBrain, until, type World } from './world.ts'

const phone = (digits: string): string => `+1555555${digits}`
const BUSY = phone('0101')
const UNANSWERED = phone('0102')
const MUTE = phone('0109')

/** What a phone says reaches the platform so much later: time for a CANCEL to cross an answer. */
const DELAY_MS = 80

let world: World
let net: TestNetwork
let api: ApiClient
let books: Books

beforeAll(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'saperly-outcomes-'))
  const scripts = join(dataDir, 'scripts')
  await mkdir(scripts)
  const steps = [{ do: 'answer' }, { do: 'wait', ms: 500 }, { do: 'press', digits: '9' }]
  const nine = { about: 'Presses 9.', steps: [...steps, { do: 'wait', ms: 20_000 }] }
  await writeFile(join(scripts, 'nine.json'), JSON.stringify(nine))
  world = await openWorld({
    dataDir,
    network: async (clock) => {
      net = await openTestNetwork(clock, { lossRate: 0, seed: 0, delayMs: DELAY_MS, scripts })
      return net.network
    },
    config: { limits: { requestsPerSec: 1000, burst: 1000 } },
  })
  api = world.api
  books = await Books.open(world)
})
afterAll(async () => {
  await until('every phone to be put down', async () => net.phones() === 0)
  await books.settle()
  await world.close()
}, 90_000)

interface Line {
  connectionId: string
  secret: string
  numberId: string
  phoneNumber: string
}

/** A line that may call `to`. */
async function lineFor(to: string, settings: Record<string, unknown> = {}): Promise<Line> {
  const line = await api.line(settings)
  expect((await api.consent(line.numberId, to)).status).toBe(201)
  return line
}

async function place(line: Line, to: string, more: Record<string, unknown> = {}): Promise<string> {
  const placed = await api.post('/calls', { fromNumberId: line.numberId, to, ...more })
  expect(placed).toMatchObject({ status: 201 })
  return placed.body.id
}

const connected = (callId: string): Promise<CallBody> =>
  until(`the answer of ${callId}`, async () => {
    const { body } = await api.get(`/calls/${callId}`)
    return body.phase === 'connected' ? body : null
  })

// oxlint-disable-next-line typescript/no-explicit-any
type Respond = (event: any) => Record<string, unknown>[] | null
const wait = [{ type: 'wait_for_user' }]
const brainOf = (line: Line, answer: Respond = () => wait): Promise<SocketBrain> =>
  SocketBrain.connect(world.url, line, answer)

const said = (call: CallBody): unknown[] => [call.status, call.hangupCause]

describe.concurrent('nobody takes the call', () => {
  test.each([
    ['busy', BUSY, 'busy', 486],
    ['declined', phone('0103'), 'declined', 603],
    ['not answered', UNANSWERED, 'no_answer', null],
  ])('%s', async (_name, to, cause, sipCode) => {
    const line = await lineFor(to)
    const call = await books.closed(await place(line, to, { ringTimeoutSec: 5 }))
    expect(call).toMatchObject({ status: 'no_answer', hangupCause: cause, answeredAt: null })
    expect(call.sipCode).toBe(sipCode)
  })

  test.each([
    ['refused', phone('0104'), 'carrier_refused', 503],
    ['silent', phone('0105'), 'carrier_silent', null],
  ])('the carrier: %s', async (_name, to, hangupCause, sipCode) => {
    const line = await lineFor(to)
    const request = { fromNumberId: line.numberId, to }
    const once = { 'idempotency-key': `carrier ${hangupCause}` }
    const refused = await api.post('/calls', request, once)
    expect(refused.status).toBe(502)
    expect(refused.body).toMatchObject({ _tag: 'CallStartFailed', hangupCause, sipCode })
    const again = await api.post('/calls', request, once)
    expect([again.status, again.body]).toEqual([502, refused.body])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    const call = await books.closed(refused.body.callId)
    expect(said(call)).toEqual(['failed', hangupCause])
  })

  test('ended before the answer', async () => {
    const line = await lineFor(UNANSWERED)
    const callId = await place(line, UNANSWERED)
    const ended = await api.post(`/calls/${callId}/end`)
    expect(said(ended.body)).toEqual(['no_answer', 'cancelled'])
    await books.closed(callId)
    const again = await api.post(`/calls/${callId}/end`, { durationSec: 10 })
    expect(again.body).toEqual(ended.body)
  })

  test('ended before the carrier has said a word', async () => {
    const to = phone('0105')
    const line = await lineFor(to)
    const placing = api.post('/calls', { fromNumberId: line.numberId, to })
    const path = `/calls?numberId=${line.numberId}`
    const dialing = await until('the call', async () => (await api.get(path)).body[0])
    expect(dialing).toMatchObject({ phase: 'dialing', status: 'initiated' })
    const ended = await api.post(`/calls/${dialing.id}/end`)
    expect(said(ended.body)).toEqual(['no_answer', 'cancelled'])
    expect(await placing).toMatchObject({ status: 201, body: { id: dialing.id } })
    await books.closed(dialing.id)
  })

  test('ended before the answer, with a duration that the customer reports: it is billed', async () => {
    const line = await lineFor(UNANSWERED)
    const callId = await place(line, UNANSWERED)
    await api.post(`/calls/${callId}/end`, { durationSec: 6.2 })
    const call = await books.closed(callId)
    expect(call).toMatchObject({ status: 'completed', durationSec: 7, costCents: 2 })
  })

  test('an end that crosses the answer is one or the other', async () => {
    const line = await lineFor(MUTE)
    const ends = Array.from({ length: 10 }, async (_, index) => {
      const callId = await place(line, MUTE)
      // The phone rings for a second; its answer is under way for the last 80 ms of it as we see it.
      await new Promise((resolve) => setTimeout(resolve, 860 + index * 20 + Math.random() * 20))
      await api.post(`/calls/${callId}/end`)
      return books.closed(callId)
    })
    for (const call of await Promise.all(ends)) {
      expect([
        ['no_answer', 'cancelled', 0],
        ['completed', 'api_end', 1],
      ]).toContainEqual([call.status, call.hangupCause, call.costCents])
    }
    expect(net.crossed()).toBeGreaterThan(0)
  })
})

describe.concurrent('somebody takes the call', () => {
  test('the peer hangs up', async () => {
    const to = phone('0107')
    const line = await lineFor(to)
    const call = await books.closed(await place(line, to))
    expect(said(call)).toEqual(['completed', 'peer_hangup'])
    expect(call.durationSec).toBeGreaterThanOrEqual(3)
    expect(call.durationSec).toBeLessThanOrEqual(5)
  })

  test('the API hangs up', async () => {
    const line = await lineFor(MUTE)
    const callId = await place(line, MUTE)
    await connected(callId)
    const ended = await api.post(`/calls/${callId}/end`)
    expect(said(ended.body)).toEqual(['completed', 'api_end'])
    await books.closed(callId)
  })

  test('many hang up at once: it ends once, and all are told the same', async () => {
    const line = await lineFor(MUTE)
    const callId = await place(line, MUTE)
    await connected(callId)
    const ends = await Promise.all(
      [3, 60, null, 7, 30].map((durationSec) => api.post(`/calls/${callId}/end`, { durationSec })),
    )
    const call = await books.closed(callId)
    expect(call).toMatchObject({ status: 'completed', hangupCause: 'api_end' })
    for (const { status, body } of ends) expect([status, body]).toEqual([200, call])
    // Which of them came in time is theirs to race; what was measured is a second or two.
    expect([3, 7, 30, 60]).toContain(call.durationSec)
  })

  test('the brain hangs up, after what it says', async () => {
    const line = await lineFor(MUTE)
    const brain = await brainOf(line, ({ type }) =>
      type === 'outbound_call' ? [{ type: 'speak', text: 'Good bye.' }, { type: 'hangup' }] : null,
    )
    const callId = await place(line, MUTE)
    const call = await books.closed(callId)
    expect(said(call)).toEqual(['completed', 'agent_hangup'])
    const { body: transcript } = await api.get(`/calls/${callId}/transcript`)
    expect(transcript.turns).toMatchObject([{ role: 'agent', heardText: 'Good bye.' }])
    expect(brain.of('call_ended')).toMatchObject([{ hangupCause: 'agent_hangup' }])
    await brain.close()
  })

  test('the longest duration is reached', async () => {
    const line = await lineFor(MUTE)
    const brain = await brainOf(line)
    const call = await books.closed(await place(line, MUTE, { maxDurationSec: 2 }))
    expect(said(call)).toEqual(['completed', 'max_duration'])
    expect(call.durationSec).toBe(2)
    await brain.close()
  })

  test('nobody says anything: the brain is told, and after six silences it ends', async () => {
    const line = await lineFor(MUTE, { turnTaking: { silenceTimeoutSec: 1 } })
    const brain = await brainOf(line)
    const call = await books.closed(await place(line, MUTE))
    expect(said(call)).toEqual(['completed', 'silence'])
    expect(brain.of('silence').map(({ seconds }) => seconds)).toEqual([1, 1, 1, 1, 1])
    await brain.close()
  })

  test('the peer interrupts: the brain learns what was heard', async () => {
    const to = phone('0108')
    const line = await lineFor(to)
    const text = 'Let me tell you all that we have to offer to you this summer, one by one.'
    const brain = await brainOf(line, ({ type }) =>
      type === 'outbound_call' ? [{ type: 'speak', text }] : wait,
    )
    const callId = await place(line, to)
    await until('the turn', async () => brain.of('turn').length > 0)
    const [interrupted] = brain.of('interrupted')
    const [opening] = brain.of('outbound_call')
    expect(interrupted.answering).toBe(opening.requestId)
    expect(interrupted.heard).not.toBe('')
    expect(interrupted.heard).not.toBe(text)
    expect(text.startsWith(interrupted.heard)).toBe(true)
    const { heard } = interrupted
    expect(brain.of('turn')[0]).toMatchObject({ text: 'Just a moment.', interrupted: { heard } })
    await api.post(`/calls/${callId}/end`)
    await books.closed(callId)
    await brain.close()
  })

  test('pressed digits reach the brain, together where it asked for so many', async () => {
    const to = phone('0110')
    const line = await lineFor(to)
    const brain = await brainOf(line, ({ type }) =>
      type === 'outbound_call'
        ? [
            { type: 'speak', text: 'Your code?' },
            { type: 'wait_for_user', expect: { digits: 5 } },
          ]
        : wait,
    )
    const callId = await place(line, to)
    await until('the digits', async () => brain.of('dtmf').length > 0)
    expect(brain.of('dtmf').map(({ digits }) => digits)).toEqual(['1234#'])
    await api.post(`/calls/${callId}/end`)
    await books.closed(callId)
    await brain.close()
  })
})

describe.concurrent('the peer wants no more calls', () => {
  test('said in words: opted out until a consent that says so', async () => {
    const to = phone('0111')
    const line = await lineFor(to)
    const brain = await brainOf(line, ({ type }) =>
      type === 'outbound_call' ? [{ type: 'speak', text: 'Hello.' }] : wait,
    )
    const request = { fromNumberId: line.numberId, to }
    const call = await books.closed(await place(line, to))
    expect(said(call)).toEqual(['completed', 'opted_out'])
    expect(brain.of('opt_out')).toMatchObject([{ text: 'Stop calling me.' }])
    const refused = await api.post('/calls', request)
    expect([refused.status, refused.body._tag]).toEqual([403, 'RecipientOptedOut'])
    await api.consent(line.numberId, to)
    expect((await api.post('/calls', request)).body._tag).toBe('RecipientOptedOut')
    const other = await lineFor(to)
    expect((await api.post('/calls', { fromNumberId: other.numberId, to })).status).toBe(403)

    const consent = { numberId: line.numberId, peerNumber: to, source: 'test', afterOptOut: true }
    await api.post('/consent', { ...consent, consentType: 'explicit_outbound' })
    const callId = await place(line, to)
    await api.post(`/calls/${callId}/end`)
    await books.closed(callId)
    await brain.close()
  })

  test('by the digit that the disclosure names', async () => {
    const from = phone('0199')
    const line = await lineFor(from, { complianceEnabled: true, disclosure: 'An AI. 9 stops it.' })
    const brain = await brainOf(line)
    const request = { from, toNumberId: line.numberId, script: 'nine' }
    const placed = await api.post('/sandbox/calls', request)
    expect(placed).toMatchObject({ status: 201 })
    const call = await books.closed(placed.body.id)
    expect(call).toMatchObject({ direction: 'inbound', hangupCause: 'opted_out' })
    expect(brain.of('opt_out')).toMatchObject([{ digit: '9' }])
    const refused = await api.post('/calls', { fromNumberId: line.numberId, to: from })
    expect([refused.status, refused.body._tag]).toEqual([403, 'RecipientOptedOut'])
    await brain.close()
  })
})

describe.concurrent('calls that come in', () => {
  test('a sandbox phone calls: its consent is implied afterwards', async () => {
    const from = phone('0198')
    const line = await api.line()
    const brain = await brainOf(line, ({ type }) =>
      type === 'inbound_call' ? [{ type: 'speak', text: 'Hello?' }] : [{ type: 'hangup' }],
    )
    const placed = await api.post('/sandbox/calls', { from, toNumberId: line.numberId })
    expect(placed.body).toMatchObject({ direction: 'inbound', from, to: line.phoneNumber })
    const call = await books.closed(placed.body.id)
    expect(said(call)).toEqual(['completed', 'agent_hangup'])
    expect(books.receiver.events('call.received').map(({ payload }) => payload.callId)).toContain(
      call.id,
    )
    const pair = `numberId=${line.numberId}&peerNumber=${encodeURIComponent(from)}`
    const check = await api.get(`/consent/check?${pair}`)
    expect(check.body).toEqual({ hasConsent: true, type: 'implied_inbound' })
    const back = await place(line, from)
    await api.post(`/calls/${back}/end`)
    await books.closed(back)
    await brain.close()
  })

  test('from one number of the platform to another: two calls, each with its own end', async () => {
    const callee = await api.line()
    const caller = await lineFor(callee.phoneNumber)
    const answering = await brainOf(callee, ({ type }) =>
      type === 'inbound_call' ? [{ type: 'speak', text: 'Hello, who is this?' }] : wait,
    )
    const calling = await brainOf(caller)
    const callId = await place(caller, callee.phoneNumber)
    await until('the callee to be heard', async () => calling.of('turn').length > 0)
    expect(calling.of('turn')[0].text).toBe('Hello, who is this?')
    await api.post(`/calls/${callId}/end`)
    const outbound = await books.closed(callId)
    const inbound = await books.closed(answering.of('inbound_call')[0].callId)
    expect(said(outbound)).toEqual(['completed', 'api_end'])
    expect(said(inbound)).toEqual(['completed', 'peer_hangup'])
    await Promise.all([answering.close(), calling.close()])
  })
})
