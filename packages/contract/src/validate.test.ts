// Requests: what is taken, what is refused and in which words; nothing that is sent makes a schema throw.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_ISSUES, validate } from './validate.ts'
import { endpoints } from './table.ts'
import { connectionDefaults, createConnectionBody, Connection } from './shapes/connection.ts'
import { isPlausibleId } from './fields.ts'
import type { z } from 'zod'

function issues(schema: z.ZodType, value: unknown): Record<string, string> {
  const read = validate(schema, value)
  if (read.ok) return {}
  return Object.fromEntries(read.failure.issues.map(({ path, message }) => [path, message]))
}

const place = endpoints.placeCall.body
const good = { fromNumberId: 'num_1', to: '+15551234567' }

describe('bodies', () => {
  it('takes the least and the most of a call', () => {
    expect(validate(place, good)).toEqual({ ok: true, value: good })
    const nulls = { connectionId: null, instructions: null, ringTimeoutSec: null, metadata: null }
    expect(validate(place, { ...good, ...nulls }).ok).toBe(true)
    expect(issues(place, { ...good, ringTimeoutSec: 120, metadata: { order: '7' } })).toEqual({})
  })

  it('says in plain words what is wrong where, and never what was sent', () => {
    expect(
      issues(place, {
        to: '555 secret',
        ringTimeoutSec: 4,
        maxDurationSec: 1.5,
        metadata: { a: 1 },
        colour: 'red',
      }),
    ).toEqual({
      fromNumberId: 'is required',
      to: 'must be an E.164 number such as +15551234567',
      ringTimeoutSec: 'must be at least 5',
      maxDurationSec: 'must be a whole number',
      'metadata.a': 'must be a string',
      colour: 'is not a known field',
    })
    expect(JSON.stringify(validate(place, { ...good, to: '555 secret' }))).not.toContain('secret')
    expect(validate(place, undefined)).toMatchObject({
      failure: { message: 'the body is required', issues: [{ path: '', message: 'is required' }] },
    })
  })

  it.each(['+1234567', '+123456789012345', '+15555550100'])('takes %s as E.164', (to) => {
    expect(validate(place, { ...good, to }).ok).toBe(true)
  })

  it.each([
    '15551234567',
    '+0123456789',
    '+123456',
    '+1234567890123456',
    '+1555\n5550100',
    '+1555-5550100',
    '',
  ])('refuses %j as E.164', (to) => {
    expect(issues(place, { ...good, to })).toHaveProperty('to')
  })

  it('refuses NUL and unpaired surrogates, which no store takes', () => {
    expect(issues(place, { ...good, instructions: 'a\0b' })).toHaveProperty('instructions')
    expect(issues(place, { ...good, metadata: { a: '\ud800' } })).toHaveProperty(['metadata.a'])
    expect(issues(place, { ...good, instructions: 'café 🎈' })).toEqual({})
  })

  it('bounds metadata', () => {
    const entries = (n: number) =>
      Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 'v']))
    expect(issues(place, { ...good, metadata: entries(16) })).toEqual({})
    expect(issues(place, { ...good, metadata: entries(17) })).toHaveProperty('metadata')
    expect(issues(place, { ...good, metadata: { a: 'x'.repeat(501) } })).toHaveProperty([
      'metadata.a',
    ])
  })

  it('ends a call with or without a body', () => {
    const end = endpoints.endCall.body
    for (const body of [
      undefined,
      null,
      {},
      { durationSec: null },
      { durationSec: 0 },
      { durationSec: 61.2 },
    ]) {
      expect(validate(end, body).ok).toBe(true)
    }
    for (const durationSec of [-1, Infinity, Number.NaN, '60', true]) {
      expect(issues(end, { durationSec })).toHaveProperty('durationSec')
    }
    expect(issues(end, { seconds: 3 })).toHaveProperty('seconds')
  })

  it('takes an empty body where none is needed, and refuses any field', () => {
    const release = endpoints.releaseNumber.body
    expect(validate(release, undefined).ok).toBe(true)
    expect(validate(release, {}).ok).toBe(true)
    expect(issues(release, { force: true })).toEqual({ force: 'is not a known field' })
  })

  it.each(['+15551234567', 'sip:agent@example.com', 'sips:example.com:5061;transport=tls'])(
    'transfers to %s',
    (to) => expect(validate(endpoints.transferCall.body, { to }).ok).toBe(true),
  )

  it.each(['tel:+15551234567', 'sip:', 'sip:a b@c', '<sip:a@b>', `sip:${'a'.repeat(700)}`])(
    'does not transfer to %s',
    (to) => expect(validate(endpoints.transferCall.body, { to }).ok).toBe(false),
  )

  it('tells at most so many issues', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field${i}`, i]))
    expect(Object.keys(issues(place, many))).toHaveLength(MAX_ISSUES)
  })
})

describe('connections', () => {
  it('have defaults that are themselves a connection', () => {
    const whole = {
      id: 'conn_1',
      name: 'n',
      recognizer: 'phrases',
      createdAt: '2026-01-01T00:00:00.000Z',
      ...connectionDefaults,
    }
    expect(Connection.parse(whole)).toEqual(whole)
    expect(validate(createConnectionBody, { name: 'n', ...connectionDefaults }).ok).toBe(true)
  })

  it('refuse whatever would carry audio to the customer', () => {
    const found = issues(createConnectionBody, {
      name: 'n',
      mode: 'audio',
      backend: 'openai_realtime',
    })
    expect(found['mode']).toBe('must be one of hosted, manual')
    expect(found['backend']).toContain('audio stays inside the network')
  })

  it('say which kinds there are, and check hours', () => {
    expect(
      issues(createConnectionBody, {
        name: 'n',
        llm: { kind: 'other' },
        callingHours: { from: '22:00' },
        manualWebhookUrl: 'ftp://example.com',
        maxDurationSec: 14_401,
      }),
    ).toEqual({
      'llm.kind': 'must be one of managed, openai_compatible',
      'callingHours.until': 'must be later than from',
      manualWebhookUrl: 'must be an http:// or https:// address',
      maxDurationSec: 'must be at most 14400',
    })
  })

  it('take every field as null, and a patch without a name', () => {
    const nulls = Object.fromEntries(
      Object.keys(createConnectionBody.shape).map((field) => [field, null]),
    )
    expect(validate(createConnectionBody, { ...nulls, name: 'n' }).ok).toBe(true)
    const { name: _name, ...settings } = nulls
    expect(validate(endpoints.updateConnection.body, settings).ok).toBe(true)
  })
})

describe('queries', () => {
  const calls = endpoints.listCalls.query

  it('reads strings, with defaults', () => {
    expect(validate(calls, {})).toEqual({ ok: true, value: { limit: 100 } })
    expect(
      validate(calls, {
        limit: '1000',
        to: ' 15551234567',
        since: '2026-02-01T10:00:00 02:00',
        until: '2026-03-01',
      }),
    ).toEqual({
      ok: true,
      value: {
        limit: 1000,
        to: '+15551234567',
        since: '2026-02-01T08:00:00.000Z',
        until: '2026-03-01T00:00:00.000Z',
      },
    })
  })

  it.each(['0', '1001', '', ' 5', '1e2', '0x10', '-1', '1.5', 'all'])(
    'refuses limit %j',
    (limit) => {
      expect(issues(calls, { limit })['limit']).toBe('must be a whole number from 1 to 1000')
    },
  )

  it('refuses what is no time, no number, no status, and a name that comes twice', () => {
    for (const since of ['yesterday', '2026-02-30', '2026-13-01T00:00:00Z', '1700000000']) {
      expect(issues(calls, { since })['since']).toContain('ISO 8601')
    }
    expect(issues(calls, { to: '555' })['to']).toContain('E.164')
    expect(issues(calls, { status: 'live' })).toHaveProperty('status')
    expect(issues(calls, { limit: ['1', '2'] })).toHaveProperty('limit')
  })
})

it('never throws, whatever is sent to whichever route', () => {
  const schemas = Object.values(endpoints).flatMap(({ body, query }) => [body, query])
  const given = schemas.filter((schema) => schema !== undefined)
  fc.assert(
    fc.property(
      fc.constantFrom<z.ZodType>(...given),
      fc.oneof(fc.anything(), fc.jsonValue()),
      (schema, value) => {
        const read = validate(schema, value)
        if (read.ok) return
        expect(read.failure.issues.length).toBeGreaterThan(0)
        expect(JSON.parse(JSON.stringify(read.failure))).toEqual(read.failure)
      },
    ),
    { numRuns: 500 },
  )
})

it('tells ids from what can be none', () => {
  expect(isPlausibleId('call_01h')).toBe(true)
  for (const none of ['', 'a b', 'a\0', 'é', 'x'.repeat(129)])
    expect(isPlausibleId(none)).toBe(false)
})
