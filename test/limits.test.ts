// Limits and what follows live: rates, consent between two calls, event streams, and money that runs out in a call.
import { SystemClock } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FastClock, ScriptedNetwork } from './scripted-network.ts'
import { ApiClient, openWorld, SocketBrain, until, type World } from './world.ts'

const RINGING = '+15555550102'
const MUTE = '+15555550109'

/** The events of a stream, as far as it has been read. */
class EventStream {
  readonly events: { id: string; type: string }[] = []
  /** What the frames around them say: `id` and `event`. */
  readonly named: [string, string][] = []
  /** Resolves when the server has closed the stream. */
  readonly closed: Promise<void>
  readonly #abort = new AbortController()

  private constructor(response: Response, abort: AbortController) {
    this.#abort = abort
    this.closed = this.#read(response)
  }

  static async open(api: ApiClient, callId: string, lastEventId?: string): Promise<EventStream> {
    const abort = new AbortController()
    const response = await fetch(`${api.url}/calls/${callId}/events`, {
      signal: abort.signal,
      headers: {
        authorization: `Bearer ${api.token}`,
        accept: 'text/event-stream',
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
    })
    if (!response.ok) throw new Error(`no stream: ${response.status}`)
    return new EventStream(response, abort)
  }

  get types(): string[] {
    return this.events.map(({ type }) => type)
  }

  /** Goes away, as a client whose connection breaks. */
  async leave(): Promise<void> {
    this.#abort.abort()
    await this.closed.catch(() => undefined)
  }

  async #read(response: Response): Promise<void> {
    let text = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk, { stream: true })
      const frames = text.split('\n\n')
      text = frames.pop()!
      for (const frame of frames) {
        const id = /^id: (.*)$/m.exec(frame)?.[1]
        if (id === undefined) continue
        this.named.push([id, /^event: (.*)$/m.exec(frame)![1]!])
        this.events.push(JSON.parse(/^data: (.*)$/m.exec(frame)![1]!))
      }
    }
  }
}

async function mint({ api, url }: World): Promise<ApiClient & { id: string }> {
  const minted = await api.post('/api-tokens', { name: 'other', scopes: ['read'] })
  if (minted.status !== 201) throw new Error(`no key: ${minted.status}`)
  return Object.assign(new ApiClient(url, minted.body.token), { id: minted.body.id })
}

test('a key that asks too often is told when to come back; others are not held up', async () => {
  const limits = { requestsPerSec: 2, burst: 20 }
  const world = await openWorld({ config: { limits } })
  const eager = await mint(world)
  const startedMs = performance.now()
  const answers = await Promise.all(Array.from({ length: 200 }, () => eager.get('/languages')))
  const tookSec = (performance.now() - startedMs) / 1000
  const passed = answers.filter(({ status }) => status === 200)
  const refused = answers.filter(({ status }) => status !== 200)
  expect(passed.length).toBeGreaterThanOrEqual(limits.burst)
  expect(passed.length).toBeLessThanOrEqual(limits.burst + tookSec * limits.requestsPerSec + 1)
  expect(refused.length).toBeGreaterThan(0)
  for (const { status, body, headers } of refused) {
    expect([status, body]).toEqual([429, { _tag: 'RateLimited', bucket: 'key' }])
    expect(headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  }
  const other = await mint(world)
  expect((await other.get('/languages')).status).toBe(200)
  const waitSec = Number(refused.at(-1)!.headers.get('retry-after'))
  await new Promise((resolve) => setTimeout(resolve, waitSec * 1000))
  expect((await eager.get('/languages')).status).toBe(200)
  await world.close()
})

describe('a world as it comes', () => {
  let world: World
  let api: ApiClient

  beforeAll(async () => {
    world = await openWorld()
    api = world.api
  })
  afterAll(() => world.close())

  const ringingCall = async (): Promise<string> => {
    const line = await api.line()
    await api.consent(line.numberId, RINGING)
    const placed = await api.post('/calls', { fromNumberId: line.numberId, to: RINGING })
    expect(placed).toMatchObject({ status: 201 })
    return placed.body.id
  }

  test('consent that is revoked between two calls: the second leaves no trace but the audit', async () => {
    const line = await api.line()
    const request = { fromNumberId: line.numberId, to: RINGING }
    await api.consent(line.numberId, RINGING)
    const first = await api.post('/calls', request)
    expect(first).toMatchObject({ status: 201 })
    await api.post(`/calls/${first.body.id}/end`)

    const pair = { numberId: line.numberId, peerNumber: RINGING }
    expect(await api.post('/consent/revoke', pair)).toMatchObject({ status: 200 })
    const before = await Promise.all([api.get('/calls'), api.get('/transactions')])
    const second = await api.post('/calls', request)
    expect([second.status, second.body]).toEqual([
      403,
      { _tag: 'ConsentRequired', numberId: line.numberId, to: RINGING },
    ])
    const after = await Promise.all([api.get('/calls'), api.get('/transactions')])
    expect(after.map(({ body }) => body)).toEqual(before.map(({ body }) => body))
    const { body: trail } = await api.get('/audit-events?limit=5')
    expect(trail[0]).toMatchObject({ data: { reason: 'ConsentRequired' } })

    await api.consent(line.numberId, RINGING)
    const third = await api.post('/calls', request)
    expect(third).toMatchObject({ status: 201 })
    await api.post(`/calls/${third.body.id}/end`)
  })

  test('events come live, are resumed where they broke off, and the stream ends with the call', async () => {
    const callId = await ringingCall()
    const early = await EventStream.open(api, callId)
    await until('the ringing', async () => early.types.includes('ringing'))
    expect(early.types).toEqual(['initiated', 'ringing'])
    await early.leave()

    const [initiated, ringing] = early.events
    const resumed = await EventStream.open(api, callId, initiated!.id)
    const behind = await EventStream.open(api, callId, ringing!.id)
    await until('the past', async () => resumed.types.length > 0)
    await api.post(`/calls/${callId}/end`)
    await Promise.all([resumed.closed, behind.closed])
    expect(resumed.types).toEqual(['ringing', 'ended'])
    expect(behind.types).toEqual(['ended'])

    const late = await EventStream.open(api, callId)
    await late.closed
    expect(late.types).toEqual(['initiated', 'ringing', 'ended'])
    const { body: listed } = await api.get(`/calls/${callId}/events`)
    expect(late.events).toEqual(listed)
    expect(late.named).toEqual(late.events.map(({ id, type }) => [id, type]))
  })

  test('a stream ends when its key is revoked', async () => {
    const callId = await ringingCall()
    const guest = await mint(world)
    const stream = await EventStream.open(guest, callId)
    await until('the past', async () => stream.types.length > 0)
    await api.post(`/api-tokens/${guest.id}/revoke`)
    await stream.closed
    expect(stream.types).not.toContain('ended')
    await api.post(`/calls/${callId}/end`)
  })
})

describe('money in a call, in quick motion', () => {
  const CENTS_PER_MIN = 300
  const clock = new SystemClock()
  const fast = new FastClock(clock, 15)
  let world: World
  let api: ApiClient

  beforeAll(async () => {
    world = await openWorld({
      adapters: { clock: fast },
      network: async () => new ScriptedNetwork(fast),
      config: {
        rates: [
          { prefix: MUTE, manualCentsPerMin: CENTS_PER_MIN, hostedCentsPerMin: CENTS_PER_MIN },
        ],
        limits: { requestsPerSec: 1000, burst: 1000 },
      },
    })
    api = world.api
  })
  afterAll(async () => {
    await world.close()
    if (clock.pending() > 0) throw new Error('a timer was left behind')
  })

  /** Talks until the platform ends it. */
  const talk = async (to: string, maxDurationSec: number) => {
    const line = await api.line()
    await api.consent(line.numberId, to)
    const brain = await SocketBrain.connect(world.url, line, () => [{ type: 'wait_for_user' }])
    const request = { fromNumberId: line.numberId, to, maxDurationSec }
    const placed = await api.post('/calls', request)
    expect(placed).toMatchObject({ status: 201 })
    const call = await api.final(placed.body.id)
    const { body: postings } = await api.get('/transactions?limit=1000')
    const own: { type: string; amountCents: number; callId: string }[] = postings
    await brain.close()
    return { call, brain, postings: own.filter(({ callId }) => callId === call.id).toReversed() }
  }

  test('the hold grows slice by slice', { timeout: 60_000 }, async () => {
    const { call, postings } = await talk(RINGING, 100)
    expect(call).toMatchObject({ hangupCause: 'max_duration', durationSec: 100, costCents: 22 })
    expect(postings.map(({ type, amountCents }) => [type, amountCents])).toEqual([
      ['reserve', -13],
      ['extend', -9],
      ['settle', 0],
    ])
  })

  test(
    'when it cannot, the brain is told and the call ends inside of it',
    { timeout: 60_000 },
    async () => {
      const { call, brain, postings } = await talk(MUTE, 600)
      expect([call.status, call.hangupCause]).toEqual(['completed', 'insufficient_funds'])
      expect(call.durationSec).toBeGreaterThanOrEqual(59)
      expect(call.costCents).toBeLessThanOrEqual(CENTS_PER_MIN)
      expect(brain.of('funds_low')).toMatchObject([{ secondsLeft: 15 }])
      expect(postings.map(({ type }) => type)).toEqual(['reserve', 'settle'])
      expect(await world.server.store.tables.ledger.verify()).toEqual([])
    },
  )
})

describe('a network that is full', () => {
  test('takes no call more, says when to try again, and costs nothing', async () => {
    const clock = new SystemClock()
    const network = new ScriptedNetwork(clock)
    const world = await openWorld({ adapters: { clock }, network: async () => network })
    const { api } = world
    const line = await api.line()
    await api.consent(line.numberId, RINGING)
    const request = { fromNumberId: line.numberId, to: RINGING }
    const worker = {
      legs: 700,
      loopUse: 0.75,
      slipP50Ms: 1,
      slipP99Ms: 12,
      lateShare: 0.01,
      packetsSent: 1,
      packetsReceived: 2,
      packetsLost: 3,
      packetsLate: 4,
      framesConcealed: 5,
    }
    network.load = { workers: [worker], overloaded: true }
    const refused = await api.post('/calls', request)
    expect(refused).toMatchObject({ status: 503, body: { _tag: 'Unavailable' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await api.get('/transactions')).body).toMatchObject([{ type: 'topup' }])
    const metrics = await (await fetch(`${world.url}/metrics`)).text()
    expect(metrics).toContain('saperly_media_overloaded 1\n')
    expect(metrics).toContain('saperly_media_loop_use_ratio{worker="0"} 0.75\n')
    expect(metrics).toContain('saperly_media_pacing_slip_p99_seconds{worker="0"} 0.012\n')
    expect(metrics).toContain('saperly_media_pacing_late_ratio{worker="0"} 0.01\n')
    network.load = { workers: [worker], overloaded: false }
    const placed = await api.post('/calls', request)
    expect(placed.status).toBe(201)
    await api.post(`/calls/${placed.body.id}/end`)
    await world.close()
  })
})
