// Idempotency: one effect and one answer for one key, whatever comes in between.
import { failure } from '@saperly/contract'
import { SimClock } from '@saperly/kernel'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../store/testing.ts'
import { ABANDONED_AFTER_MS, canonical, requestHash } from './idempotency.ts'
import { openApiWorld, type ApiWorld } from './testing.ts'

let server: TestServer
let world: ApiWorld
let token: string
let keyId: string
let numberId: string
let clock: SimClock
let count = 0

beforeAll(async () => {
  server = await startTestServer()
  clock = new SimClock()
  world = await openApiWorld((await server.open({ clock })).store, { clock })
  const key = await world.key()
  token = key.token
  keyId = key.row.id
  numberId = (await world.line(token)).numberId
})
afterAll(async () => {
  await world.close()
  await server.stop()
})

const place = (idempotencyKey: string, body: Record<string, unknown> = {}, path = '/calls') =>
  world.request(`POST ${path}`, {
    token,
    body: { fromNumberId: numberId, to: '+15555550123', ...body },
    headers: { 'idempotency-key': idempotencyKey },
  })
const fresh = (): string => `key ${count++}`
const placed = (): number => world.calls.placed.length

describe('placing', () => {
  it('answers the same bytes again, and makes one call', async () => {
    const key = fresh()
    const before = placed()
    const first = await place(key)
    const again = await place(key, {}, '/v2/calls')
    expect([first.status, again.status]).toEqual([201, 201])
    expect(again.raw).toBe(first.raw)
    expect(first.headers['idempotency-replayed']).toBeUndefined()
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    expect(placed()).toBe(before + 1)
  })

  it('takes the same body written otherwise for the same', async () => {
    const key = fresh()
    const body = (text: string) =>
      world.request('POST /calls', { token, body: text, headers: { 'idempotency-key': key } })
    await body(`{"fromNumberId":"${numberId}","to":"+15555550123"}`)
    const again = await body(`{ "to": "+15555550123",  "fromNumberId": "${numberId}" }`)
    expect(again.headers['idempotency-replayed']).toBe('true')
  })

  it('refuses another body or route under the same key', async () => {
    const key = fresh()
    await place(key)
    expect(await place(key, { to: '+15555550101' })).toMatchObject({
      status: 422,
      body: { _tag: 'IdempotencyKeyMismatch' },
    })
    const other = await world.request('POST /connections', {
      token,
      body: { name: 'a' },
      headers: { 'idempotency-key': key },
    })
    expect(other).toMatchObject({ status: 422, body: { _tag: 'IdempotencyKeyMismatch' } })
  })

  it('keeps a 502 that came after the reserve', async () => {
    const key = fresh()
    const fields = { callId: 'call_x', reason: 'no', hangupCause: 'no_trunk', sipCode: null }
    world.calls.script('place', { failure: failure('CallStartFailed', fields) })
    const first = await place(key)
    const again = await place(key)
    expect(first.status).toBe(502)
    expect([again.status, again.raw]).toEqual([502, first.raw])
    expect(again.headers['idempotency-replayed']).toBe('true')
  })

  it('frees the key after a refusal', async () => {
    const key = fresh()
    const refusal = failure('ConsentRequired', { numberId, to: '+15555550123' })
    world.calls.script('place', { failure: refusal })
    expect((await place(key)).status).toBe(403)
    const second = await place(key)
    expect(second.status).toBe(201)
    expect(second.headers['idempotency-replayed']).toBeUndefined()
  })

  it('answers 409 while the first runs, also to many at once, and makes one call', async () => {
    const key = fresh()
    const before = placed()
    let finish = (): void => {}
    world.calls.script('place', { until: new Promise((resolve) => (finish = resolve)) })
    const first = place(key)
    await expect.poll(() => placed()).toBe(before + 1)
    const others = await Promise.all(Array.from({ length: 8 }, () => place(key)))
    for (const other of others) {
      expect(other).toMatchObject({ status: 409, body: { _tag: 'IdempotencyConflict' } })
      expect(other.headers['retry-after']).toBe('1')
    }
    finish()
    expect((await first).status).toBe(201)
    expect(placed()).toBe(before + 1)
  })

  it('never makes a second call after a fault behind the first', async () => {
    const key = fresh()
    const before = placed()
    world.calls.script('place', { error: new Error('broken') })
    expect((await place(key)).status).toBe(500)
    const again = await place(key)
    expect(again).toMatchObject({ status: 201, body: { phase: 'ringing', status: 'initiated' } })
    expect(placed()).toBe(before + 1)
  })

  it('tells of a call that a crash left behind as soon as it is final', async () => {
    const key = fresh()
    world.calls.script('place', { error: new Error('broken') })
    await place(key)
    const callId = String((await world.request('GET /calls?limit=1', { token })).raw).match(
      /call_[0-9a-z]+/,
    )![0]
    const patch = { state: 'ended', status: 'failed', hangupCause: 'process_lost' } as const
    await world.store.tables.calls.change({ id: callId, processId: 'proc_none' }, ['ringing'], {
      ...patch,
      durationSec: 0,
      costCents: 0,
      endedAt: clock.now(),
    })
    expect(await place(key)).toMatchObject({
      status: 502,
      body: { _tag: 'CallStartFailed', callId, hangupCause: 'process_lost' },
    })
  })
})

describe('records', () => {
  const claim = (key: string) =>
    world.store.tables.idempotency.begin({
      tenant: { workspaceId: world.workspaceId, environment: 'test' },
      keyId,
      key,
      requestHash: requestHash('POST /calls', { fromNumberId: numberId, to: '+15555550123' }),
      at: clock.now(),
    })

  it('are taken over once from a process that is gone', async () => {
    const key = fresh()
    await claim(key)
    expect((await place(key)).status).toBe(409)
    await clock.advance(ABANDONED_AFTER_MS)
    const before = placed()
    const answers = await Promise.all(Array.from({ length: 5 }, () => place(key)))
    expect(placed()).toBe(before + 1)
    const won = answers.filter(
      ({ status, headers }) => status === 201 && !headers['idempotency-replayed'],
    )
    expect(won).toHaveLength(1)
  })

  it('are forgotten after a day', async () => {
    const key = fresh()
    const first = await place(key)
    await clock.advance(24 * 60 * 60 * 1000 + 1)
    const later = await place(key)
    expect(later.status).toBe(201)
    expect(later.raw).not.toBe(first.raw)
  })

  it('are of one API key', async () => {
    const key = fresh()
    await place(key)
    const other = await world.key()
    const answer = await world.request('POST /calls', {
      token: other.token,
      body: { fromNumberId: numberId, to: '+15555550123' },
      headers: { 'idempotency-key': key },
    })
    expect(answer.headers['idempotency-replayed']).toBeUndefined()
  })
})

describe('other routes', () => {
  it('leave secrets out of a replay', async () => {
    const mint = (key: string, line: string, body: unknown) =>
      world.request(line, { token, body, headers: { 'idempotency-key': key } })
    for (const [line, body, field] of [
      ['POST /connections', { name: 'a', mode: 'manual' }, 'manualSecret'],
      ['POST /api-tokens', { name: 'a', scopes: ['read'] }, 'token'],
      ['POST /webhooks', { url: 'https://example.com/', events: ['balance.low'] }, 'signingSecret'],
    ] as const) {
      const key = fresh()
      const first = await mint(key, line, body)
      const again = await mint(key, line, body)
      expect(first.body[field]).toEqual(expect.any(String))
      expect(again.headers['idempotency-replayed']).toBe('true')
      expect(again.body['id']).toBe(first.body['id'])
      expect(again.body[field] ?? null).toBeNull()
    }
  })

  it('refuse a key that is too long or empty', async () => {
    expect((await place('k'.repeat(256))).body['_tag']).toBe('IdempotencyKeyMismatch')
    expect((await place('k'.repeat(255))).status).toBe(201)
    expect((await place(' ')).body['_tag']).toBe('ValidationError')
  })
})

describe('canonical', () => {
  it('does not depend on the order of names', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
    const same = fc.property(object, (value) => {
      const turned = Object.fromEntries(Object.entries(value).toReversed())
      expect(canonical(turned)).toBe(canonical(value))
    })
    fc.assert(same)
  })
})
