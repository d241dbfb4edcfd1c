// One mechanism for every route of the table, in this order: key, rate, scope, body, idempotency, handler, answer.
import { failure, validate, validationError } from '@saperly/contract'
import type { Endpoint, Failure, FailureTag, Result } from '@saperly/contract'
import { assert } from '@saperly/kernel'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { answerOf, checkAnswer, refusalOf, send, type Answer } from './answer.ts'
import type { KeyedContext, RequestContext } from './context.ts'
import type { ApiDeps } from './deps.ts'
import type { Gate } from './gate.ts'
import type { Idempotency } from './idempotency.ts'
import { nextUrl } from './page.ts'
import { eventStream, type OpenStream, type Streams } from './sse.ts'
import type { ServerState } from './system.ts'
import { callWire } from './wire.ts'

/** A handler as the mechanism sees it: the table has checked its types where it was written. */
export type AnyHandler = (input: {
  params: unknown
  query: unknown
  body: unknown
  context: RequestContext
}) => Promise<Result<unknown, Failure>>

export interface RouteParts {
  deps: ApiDeps
  gate: Gate
  idempotency: Idempotency
  streams: Streams
  state: ServerState
}

/** The prefix under which every route answers as well. */
export const VERSION_PREFIX = '/v2'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the gate of a keyed route. */
    caller: Pick<KeyedContext, 'key' | 'tenant' | 'actor'> | null
  }
}

export function serveEndpoint(
  app: FastifyInstance,
  endpoint: Endpoint,
  handler: AnyHandler,
  parts: RouteParts,
): void {
  const route = new Route(endpoint, handler, parts)
  for (const prefix of ['', VERSION_PREFIX])
    app.route({
      method: endpoint.method,
      url: `${prefix}${endpoint.path}`,
      config: { endpoint },
      // Before the body is read: whoever has no key does not get to send one.
      onRequest: (request, reply) => route.admit(request, reply),
      handler: (request, reply) => route.handle(request, reply),
    })
}

class Route {
  readonly #endpoint: Endpoint
  readonly #handler: AnyHandler
  readonly #parts: RouteParts

  constructor(endpoint: Endpoint, handler: AnyHandler, parts: RouteParts) {
    this.#endpoint = endpoint
    this.#handler = handler
    this.#parts = parts
  }

  async admit(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | void> {
    if (this.#endpoint.scope === 'none') return
    const { gate, state } = this.#parts
    const admission = await gate.admit(request.headers.authorization, this.#endpoint)
    if (!admission.ok) return send(reply, refusalOf(admission.failure, admission))
    const { key } = admission
    const tenant = { workspaceId: key.workspaceId, environment: key.environment }
    request.caller = { key, tenant, actor: `key:${key.id}` }
    if (state.draining && this.#endpoint.mutating && !steersCall(this.#endpoint))
      return send(reply, refusalOf(failure('Unavailable', { reason: 'draining' })))
  }

  async handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { query: querySchema, body: bodySchema } = this.#endpoint
    const query = querySchema ? validate(querySchema, request.query) : NOTHING
    if (!query.ok) return send(reply, refusalOf(query.failure))
    const body = bodySchema ? validate(bodySchema, request.body) : NOTHING
    if (!body.ok) return send(reply, refusalOf(body.failure))
    const input = { params: request.params, query: query.value, body: body.value }
    if (wantsStream(this.#endpoint, request)) return this.#stream(request, reply, input)
    return send(reply, await this.#answer(request, input))
  }

  async #answer(request: FastifyRequest, input: ReadInput): Promise<Answer> {
    const header = this.#endpoint.mutating ? request.headers['idempotency-key'] : undefined
    if (header === undefined) return (await this.#run(request, input, null)).answer
    const idempotencyKey = String(header)
    if (idempotencyKey.trim() === '')
      return refusalOf(validationError([{ path: 'Idempotency-Key', message: 'must not be empty' }]))
    assert(request.caller, 'every mutating route asks for a key')
    return this.#parts.idempotency.once({
      key: request.caller.key,
      idempotencyKey,
      route: `${request.method} ${unversioned(pathOf(request))}`,
      body: input.body,
      redact: (text) => withoutSecrets(this.#endpoint, text),
      keeps: keepsRefusal,
      outcomeOf: (callId) => this.#outcomeOf(request, callId),
      run: () => this.#run(request, input, idempotencyKey),
    })
  }

  async #run(
    request: FastifyRequest,
    input: ReadInput,
    idempotencyKey: string | null,
  ): Promise<{ answer: Answer; failure: Failure | null }> {
    const context = { ...contextOf(request, null), idempotencyKey }
    const result = await this.#handler({ ...input, context })
    if (!result.ok) {
      this.#assertDeclared(result.failure._tag)
      return { answer: refusalOf(result.failure), failure: result.failure }
    }
    if (this.#parts.deps.config.checkAnswers) checkAnswer(this.#endpoint, result.value)
    const next = (cursor: string): string =>
      nextUrl(this.#parts.deps.publicUrl(), request.url, cursor)
    return { answer: answerOf(this.#endpoint, result.value, next), failure: null }
  }

  async #stream(
    request: FastifyRequest,
    reply: FastifyReply,
    input: ReadInput,
  ): Promise<FastifyReply> {
    const { streams, gate, deps } = this.#parts
    assert(request.caller, 'every stream asks for a key')
    const { key } = request.caller
    const open = streams.open(key.id)
    if (!open) return send(reply, refusalOf(failure('RateLimited', { bucket: 'streams' })))
    // The connection says it first: the generator behind a readable can't be destroyed while it waits for an event.
    reply.raw.once('close', () => open.close('client gone'))
    const opened = await this.#openStream(request, input, open)
    if ('answer' in opened) {
      open.close('refused')
      return send(reply, opened.answer)
    }
    const stillValid = (): Promise<boolean> => gate.stillValid(key.hash)
    void reply.headers({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      // Nothing follows a stream, and a connection kept alive after it would hold a closing server open.
      connection: 'close',
    })
    return reply.send(eventStream(opened.stream, open, { clock: deps.clock, stillValid }))
  }

  async #openStream(
    request: FastifyRequest,
    input: ReadInput,
    open: OpenStream,
  ): Promise<{ stream: Events } | { answer: Answer }> {
    const lastEventId = lastEventIdOf(request)
    const context = contextOf(request, { signal: open.signal, lastEventId })
    const result = await this.#handler({ ...input, context })
    if (!result.ok) return { answer: refusalOf(result.failure) }
    return result.value as { stream: Events }
  }

  /** What became of a call that was made under an idempotency key whose first answer was never given. */
  async #outcomeOf(request: FastifyRequest, callId: string): Promise<Answer | null> {
    assert(request.caller, 'every mutating route asks for a key')
    const call = await this.#parts.deps.store.tables.calls.get(request.caller.tenant, callId)
    if (!call || call.state === 'queued' || call.state === 'dialing') return null
    if (call.status !== 'failed') return answerOf(this.#endpoint, callWire(call), () => '')
    const { hangupCause, sipCode } = call
    const reason = 'the call could not be started'
    return refusalOf(
      failure('CallStartFailed', {
        callId,
        reason,
        hangupCause: hangupCause ?? 'expired',
        sipCode,
      }),
    )
  }

  #assertDeclared(tag: FailureTag): void {
    assert(this.#endpoint.errors.includes(tag), `${this.#endpoint.name} does not declare ${tag}`)
  }
}

interface ReadInput {
  params: unknown
  query: unknown
  body: unknown
}
type Events = Parameters<typeof eventStream>[0]

const NOTHING = { ok: true, value: undefined } as const

/** A 502 on placing comes after the reserve: a call was made, and its key is used up. */
function keepsRefusal(tag: FailureTag): boolean {
  return tag === 'CallStartFailed'
}

/** Live calls go on while the server drains, so whoever has one must be able to end it. */
function steersCall({ resource, path }: Endpoint): boolean {
  return resource === 'Calls' && path.includes(':id')
}

function wantsStream({ success }: Endpoint, request: FastifyRequest): boolean {
  return (
    success.kind === 'page' &&
    success.stream &&
    request.method === 'GET' &&
    (request.headers.accept ?? '').includes('text/event-stream')
  )
}

function lastEventIdOf(request: FastifyRequest): string | null {
  const header = request.headers['last-event-id']
  return typeof header === 'string' && /^evt_[0-9a-z]{1,64}$/.test(header) ? header : null
}

/** The path that was asked for, without the query. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? ''
}

function unversioned(path: string): string {
  return path.startsWith(`${VERSION_PREFIX}/`) ? path.slice(VERSION_PREFIX.length) : path
}

function contextOf(request: FastifyRequest, live: RequestContext['live']): RequestContext {
  return { requestId: request.id, path: pathOf(request), live, ...request.caller }
}

/** The answer as it is kept: fields that are shown once are left out, or null where the shape has them always. */
function withoutSecrets(endpoint: Endpoint, text: string): string {
  const { success, secretFields } = endpoint
  if (secretFields.length === 0 || success.kind !== 'json') return text
  const value = JSON.parse(text) as Record<string, unknown>
  for (const field of secretFields) delete value[field]
  if (success.schema.safeParse(value).success) return JSON.stringify(value)
  for (const field of secretFields) value[field] = null
  return JSON.stringify(value)
}
