// Failures: exact bodies, right statuses, and nothing else passes for one.
import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  failure,
  failureSchemas,
  failureTags,
  failures,
  isFailure,
  retryAfterOf,
  statusOf,
} from './failure.ts'
import type { Failure, FailureOf, FailureTag } from './failure.ts'
import { schemaOf } from './json-schema.ts'
import type { JsonObject } from './json-schema.ts'

const values: Record<string, fc.Arbitrary<unknown>> = {
  string: fc.string(),
  integer: fc.integer(),
  null: fc.constant(null),
  array: fc.array(fc.record({ path: fc.string(), message: fc.string() })),
}

/** Any value that a field of this JSON Schema takes. */
function valueOf(schema: JsonObject): fc.Arbitrary<unknown> {
  const given = schema['anyOf'] as JsonObject[] | undefined
  const types = given ? given.map((one) => one['type']) : [schema['type']].flat()
  return fc.constantFrom(...(types as string[])).chain((type) => values[type] ?? fc.constant(type))
}

function anyFailure(tag: FailureTag): fc.Arbitrary<Failure> {
  const { _tag, ...fields } = schemaOf(failureSchemas[tag])['properties'] as Record<
    string,
    JsonObject
  >
  expect(_tag).toEqual({ type: 'string', const: tag })
  const arbitrary = Object.fromEntries(Object.entries(fields).map(([k, s]) => [k, valueOf(s)]))
  return fc.record(arbitrary).map((given) => ({ _tag: tag, ...given }) as unknown as Failure)
}

describe('failures', () => {
  it('has the tags and statuses of the contract', () => {
    const byStatus = Object.fromEntries(failureTags.map((tag) => [tag, failures[tag].status]))
    expect(byStatus).toEqual({
      MalformedRequest: 400,
      ValidationError: 422,
      Unauthorized: 401,
      AuthorizationDenied: 403,
      ConsentRequired: 403,
      RecipientOptedOut: 403,
      DestinationNotAllowed: 403,
      CallingHoursBlocked: 403,
      InsufficientFunds: 402,
      SpendLimitExceeded: 402,
      NumberNotFound: 404,
      ConnectionNotFound: 404,
      CallNotFound: 404,
      NotFound: 404,
      NumberHasNoConnection: 422,
      BrainUnavailable: 422,
      NoNumbersAvailable: 404,
      PriceChanged: 409,
      UnsupportedVoice: 422,
      UnsupportedModel: 422,
      CallNotActive: 409,
      IdempotencyConflict: 409,
      IdempotencyKeyMismatch: 422,
      RateLimited: 429,
      ConcurrencyLimited: 429,
      CallStartFailed: 502,
      TransferFailed: 502,
      MessageSendFailed: 502,
      Unavailable: 503,
      InternalError: 500,
    })
  })

  it.each(failureTags)(
    '%s round-trips through JSON and its schema, and takes no other field',
    (tag) => {
      fc.assert(
        fc.property(anyFailure(tag), (body) => {
          const read: unknown = JSON.parse(JSON.stringify(body))
          expect(failureSchemas[tag].parse(read)).toEqual(body)
          expect(isFailure(read)).toBe(true)
          expect(isFailure({ ...body, more: 1 })).toBe(false)
          for (const field of Object.keys(body)) {
            const { [field as '_tag']: _dropped, ...less } = body
            expect(isFailure(less)).toBe(false)
          }
        }),
        { numRuns: 25 },
      )
    },
  )

  it('never takes anything else for a failure, and never throws', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(isFailure(value)).toBe(false)
      }),
    )
    expect(isFailure({ _tag: 'toString' })).toBe(false)
  })

  it('builds the exact body, typed', () => {
    const refused = failure('ConsentRequired', { numberId: 'num_1', to: '+15551234567' })
    expect(refused).toEqual({ _tag: 'ConsentRequired', numberId: 'num_1', to: '+15551234567' })
    expectTypeOf(refused).toEqualTypeOf<{ _tag: 'ConsentRequired'; numberId: string; to: string }>()
    expectTypeOf<FailureOf<'CallNotFound' | 'NotFound'>>().toEqualTypeOf<
      { _tag: 'CallNotFound'; callId: string } | { _tag: 'NotFound'; path: string }
    >()
    // @ts-expect-error a field is missing
    failure('ConsentRequired', { numberId: 'num_1' })
    // @ts-expect-error a field is unknown
    failure('NotFound', { path: '/', more: 1 })
  })

  it('knows the status of a body over the size limit, and when to try again', () => {
    const tooLarge = failure('MalformedRequest', { message: 'over 1 MiB' })
    expect(statusOf(tooLarge)).toBe(400)
    expect(statusOf(tooLarge, 'too_large')).toBe(413)
    const limited = failure('RateLimited', { bucket: 'key' })
    expect(retryAfterOf(limited)).toBe(1)
    expect(retryAfterOf(limited, 2.1)).toBe(3)
    expect(retryAfterOf(limited, 0)).toBe(1)
    expect(retryAfterOf(tooLarge, 5)).toBeNull()
  })
})
