// One line of the wire's table: a route, who may use it, what it takes, what it answers, and its exact errors.
import { z } from 'zod'
import type { FailureOf, FailureTag } from './failure.ts'
import type { Result } from './result.ts'
import type { Scope } from './scopes.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** `any`: every valid key. `none`: no key is asked for. */
export type Access = Scope | 'any' | 'none'

/** What an endpoint answers when all is well. */
export type Success =
  | { kind: 'json'; status: 200 | 201; schema: z.ZodType }
  /** A bare array, with the next page in a `Link` header. `stream`: `text/event-stream` when asked for. */
  | { kind: 'page'; status: 200; schema: z.ZodType; stream: boolean }
  | { kind: 'redirect'; status: 302 }
  | { kind: 'text'; status: 200; contentType: string }
  /** Bytes of one of several types, as the request asks. */
  | { kind: 'file'; status: 200; contentTypes: readonly string[] }

export function json<const Status extends 200 | 201, S extends z.ZodType>(
  status: Status,
  schema: S,
) {
  return { kind: 'json', status, schema } as const
}

/** `schema` is that of one item. */
export function page<S extends z.ZodType>(schema: S) {
  return { kind: 'page', status: 200, schema, stream: false } as const
}

/** A page that is also served live, as an event stream. */
export function stream<S extends z.ZodType>(schema: S) {
  return { kind: 'page', status: 200, schema, stream: true } as const
}

export function redirect() {
  return { kind: 'redirect', status: 302 } as const
}

export function text(contentType: string) {
  return { kind: 'text', status: 200, contentType } as const
}

export function file(...contentTypes: readonly string[]) {
  return { kind: 'file', status: 200, contentTypes } as const
}

export interface FileBody {
  contentType: string
  body: string | Uint8Array
}

export interface Page<T> {
  items: T[]
  /** Opaque; null on the last page. Becomes the `Link` header. */
  nextCursor: string | null
}

/** What every endpoint can refuse: an unreadable request, and a fault of our own. */
const always = ['MalformedRequest', 'InternalError'] as const
const keyed = ['Unauthorized', 'RateLimited', 'Unavailable'] as const
const scoped = ['AuthorizationDenied'] as const
const validated = ['ValidationError'] as const
const idempotent = ['IdempotencyConflict', 'IdempotencyKeyMismatch'] as const

type CommonErrors<M extends Method, A extends Access, Q> =
  | (typeof always)[number]
  | (A extends 'none' ? never : (typeof keyed)[number])
  | (A extends 'none' | 'any' ? never : (typeof scoped)[number])
  | (M extends 'GET' ? (Q extends z.ZodType ? 'ValidationError' : never) : 'ValidationError')
  | (M extends 'GET' ? never : (typeof idempotent)[number])

/** The names after a colon in a path. Their values are any text: one that no id can be is simply not found. */
export type ParamsOf<Path extends string> = Path extends `${infer Head}/${infer Tail}`
  ? ParamsOf<Head> & ParamsOf<Tail>
  : Path extends `:${infer Name}`
    ? { [K in Name]: string }
    : unknown

export interface Endpoint<
  Name extends string = string,
  M extends Method = Method,
  Path extends string = string,
  A extends Access = Access,
  Query extends z.ZodObject | undefined = z.ZodObject | undefined,
  Body extends z.ZodType | undefined = z.ZodType | undefined,
  S extends Success = Success,
  Tag extends FailureTag = FailureTag,
> {
  readonly name: Name
  readonly resource: Resource
  readonly method: M
  /** Without version prefix; the same route answers under `/v2`. Parameters are written `:name`. */
  readonly path: Path
  readonly summary: string
  readonly description: string | null
  readonly scope: A
  /** Unknown query parameters are ignored. */
  readonly query: Query
  /** Undefined only for GET. Accepts undefined where a body may be absent. */
  readonly body: Body
  readonly success: S
  /** Every tag that this route can answer, the common ones included. */
  readonly errors: readonly Tag[]
  /** Takes `Idempotency-Key`: everything but GET. */
  readonly mutating: boolean
  /** Fields of the answer that are shown once; see `withoutSecrets` for what a replay shows. */
  readonly secretFields: readonly string[]
}

/** Chapters of the documentation. */
export const resources = [
  'Calls',
  'Numbers',
  'Connections',
  'Consent',
  'Billing',
  'Keys',
  'Webhooks',
  'Audit',
  'Sandbox',
  'Catalogue',
  'Platform',
] as const
export type Resource = (typeof resources)[number]

/** The body of a mutating route that takes none: absent, null, or an empty object. */
export const noBody = z.strictObject({}).nullish()

interface Spec<
  Name extends string,
  M extends Method,
  Path extends `/${string}`,
  A extends Access,
  Query extends z.ZodObject | undefined,
  Body extends z.ZodType | undefined,
  S extends Success,
  Tag extends FailureTag,
> {
  name: Name
  resource: Resource
  method: M
  path: Path
  summary: string
  description?: string
  scope: A
  query?: Query
  body?: Body
  success: S
  /** Only its own; the common ones are added. */
  errors: readonly Tag[]
  secretFields?: readonly string[]
}

type BodyFor<M extends Method, Body> = M extends 'GET'
  ? undefined
  : Body extends z.ZodType
    ? Body
    : typeof noBody

/** Declares one endpoint. The errors common to its kind are added and visible in `errors`. */
export function endpoint<
  const Name extends string,
  const M extends Method,
  const Path extends `/${string}`,
  const A extends Access,
  S extends Success,
  const Tag extends FailureTag = never,
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>(
  spec: Spec<Name, M, Path, A, Query, Body, S, Tag>,
): Endpoint<Name, M, Path, A, Query, BodyFor<M, Body>, S, Tag | CommonErrors<M, A, Query>> {
  const mutating = spec.method !== 'GET'
  const common: FailureTag[] = [
    ...always,
    ...(spec.scope === 'none' ? [] : keyed),
    ...(spec.scope === 'none' || spec.scope === 'any' ? [] : scoped),
    ...(mutating || spec.query ? validated : []),
    ...(mutating ? idempotent : []),
  ]
  return {
    name: spec.name,
    resource: spec.resource,
    method: spec.method,
    path: spec.path,
    summary: spec.summary,
    description: spec.description ?? null,
    scope: spec.scope,
    query: spec.query as Query,
    body: (mutating ? (spec.body ?? noBody) : undefined) as BodyFor<M, Body>,
    success: spec.success,
    errors: [...spec.errors, ...common] as (Tag | CommonErrors<M, A, Query>)[],
    mutating,
    secretFields: spec.secretFields ?? [],
  }
}

/** The answer as a replay shows it: a secret field is `null` where it always stands, and absent where it may be. */
export function withoutSecrets<Answer extends object>(
  { success, secretFields }: Pick<Endpoint, 'success' | 'secretFields'>,
  answer: Answer,
): Answer {
  const kept = Object.entries(answer).filter(([name]) => !secretFields.includes(name))
  const bare = Object.fromEntries(kept)
  if (success.kind !== 'json' || success.schema.safeParse(bare).success) return bare as Answer
  return { ...bare, ...Object.fromEntries(secretFields.map((name) => [name, null])) } as Answer
}

type OutputOf<S> = S extends z.ZodType ? z.output<S> : undefined
type InputOf<S> = S extends z.ZodType ? z.input<S> : undefined

/** Tags that an endpoint may answer. */
export type ErrorsOf<E extends Endpoint> = E['errors'][number]

/** What a handler answers when all is well: the body, a page, an address to redirect to, or a text. */
export type SuccessOf<E extends Endpoint> = E['success'] extends infer S
  ? S extends { kind: 'json'; schema: infer T }
    ? OutputOf<T>
    : S extends { kind: 'page'; stream: infer Live; schema: infer T }
      ? Page<OutputOf<T>> | (Live extends true ? { stream: AsyncIterable<OutputOf<T>> } : never)
      : S extends { kind: 'redirect' }
        ? { location: string }
        : S extends { kind: 'file' }
          ? FileBody
          : string
  : never

/** What a handler is given: everything is validated. */
export interface Input<E extends Endpoint, Context> {
  params: ParamsOf<E['path']>
  query: OutputOf<E['query']>
  body: OutputOf<E['body']>
  context: Context
}

/** What a client sends as the body. */
export type BodyOf<E extends Endpoint> = InputOf<E['body']>

/** A handler can return no error but a declared one: the compiler refuses it. */
export type Handler<E extends Endpoint, Context> = (
  input: Input<E, Context>,
) => Promise<Result<SuccessOf<E>, FailureOf<ErrorsOf<E>>>>

/** One handler for every endpoint of a table. */
export type Handlers<Table extends Record<string, Endpoint>, Context> = {
  [Name in keyof Table]: Handler<Table[Name], Context>
}
