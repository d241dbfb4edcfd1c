// Numbers, connections and webhooks: what a customer sets up before the first call.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionDefaults } from '@saperly/contract'
import { sealedFor, SecretBox } from '../secrets/box.ts'
import { hashToken } from '../secrets/tokens.ts'
import { systemRandom } from '@saperly/kernel'
import { startTestServer, type TestServer } from '../store/testing.ts'
import { openApiWorld, type ApiWorld, type Answered } from './testing.ts'

let server: TestServer
let world: ApiWorld
let token: string
const tenant = () => ({ workspaceId: world.workspaceId, environment: 'test' as const })

beforeAll(async () => {
  server = await startTestServer()
  world = await openApiWorld((await server.open()).store)
  token = (await world.key()).token
})
afterAll(async () => {
  await world.close()
  await server.stop()
})

const ask = (line: string, body?: unknown): Promise<Answered> =>
  world.request(line, { token, ...(body === undefined ? {} : { body }) })
const connection = async (more: Record<string, unknown> = {}): Promise<Answered> =>
  ask('POST /connections', { name: 'agent', ...more })

describe('numbers', () => {
  it('come at once and for nothing in test, with a body or without', async () => {
    for (const body of [undefined, {}, { country: null, numberType: 'local', areaCode: '415' }]) {
      const answer = await ask('POST /numbers', body)
      expect(answer.status).toBe(201)
      expect(answer.body).toMatchObject({
        phoneNumber: expect.stringMatching(/^\+1555\d{7}$/),
        country: 'US',
        numberType: 'local',
        monthlyPriceCents: 0,
        currency: 'USD',
        connectionId: null,
        releasedAt: null,
      })
    }
  })

  it('can be asked for by name, once, and never one of the sandbox’s phones', async () => {
    const wish = { phoneNumber: '+15557654321' }
    expect((await ask('POST /numbers', wish)).body['phoneNumber']).toBe('+15557654321')
    for (const phoneNumber of ['+15557654321', '+15555550123', '+12125550100']) {
      const answer = await ask('POST /numbers', { phoneNumber })
      expect(answer).toMatchObject({ status: 404, body: { _tag: 'NoNumbersAvailable' } })
    }
  })

  it('are imported, not sold, in live', async () => {
    const live = await world.key({ tenant: { environment: 'live' } })
    const answer = await world.request('POST /numbers', { token: live.token, body: {} })
    expect(answer.body).toEqual({
      _tag: 'NoNumbersAvailable',
      country: 'US',
      numberType: 'local',
    })
  })

  it('are bound, set and released; what is released can’t be used', async () => {
    const { numberId, connectionId } = await world.line(token)
    expect((await ask(`GET /numbers/${numberId}`)).body['connectionId']).toBe(connectionId)
    for (const [path, body, field] of [
      ['webhook', { url: 'https://example.com/x' }, 'webhookUrl'],
      ['caller-id', { callerIdName: 'Acme' }, 'callerIdName'],
      ['sms-sender', { smsSenderId: 'ACME' }, 'smsSenderId'],
      ['connection', { connectionId: null }, 'connectionId'],
    ] as const) {
      const answer = await ask(`POST /numbers/${numberId}/${path}`, body)
      expect(answer.status).toBe(200)
      expect([answer.body[field]]).toEqual(Object.values(body))
    }
    expect((await ask(`POST /numbers/${numberId}/release`)).body).toEqual({ status: 'released' })
    const again = await ask(`POST /numbers/${numberId}/release`)
    expect(again.body).toEqual({ _tag: 'NumberNotFound', numberId })
    expect((await ask(`GET /numbers/${numberId}`)).body['releasedAt']).toEqual(expect.any(String))
  })

  it('can’t be got with a key that is bound to others', async () => {
    const bound = await world.key({ numberScope: ['num_x'] })
    const answer = await world.request('POST /numbers', { token: bound.token, body: {} })
    expect(answer).toMatchObject({ status: 403, body: { _tag: 'AuthorizationDenied' } })
  })
})

describe('connections', () => {
  it('have the documented defaults', async () => {
    const { status, body } = await connection()
    expect(status).toBe(201)
    expect(body).toEqual({
      ...connectionDefaults,
      id: expect.stringMatching(/^conn_/),
      name: 'agent',
      recognizer: 'phrases',
      createdAt: expect.any(String),
    })
  })

  it('show the manual secret once, and keep it sealed', async () => {
    const { body } = await connection({ mode: 'manual' })
    const secret = String(body['manualSecret'])
    expect(secret).toMatch(/^mc_/)
    const id = String(body['id'])
    expect((await ask(`GET /connections/${id}`)).body['manualSecret']).toBeUndefined()
    const row = await world.store.tables.connections.get(tenant(), id)
    expect(row?.manualSecretHash).toBe(hashToken(secret))
    const box = new SecretBox(Buffer.alloc(32, 9), systemRandom)
    expect(box.open(row!.manualSecret!, sealedFor.manual(id))).toBe(secret)

    const rotated = String(
      (await ask(`POST /connections/${id}/rotate-secret`)).body['manualSecret'],
    )
    expect(rotated).not.toBe(secret)
    const after = await world.store.tables.connections.get(tenant(), id)
    expect(after).toMatchObject({
      manualSecretHash: hashToken(rotated),
      previousManualSecretHash: hashToken(secret),
      previousSecretUntil: expect.any(Number),
    })
  })

  it('mint a secret when they become manual, and drop it when they become hosted', async () => {
    const id = String((await connection()).body['id'])
    const manual = await ask(`PATCH /connections/${id}`, { mode: 'manual' })
    expect(manual.body).toMatchObject({ mode: 'manual', manualSecret: expect.any(String) })
    const renamed = await ask(`PATCH /connections/${id}`, { name: 'b' })
    expect(renamed.body['manualSecret']).toBeUndefined()
    await ask(`PATCH /connections/${id}`, { mode: null })
    const row = await world.store.tables.connections.get(tenant(), id)
    expect(row).toMatchObject({ mode: 'hosted', manualSecretHash: null, manualSecret: null })
    const rotate = await ask(`POST /connections/${id}/rotate-secret`)
    expect(rotate.body).toMatchObject({ _tag: 'ValidationError', issues: [{ path: 'mode' }] })
  })

  it('never show what is write-only, and keep it where it is not sent again', async () => {
    const llm = { kind: 'openai_compatible', baseUrl: 'https://llm.test/v1', model: 'm' }
    const server = { url: 'https://mcp.test/', auth: { type: 'bearer', token: 'secret-token' } }
    const created = await connection({
      llm: { ...llm, apiKey: 'secret-key' },
      mcpServers: [server],
    })
    expect(created.raw).not.toContain('secret-')
    const id = String(created.body['id'])
    const before = await world.store.tables.connections.get(tenant(), id)
    expect(JSON.stringify(before)).not.toContain('secret-')

    const { llm: shown, mcpServers } = created.body
    expect((await ask(`PATCH /connections/${id}`, { llm: shown, mcpServers })).status).toBe(200)
    const kept = await world.store.tables.connections.get(tenant(), id)
    expect([kept?.llmApiKey, kept?.mcpTokens]).toEqual([before?.llmApiKey, before?.mcpTokens])

    await ask(`PATCH /connections/${id}`, { llm: { ...llm, baseUrl: 'https://evil.test/' } })
    const moved = await world.store.tables.connections.get(tenant(), id)
    expect(moved?.llmApiKey).toBeNull()
  })

  it('keep what is absent, take the default for null, and replace objects whole', async () => {
    const turnTaking = { endpointingMs: 700, filler: 'Hm.' }
    const created = await connection({ turnTaking, maxDurationSec: 60, instructions: 'Be brief.' })
    const line = `PATCH /connections/${String(created.body['id'])}`
    const renamed = await ask(line, { name: 'b' })
    expect(renamed.body).toEqual({ ...created.body, name: 'b' })
    const changed = await ask(line, { turnTaking: { filler: '' }, maxDurationSec: null })
    expect(changed.body).toMatchObject({
      instructions: 'Be brief.',
      maxDurationSec: 900,
      turnTaking: { ...connectionDefaults.turnTaking, filler: '' },
    })
  })

  it('refuse what would carry audio out, and what the platform does not have', async () => {
    for (const [body, tag] of [
      [{ backend: 'openai_realtime' }, 'ValidationError'],
      [{ mode: 'audio' }, 'ValidationError'],
      [{ tts: { voiceId: 'nobody' } }, 'UnsupportedVoice'],
      [{ llm: { kind: 'managed', model: 'x' } }, 'UnsupportedModel'],
      [{ stt: { engine: 'x' } }, 'ValidationError'],
      [{ manualWebhookUrl: 'ftp://x' }, 'ValidationError'],
    ] as const)
      expect(await connection(body)).toMatchObject({ status: 422, body: { _tag: tag } })
    const good = { tts: { voiceId: 'slt' }, llm: { kind: 'managed', model: 'house-model' } }
    const own = await connection(good)
    expect(own.status).toBe(201)
    expect(own.body.recognizer).toBe('phrases')
    const { body } = await connection({ ...good, stt: { engine: 'house-engine' } })
    expect(body).toMatchObject({ recognizer: 'free', stt: { engine: 'house-engine' } })
    const { id } = body as { id: string }
    expect((await ask(`PATCH /connections/${id}`, { stt: null })).body.recognizer).toBe('phrases')
  })

  it('are deleted, and their numbers are free', async () => {
    const { numberId, connectionId } = await world.line(token)
    expect((await ask(`DELETE /connections/${connectionId}`)).body).toEqual({ status: 'deleted' })
    const gone = await ask(`GET /connections/${connectionId}`)
    expect(gone.body).toEqual({ _tag: 'ConnectionNotFound', id: connectionId })
    expect((await ask(`GET /numbers/${numberId}`)).body['connectionId']).toBeNull()
    expect((await ask('GET /connections')).raw).not.toContain(connectionId)
  })
})

describe('webhooks', () => {
  const create = () =>
    ask('POST /webhooks', { url: 'https://example.com/h', events: ['call.completed'] })

  it('show their secret in the answers that mint it', async () => {
    const created = await create()
    expect(created.body).toMatchObject({
      enabled: true,
      successRate: null,
      description: null,
      signingSecret: expect.stringMatching(/^whsec_/),
    })
    const id = String(created.body['id'])
    const listed = JSON.parse((await ask('GET /webhooks')).raw) as { id: string }[]
    expect(listed.find((row) => row.id === id)).toMatchObject({ signingSecret: null })
    const rotated = await ask(`POST /webhooks/${id}/rotate-secret`)
    expect(rotated.body['signingSecret']).not.toBe(created.body['signingSecret'])
    const row = await world.store.tables.webhooks.get(tenant(), id)
    expect(row?.previousSecret).not.toBeNull()
  })

  it('queue a test event, list it, and send it again', async () => {
    const id = String((await create()).body['id'])
    const commits = world.commits()
    const sent = await ask(`POST /webhooks/${id}/test`)
    expect(sent).toMatchObject({ status: 200, body: { eventType: 'webhook.test', attempts: 0 } })
    expect(world.commits()).toBe(commits + 1)
    const row = await world.store.tables.outbox.get(tenant(), String(sent.body['id']))
    expect(JSON.parse(row!.body)).toMatchObject({
      deliveryId: sent.body['id'],
      eventType: 'webhook.test',
      payload: { webhookId: id },
    })
    const listed = await ask(`GET /webhooks/${id}/deliveries`)
    expect(JSON.parse(listed.raw)).toMatchObject([{ id: sent.body['id'], status: 'pending' }])
    const again = await ask(`POST /deliveries/${String(sent.body['id'])}/replay`)
    expect(again).toMatchObject({ status: 200, body: { id: sent.body['id'], status: 'pending' } })
  })

  it('list their dead deliveries, and send a range of them again', async () => {
    const id = String((await create()).body['id'])
    const dead = String((await ask(`POST /webhooks/${id}/test`)).body['id'])
    const waiting = String((await ask(`POST /webhooks/${id}/test`)).body['id'])
    await world.store.tables.outbox.settle(dead, {
      status: 'dead',
      responseStatus: 500,
      at: Date.now(),
      nextAttemptAt: null,
    })
    const listed = async (status: string): Promise<string[]> =>
      JSON.parse((await ask(`GET /webhooks/${id}/deliveries?status=${status}`)).raw).map(
        (row: { id: string }) => row.id,
      )
    expect([await listed('dead'), await listed('pending')]).toEqual([[dead], [waiting]])
    const since = new Date(Date.now() - 60_000).toISOString()
    const replay = (body: unknown): Promise<Answered> => ask(`POST /webhooks/${id}/replay`, body)
    expect((await replay({ since, until: since })).body).toEqual({ count: 0, nextSince: null })
    expect((await replay({ since, statuses: ['pending'] })).status).toBe(422)
    const until = new Date(Date.now() + 60_000).toISOString()
    expect((await replay({ since, until })).body).toEqual({ count: 1, nextSince: null })
    expect([await listed('dead'), await listed('pending')]).toEqual([[], [waiting, dead]])
  })

  it('are gone when they are deleted', async () => {
    const id = String((await create()).body['id'])
    expect((await ask(`DELETE /webhooks/${id}`)).body).toEqual({ status: 'deleted' })
    expect((await ask(`DELETE /webhooks/${id}`)).status).toBe(404)
    expect((await ask('GET /webhooks')).raw).not.toContain(id)
  })
})
