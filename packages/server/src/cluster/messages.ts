// What processes ask each other about calls: the questions, and the answers, as they are read at the border.
import { type Failure, type FailureOf, type FailureTag, isFailure } from '@saperly/contract'
import { z } from 'zod'
import type { Question, Topic } from '../bus/messenger.ts'

const id = z.string().min(1).max(64)
const tenant = z.object({ workspaceId: id, environment: z.enum(['test', 'live']) })
const ofCall = { tenant, callId: id }

/** Done, or an expected no; what became of the call stands in the database, where the asker reads it. */
export type Outcome<Tag extends FailureTag> =
  | { done: true }
  | { done: false; failure: FailureOf<Tag> }

function outcome<Tag extends FailureTag>(...tags: readonly Tag[]): z.ZodType<Outcome<Tag>> {
  const isOurs = (value: unknown): boolean =>
    isFailure(value) && tags.some((tag) => tag === (value as Failure)._tag)
  return z.discriminatedUnion('done', [
    z.object({ done: z.literal(true) }),
    z.object({ done: z.literal(false), failure: z.custom<FailureOf<Tag>>(isOurs) }),
  ])
}

function question<Q, A>(name: string, schema: z.ZodType<Q>, answer: z.ZodType<A>): Question<Q, A> {
  return { name, schema, answer }
}

export const placeQuestion = question(
  'place',
  z.object({
    ...ofCall,
    keyId: id,
    fromNumberId: id,
    to: z.string(),
    connectionId: id.nullable(),
    instructions: z.string().nullable(),
    ringTimeoutSec: z.number().nullable(),
    maxDurationSec: z.number().nullable(),
    metadata: z.record(z.string(), z.string()),
    idempotencyKey: z.string().nullable(),
  }),
  outcome(
    'NumberNotFound',
    'ConnectionNotFound',
    'NumberHasNoConnection',
    'BrainUnavailable',
    'DestinationNotAllowed',
    'ConsentRequired',
    'RecipientOptedOut',
    'CallingHoursBlocked',
    'InsufficientFunds',
    'SpendLimitExceeded',
    'ConcurrencyLimited',
    'CallStartFailed',
    'Unavailable',
  ),
)

export const endQuestion = question(
  'end',
  z.object({ ...ofCall, durationSec: z.number().nullable(), actor: z.string() }),
  outcome('CallNotFound'),
)

export const transferQuestion = question(
  'transfer',
  z.object({ ...ofCall, to: z.string(), actor: z.string() }),
  outcome(
    'CallNotFound',
    'CallNotActive',
    'RecipientOptedOut',
    'DestinationNotAllowed',
    'TransferFailed',
  ),
)

export const speakQuestion = question(
  'speak',
  z.object({ ...ofCall, text: z.string(), interrupt: z.boolean() }),
  outcome('CallNotFound', 'CallNotActive'),
)

export const dtmfQuestion = question(
  'dtmf',
  z.object({ ...ofCall, digits: z.string() }),
  outcome('CallNotFound', 'CallNotActive'),
)

export const sandboxQuestion = question(
  'sandbox',
  z.object({
    ...ofCall,
    keyId: id,
    from: z.string(),
    toNumberId: id,
    script: z.string().nullable(),
  }),
  outcome('NumberNotFound', 'NumberHasNoConnection', 'ConcurrencyLimited', 'Unavailable'),
)

const message = z.object({
  at: z.number(),
  direction: z.enum(['sent', 'received']),
  protocol: z.enum(['UDP', 'TCP', 'TLS']),
  ours: z.string(),
  theirs: z.string(),
  text: z.string(),
})

export const signallingQuestion = question('signalling', z.object(ofCall), z.array(message))

/** Under the id of a call: something new of it is in the database. */
export const news: Topic<Record<string, never>> = { name: 'news', schema: z.strictObject({}) }

/** To everybody: deliveries may be due, audit rows wait for their chain. */
export const committed: Topic<Record<string, never>> = {
  name: 'committed',
  schema: z.strictObject({}),
}

/** To everybody: a connection was deleted, or is manual no more. */
export const connectionGone: Topic<{ connectionId: string }> = {
  name: 'gone',
  schema: z.object({ connectionId: id }),
}

export const EVERYBODY = 'all'
