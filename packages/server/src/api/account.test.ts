// Keys, consent, money, lists and the audit trail.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../store/testing.ts'
import { openApiWorld, type Answered, type ApiWorld } from './testing.ts'

let server: TestServer
let world: ApiWorld
let token: string
let numberId: string

beforeAll(async () => {
  server = await startTestServer()
  world = await openApiWorld((await server.open()).store)
  token = (await world.key()).token
  numberId = (await world.line(token)).numberId
})
afterAll(async () => {
  await world.close()
  await server.stop()
})

const ask = (line: string, body?: unknown, as = token): Promise<Answered> =>
  world.request(line, { token: as, ...(body === undefined ? {} : { body }) })
const rows = async (line: string, as = token) =>
  JSON.parse((await ask(line, undefined, as)).raw) as Record<string, unknown>[]

describe('keys', () => {
  const mint = (body: Record<string, unknown>, as = token) =>
    ask('POST /api-tokens', { name: 'child', scopes: ['read'], ...body }, as)

  it('are shown once, in the environment of their parent, with their bundle spelt out', async () => {
    const { status, body } = await mint({ scopes: ['read', 'calls:create'] })
    expect(status).toBe(201)
    expect(body['token']).toMatch(/^sk_test_/)
    expect(String(body['token']).startsWith(String(body['prefix']))).toBe(true)
    expect(body['scopes']).toContain('calls:create')
    expect(body['scopes']).toContain('billing:read')
    expect(body['scopes']).not.toContain('read')
    expect((await ask('GET /calls', undefined, String(body['token']))).status).toBe(200)
    expect((await ask('GET /api-tokens')).raw).not.toContain(String(body['token']))
  })

  it('stay within their parent', async () => {
    const expiresAt = new Date(world.clock.now() + 60_000).toISOString()
    const limits = { spendLimitCents: 100, spendLimitResetPeriod: 'monthly', expiresAt }
    const parent = await mint({
      scopes: ['keys:admin', 'calls:read'],
      numberScope: [numberId],
      ...limits,
    })
    const as = String(parent.body['token'])
    const heir = await mint({ scopes: ['calls:read'] }, as)
    expect(heir.body).toMatchObject({
      numberScope: [numberId],
      ...limits,
      mintedByTokenId: parent.body['id'],
    })
    const late = new Date(world.clock.now() + 120_000).toISOString()
    for (const [body, tag] of [
      [{ scopes: ['write'] }, 'AuthorizationDenied'],
      [{ scopes: ['calls:read'], spendLimitCents: 101 }, 'AuthorizationDenied'],
      [{ scopes: ['calls:read'], expiresAt: late }, 'AuthorizationDenied'],
      [{ scopes: ['calls:read'], numberScope: ['num_x'] }, 'NumberNotFound'],
      [{ scopes: ['calls:read'], expiresAt: '2001-01-01T00:00:00Z' }, 'ValidationError'],
      [{ scopes: ['calls:read'], spendLimitResetPeriod: 'monthly' }, 'ValidationError'],
    ] as const)
      expect((await mint(body, as)).body['_tag']).toBe(tag)
  })

  it('die with their parent, and it is audited', async () => {
    const parent = await mint({ scopes: ['admin'] })
    const child = await mint({}, String(parent.body['token']))
    const revoked = await ask(`POST /api-tokens/${String(parent.body['id'])}/revoke`)
    expect(revoked.body['revokedAt']).toEqual(expect.any(String))
    for (const key of [parent, child])
      expect((await ask('GET /calls', undefined, String(key.body['token']))).status).toBe(401)
    const events = await rows(`GET /audit-events?eventType=key.revoked`)
    const targets = events.map((event) => event['targetId'])
    expect(targets).toEqual(expect.arrayContaining([parent.body['id'], child.body['id']]))
  })

  it('with an allow-list see only keys within it', async () => {
    const narrow = await mint({ scopes: ['keys:admin'], numberScope: [numberId] })
    const seen = await rows('GET /api-tokens', String(narrow.body['token']))
    expect(seen.map((key) => key['id'])).toContain(narrow.body['id'])
    for (const key of seen) expect(key['numberScope']).toEqual([numberId])
    const { row } = await world.key()
    const revoke = await ask(
      `POST /api-tokens/${row.id}/revoke`,
      undefined,
      String(narrow.body['token']),
    )
    expect(revoke.status).toBe(404)
  })
})

describe('consent', () => {
  const grant = (peerNumber: string, more: Record<string, unknown> = {}) =>
    ask('POST /consent', {
      numberId,
      peerNumber,
      consentType: 'explicit_outbound',
      source: 'form',
      ...more,
    })
  const revoke = (peerNumber: string, more: Record<string, unknown> = {}) =>
    ask('POST /consent/revoke', { numberId, peerNumber, ...more })
  const check = async (peerNumber: string) =>
    (await ask(`GET /consent/check?numberId=${numberId}&peerNumber=${peerNumber}`)).body

  it('is recorded, checked, listed, ended, and audited', async () => {
    const peer = '+15555550130'
    expect(await check(peer)).toEqual({ hasConsent: false, type: null })
    const granted = await grant(peer)
    expect(granted).toMatchObject({ status: 201, body: { peerNumber: peer, revokedAt: null } })
    expect(await check(peer)).toEqual({ hasConsent: true, type: 'explicit_outbound' })
    const ended = await revoke(peer)
    expect(ended.body).toMatchObject({ id: granted.body['id'], revokedAt: expect.any(String) })
    expect(await check(peer)).toEqual({ hasConsent: false, type: null })
    expect((await revoke(peer)).body).toEqual({ _tag: 'NotFound', path: '/consent/revoke' })
    const listed = await rows(`GET /consent?peerNumber=%2B15555550130`)
    expect(listed).toMatchObject([{ id: granted.body['id'] }])
    const trail = await rows(`GET /audit-events?targetId=${String(granted.body['id'])}`)
    expect(trail.map((event) => event['eventType'])).toEqual(['consent.revoked', 'consent.granted'])
  })

  it('ends for every number at an opt-out, and comes back only by a new one that says so', async () => {
    const peer = '+15555550131'
    await grant(peer)
    expect((await revoke(peer, { optOut: true })).status).toBe(200)
    await grant(peer)
    expect((await check(peer))['hasConsent']).toBe(false)
    await grant(peer, { afterOptOut: true })
    expect((await check(peer))['hasConsent']).toBe(true)
    const trail = await rows(`GET /audit-events?targetId=%2B15555550131`)
    expect(trail.map((event) => event['eventType'])).toEqual(['opt_out.lifted', 'opt_out.recorded'])
  })

  it('is blocked by an opt-out of its own route, however often that is said', async () => {
    const peer = '+15555550133'
    await grant(peer)
    const say = (reason?: string) => ask('POST /opt-outs', { peerNumber: peer, reason })
    const first = await say('asked by e-mail')
    expect(first).toMatchObject({
      status: 200,
      body: { peerNumber: peer, source: 'api', reason: 'asked by e-mail' },
    })
    expect((await say('again')).body).toEqual(first.body)
    expect((await check(peer))['hasConsent']).toBe(false)
    expect(await rows(`GET /opt-outs?peerNumber=%2B15555550133`)).toEqual([first.body])
    expect((await rows('GET /opt-outs'))[0]).toEqual(first.body)
    const trail = await rows(`GET /audit-events?targetId=%2B15555550133`)
    expect(trail.map((event) => event['eventType'])).toEqual([
      'opt_out.recorded',
      'opt_out.recorded',
    ])
    expect(trail[0]!['targetId']).not.toContain('5555550133')
    await grant(peer, { afterOptOut: true })
    expect(await rows(`GET /opt-outs?peerNumber=%2B15555550133`)).toEqual([])
  })

  it('shows opt-outs page by page, newest first', async () => {
    for (const peerNumber of ['+15555550141', '+15555550142', '+15555550143'])
      await ask('POST /opt-outs', { peerNumber })
    const page = await ask('GET /opt-outs?limit=2')
    const next = /<([^>]+)>/.exec(String(page.headers['link']))?.[1] ?? ''
    const after = await rows(`GET ${next.slice(next.indexOf('/opt-outs'))}`)
    const seen = [...(page.body as unknown as { peerNumber: string }[]), ...after]
    expect(seen.slice(0, 3).map((row) => row['peerNumber'])).toEqual([
      '+15555550143',
      '+15555550142',
      '+15555550141',
    ])
  })

  it('shows an opt-out of somebody who never consented', async () => {
    const answer = await revoke('+15555550132', { optOut: true })
    expect(answer).toMatchObject({ status: 200, body: { consentType: null, grantedAt: null } })
  })
})

describe('money', () => {
  it('starts with the credit of a fresh workspace', async () => {
    const usage = await ask('GET /usage')
    expect(usage.body).toMatchObject({ messages: { count: 0 }, balanceCents: 500 })
    expect(await rows('GET /transactions')).toMatchObject([{ type: 'topup', amountCents: 500 }])
  })
})

describe('lists', () => {
  it('are newest first, in pages that a Link leads through', async () => {
    const made: unknown[] = []
    for (let i = 0; i < 5; i++)
      made.unshift((await ask('POST /connections', { name: `c${i}` })).body['id'])
    const seen: unknown[] = []
    let line: string | null = '/v2/connections?limit=2'
    while (line !== null && seen.length < made.length) {
      const page: Answered = await ask(`GET ${line}`)
      for (const row of JSON.parse(page.raw) as { id: string }[]) seen.push(row.id)
      const link = /<http:\/\/platform\.test(\/v2\S+)>; rel="next"/.exec(
        String(page.headers['link']),
      )
      line = link?.[1] ?? null
    }
    expect(seen.slice(0, 5)).toEqual(made)
  })

  it('filter calls', async () => {
    const to = '+15555550123'
    const placed = await ask('POST /calls', { fromNumberId: numberId, to, metadata: { a: 'b' } })
    expect(placed).toMatchObject({ status: 201, body: { metadata: { a: 'b' }, phase: 'ringing' } })
    const all = await rows(
      `GET /calls?status=initiated&numberId=${numberId}&to=${to}&since=2020-01-01`,
    )
    expect(all.map((call) => call['id'])).toContain(placed.body['id'])
    expect(await rows('GET /calls?until=2020-01-01')).toEqual([])
    expect(await rows('GET /calls?status=failed')).toEqual([])
  })

  it('hide calls of numbers that the key is not allowed', async () => {
    const bound = await world.key({ numberScope: ['num_x'] })
    expect(await rows('GET /calls', bound.token)).toEqual([])
  })
})

describe('catalogue', () => {
  it('has voices, languages and prices', async () => {
    expect(await rows('GET /voices?language=en')).toMatchObject([{ id: 'slt' }])
    expect(await rows('GET /voices?language=de')).toEqual([])
    expect(await rows('GET /languages')).toEqual([{ code: 'en-US', name: 'American English' }])
    expect((await ask('GET /pricing/quote')).body).toEqual({
      country: 'US',
      numberType: 'local',
      monthlyPriceCents: 0,
      currency: 'USD',
    })
  })
})
