// The table: each route is declared once, with the errors of its kind; handlers can return no other.
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { endpoint, json, withoutSecrets } from './endpoint.ts'
import type { ErrorsOf, Handler, Handlers, Input, Page, ParamsOf, SuccessOf } from './endpoint.ts'
import { failure, failures } from './failure.ts'
import { scopes } from './scopes.ts'
import { connectionDefaults } from './shapes/connection.ts'
import type { Call } from './shapes/call.ts'
import type { PhoneNumber } from './shapes/number.ts'
import { endpoints } from './table.ts'
import type { Endpoints } from './table.ts'

const all = Object.values(endpoints)

describe('the table', () => {
  it('names each endpoint by its key and each route once', () => {
    expect(all.map((line) => line.name)).toEqual(Object.keys(endpoints))
    const routes = all.map((line) => `${line.method} ${line.path}`)
    expect(new Set(routes).size).toBe(routes.length)
    expect(all).toHaveLength(56)
  })

  it('declares each error once, and only known ones', () => {
    for (const { errors } of all) {
      expect(new Set(errors).size).toBe(errors.length)
      for (const tag of errors) expect(failures).toHaveProperty(tag)
    }
  })

  it('uses every scope but those of messages, which come later', () => {
    const used = new Set<string>(all.map((line) => line.scope))
    const unused = scopes.filter((scope) => !used.has(scope))
    expect(unused).toEqual(['messages:create', 'messages:read'])
  })

  it('adds the errors common to the kind of endpoint', () => {
    expect(endpoints.getHealth.errors).toEqual(['MalformedRequest', 'InternalError'])
    expect(endpoints.getCall.errors).toEqual([
      'CallNotFound',
      'MalformedRequest',
      'InternalError',
      'Unauthorized',
      'RateLimited',
      'Unavailable',
    ])
    expect(endpoints.releaseNumber.errors).toEqual([
      'NumberNotFound',
      'MalformedRequest',
      'InternalError',
      'Unauthorized',
      'RateLimited',
      'Unavailable',
      'AuthorizationDenied',
      'ValidationError',
      'IdempotencyConflict',
      'IdempotencyKeyMismatch',
    ])
  })

  it('names secrets that stand in the answer', () => {
    for (const { success, secretFields } of all) {
      if (success.kind !== 'json' || !(success.schema instanceof z.ZodObject)) continue
      for (const field of secretFields) expect(success.schema.shape).toHaveProperty(field)
      const secrets = Object.keys(success.schema.shape).filter((field) =>
        /secret|^token$/i.test(field),
      )
      expect(secretFields).toEqual(secrets)
    }
  })

  it('leaves secrets out of a replay, and the answer still fits its schema', () => {
    const createdAt = '2026-01-01T00:00:00.000Z'
    const webhook = {
      id: 'whk_1',
      url: 'https://example.com',
      events: ['call.completed'],
      description: null,
      enabled: true,
      successRate: null,
      signingSecret: 'whsec_x',
      createdAt,
    }
    expect(withoutSecrets(endpoints.createWebhook, webhook)).toEqual({
      ...webhook,
      signingSecret: null,
    })
    const known = { id: 'conn_1', name: 'n', recognizer: 'phrases', createdAt }
    const connection = { ...known, ...connectionDefaults }
    const shown = { ...connection, manualSecret: 'mc_x' }
    expect(withoutSecrets(endpoints.createConnection, shown)).toEqual(connection)
    expect(withoutSecrets(endpoints.getCall, { id: 'call_1' })).toEqual({ id: 'call_1' })
  })

  it('takes a body on every mutating route and on no other', () => {
    for (const { mutating, method, body } of all) {
      expect(mutating).toBe(method !== 'GET')
      expect(body !== undefined).toBe(mutating)
    }
  })
})

describe('handler types', () => {
  it('give what the endpoint takes and ask for what it answers', () => {
    expectTypeOf<ParamsOf<'/calls/:id/end'>>().toEqualTypeOf<{ id: string }>()
    expectTypeOf<Input<Endpoints['endCall'], 1>['params']['id']>().toEqualTypeOf<string>()
    expectTypeOf<Input<Endpoints['placeCall'], 1>['body']['to']>().toEqualTypeOf<string>()
    expectTypeOf<Input<Endpoints['getCall'], 1>['body']>().toEqualTypeOf<undefined>()
    expectTypeOf<Input<Endpoints['listCalls'], 1>['query']['limit']>().toEqualTypeOf<number>()
    expectTypeOf<SuccessOf<Endpoints['placeCall']>>().toEqualTypeOf<Call>()
    expectTypeOf<SuccessOf<Endpoints['listNumbers']>>().toEqualTypeOf<Page<PhoneNumber>>()
    expectTypeOf<SuccessOf<Endpoints['getRecording']>>().toEqualTypeOf<{ location: string }>()
    expectTypeOf<SuccessOf<Endpoints['getMetrics']>>().toEqualTypeOf<string>()
    expectTypeOf<'ConsentRequired'>().toExtend<ErrorsOf<Endpoints['placeCall']>>()
    expectTypeOf<'ConsentRequired'>().not.toExtend<ErrorsOf<Endpoints['getCall']>>()
    expectTypeOf<'ValidationError'>().not.toExtend<ErrorsOf<Endpoints['getCall']>>()
    expectTypeOf<keyof Handlers<Endpoints, null>>().toEqualTypeOf<keyof Endpoints>()
  })

  it('refuse an error that was not declared, and an answer of another shape', () => {
    const probe = endpoint({
      name: 'probe',
      resource: 'Calls',
      method: 'GET',
      path: '/probe/:id',
      summary: 'Probe',
      scope: 'any',
      success: json(200, z.object({ n: z.number() })),
      errors: ['CallNotFound'],
    })
    type Probe = Handler<typeof probe, { now: number }>
    const declared: Probe = async ({ params }) => ({
      ok: false,
      failure: failure('CallNotFound', { callId: params.id }),
    })
    const answers: Probe = async ({ context }) => ({ ok: true, value: { n: context.now } })
    // @ts-expect-error ConsentRequired was not declared
    const undeclared: Probe = async () => ({
      ok: false,
      failure: failure('ConsentRequired', { numberId: '', to: '' }),
    })
    // @ts-expect-error n is a number
    const wrong: Probe = async () => ({ ok: true, value: { n: '1' } })
    expect([declared, answers, undeclared, wrong]).toHaveLength(4)
  })
})
