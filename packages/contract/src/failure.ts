// Every expected no of the wire: its tag, its status, its fields. Nothing else is ever returned as an error.
import { z } from 'zod'

interface FailureKind<Fields extends z.core.$ZodLooseShape = z.core.$ZodLooseShape> {
  status: number
  summary: string
  fields: Fields
}

function kind<Fields extends z.core.$ZodLooseShape>(
  status: number,
  summary: string,
  fields: Fields,
): FailureKind<Fields> {
  return { status, summary, fields }
}

const string = z.string()
const cents = z.int()
const sipCode = z.int().nullable()

/** One field of a request that is not as it must be; `path` is dotted, '' for the whole body. */
export const issue = z.strictObject({ path: string, message: string })
export type Issue = z.output<typeof issue>

/** The catalogue of contract.md, "Errors". */
export const failures = {
  MalformedRequest: kind(
    400,
    'The request is not JSON, has the wrong content type, or can’t be read at all. A body over 1 MiB answers 413 with this tag.',
    { message: string },
  ),
  ValidationError: kind(422, 'A field of the request is missing, unknown or out of bounds.', {
    message: string,
    issues: z.array(issue),
  }),
  Unauthorized: kind(401, 'No bearer key, not a key of this platform, expired, or revoked.', {
    message: string,
  }),
  AuthorizationDenied: kind(
    403,
    'The key lacks the scope, the number is outside its allow-list, or a child key would exceed its parent.',
    { reason: string },
  ),
  ConsentRequired: kind(403, 'There is no recorded consent of this peer for this number.', {
    numberId: string,
    to: string,
  }),
  RecipientOptedOut: kind(403, 'The peer said stop: no number of the workspace may reach them.', {
    to: string,
  }),
  DestinationNotAllowed: kind(
    403,
    'The country is not allowed, or the prefix has no explicit rate.',
    { to: string, reason: string },
  ),
  CallingHoursBlocked: kind(
    403,
    'It is outside the calling hours of the connection, by the peer’s own clock.',
    { to: string, opensAt: string },
  ),
  InsufficientFunds: kind(402, 'The available balance does not cover what must be held.', {
    balanceCents: cents,
    requestedCents: cents,
  }),
  SpendLimitExceeded: kind(
    402,
    'The spend cap of the key, or of a key above it, would be passed.',
    {
      limitCents: cents,
      priorSpendCents: cents,
      requestedCents: cents,
    },
  ),
  NumberNotFound: kind(404, 'There is no such number that this key can see.', { numberId: string }),
  ConnectionNotFound: kind(404, 'There is no such connection that this key can see.', {
    id: string,
  }),
  CallNotFound: kind(404, 'There is no such call that this key can see.', { callId: string }),
  NotFound: kind(404, 'There is nothing at this path.', { path: string }),
  NumberHasNoConnection: kind(422, 'The number is bound to no connection, and none was named.', {
    numberId: string,
  }),
  BrainUnavailable: kind(
    422,
    'Nobody would answer for the agent: a manual connection without socket and webhook, or a hosted one without a model.',
    { connectionId: string },
  ),
  NoNumbersAvailable: kind(404, 'No number of this kind can be had.', {
    country: string,
    numberType: string,
  }),
  PriceChanged: kind(409, 'The number costs more than was expected, and that was not approved.', {
    phoneNumber: string,
    actualMonthlyPriceCents: cents,
    expectedMonthlyPriceCents: cents,
    currency: string,
  }),
  UnsupportedVoice: kind(422, 'The speech engine in use has no such voice.', {
    field: string,
    voice: string,
    message: string,
  }),
  UnsupportedModel: kind(422, 'The operator offers no such model.', {
    field: string,
    model: string,
    message: string,
  }),
  CallNotActive: kind(409, 'The call is not live, so it can’t be controlled.', {
    callId: string,
    status: string,
  }),
  IdempotencyConflict: kind(409, 'The first request with this Idempotency-Key is still running.', {
    message: string,
  }),
  IdempotencyKeyMismatch: kind(
    422,
    'The Idempotency-Key was used with another body or route, or is over 255 characters.',
    { message: string },
  ),
  RateLimited: kind(429, 'Too many requests with this key.', { bucket: string }),
  ConcurrencyLimited: kind(429, 'Too many live calls in this workspace and environment.', {
    limit: z.int(),
    active: z.int(),
  }),
  CallStartFailed: kind(
    502,
    'No carrier took the call. It is recorded as failed and costs nothing.',
    {
      callId: string,
      reason: string,
      hangupCause: string,
      sipCode,
    },
  ),
  TransferFailed: kind(502, 'The transfer was refused by every means. The call goes on.', {
    callId: string,
    reason: string,
    sipCode,
  }),
  MessageSendFailed: kind(502, 'The carrier refused the message.', { reason: string }),
  Unavailable: kind(503, 'Draining, a queue is full, or the database is away.', { reason: string }),
  InternalError: kind(500, 'A fault of the platform; name the trace id when you report it.', {
    traceId: string,
  }),
} as const

export type FailureTag = keyof typeof failures

type Flat<T> = { [K in keyof T]: T[K] }
type FieldsOf<Tag extends FailureTag> = Flat<
  z.output<z.ZodObject<(typeof failures)[Tag]['fields'], z.core.$strict>>
>

/** The wire body of one tag, or of any of several. */
export type FailureOf<Tag extends FailureTag> = {
  [T in Tag]: Flat<{ _tag: T } & FieldsOf<T>>
}[Tag]

export type Failure = FailureOf<FailureTag>

/** Builds the exact body of a tag. */
export function failure<Tag extends FailureTag>(
  tag: Tag,
  fields: FieldsOf<NoInfer<Tag>>,
): FailureOf<Tag> {
  return { _tag: tag, ...fields } as FailureOf<Tag>
}

export const failureTags = Object.keys(failures) as FailureTag[]

export function isFailureTag(tag: string): tag is FailureTag {
  return Object.hasOwn(failures, tag)
}

/** The status of a body over the size limit, which else looks like any other `MalformedRequest`. */
export const TOO_LARGE_STATUS = 413

/** Status of a failure. A body over the size limit is told by the caller, for the wire body can't say it. */
export function statusOf(failure: Failure, cause?: 'too_large'): number {
  if (failure._tag === 'MalformedRequest' && cause === 'too_large') return TOO_LARGE_STATUS
  return failures[failure._tag].status
}

/** Seconds of the `Retry-After` header that these tags always carry, where nothing better is known. */
export const retryAfterSec = {
  RateLimited: 1,
  ConcurrencyLimited: 5,
  Unavailable: 2,
  IdempotencyConflict: 1,
} as const satisfies Partial<Record<FailureTag, number>>

/** The `Retry-After` of a failure, in seconds: `known`, rounded up and at least 1, or the tag's default; else null. */
export function retryAfterOf(failure: Failure, known?: number): number | null {
  if (!Object.hasOwn(retryAfterSec, failure._tag)) return null
  if (known !== undefined) return Math.max(1, Math.ceil(known))
  return retryAfterSec[failure._tag as keyof typeof retryAfterSec]
}

function schemaOf(tag: FailureTag) {
  return z.strictObject({ _tag: z.literal(tag), ...failures[tag].fields })
}

/** The schema of each tag's wire body: exactly its fields, all present. */
export const failureSchemas = Object.fromEntries(
  failureTags.map((tag) => [tag, schemaOf(tag)]),
) as unknown as { [Tag in FailureTag]: z.ZodType<FailureOf<Tag>> }

/** True for a value that is the exact wire body of some failure. */
export function isFailure(value: unknown): value is Failure {
  const tag = (value as { _tag?: unknown } | null | undefined)?._tag
  return (
    typeof tag === 'string' && isFailureTag(tag) && failureSchemas[tag].safeParse(value).success
  )
}
