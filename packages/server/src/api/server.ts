// The HTTP server: the table's routes on Fastify, with every answer of the framework's own in our shape.
import cors from '@fastify/cors'
import {
  endpoints,
  failure,
  type Endpoint,
  type EndpointName,
  type Failure,
} from '@saperly/contract'
import { Fault } from '@saperly/kernel'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { refusalOf, send, type Answer } from './answer.ts'
import { auditHandlers } from './audit.ts'
import { billingHandlers } from './billing.ts'
import { callHandlers } from './calls.ts'
import { catalogueHandlers } from './catalogue.ts'
import { connectionHandlers } from './connections.ts'
import { consentHandlers } from './consent.ts'
import type { ApiHandlers } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { Gate } from './gate.ts'
import { Idempotency } from './idempotency.ts'
import { keyHandlers } from './keys.ts'
import { ClientSockets } from './client-sockets.ts'
import { Metrics, type RouteLabel } from './metrics.ts'
import { numberHandlers } from './numbers.ts'
import { serveRecordings } from './recording.ts'
import { pathOf, serveEndpoint, type AnyHandler, type RouteParts } from './route.ts'
import { sandboxHandlers } from './sandbox.ts'
import { Streams } from './sse.ts'
import { systemHandlers } from './system.ts'
import { listenForBrokenRequests, readJson, refuseOtherTypes } from './transport.ts'
import { webhookHandlers } from './webhooks.ts'

/** Largest body that is read, bytes. */
export const MAX_BODY_BYTES = 1024 * 1024
const BODY_TOO_LARGE = 'FST_ERR_CTP_BODY_TOO_LARGE'
/** Longest a client may take to send its request, milliseconds; and its head, or its first byte. */
const REQUEST_TIMEOUT_MS = 30_000
const HEAD_TIMEOUT_MS = 15_000
/** How often it is looked for those who take longer. */
const TIMEOUT_CHECK_MS = 2_000
/** How long requests that run may keep a server that closes. */
export const CLOSE_LIMIT_MS = 15_000
/** How much of the clients that may be connected may have a request under way; the rest are told that there are too many. */
const BUSY_SHARE = 0.9
/** Whatever fits into a request line reaches its route, which then finds nothing under so long an id. */
const MAX_PARAM_LENGTH = 16 * 1024

declare module 'fastify' {
  interface FastifyContextConfig {
    endpoint?: Endpoint
  }
}

export interface Api {
  /** For what is served beside the table: websocket upgrades, v1, the dashboard. */
  readonly app: FastifyInstance
  /** Opens the port; the address that it is bound to. */
  listen(): Promise<{ host: string; port: number }>
  /** From now on nothing new is begun; what runs is answered. */
  drain(): void
  /** Drains, ends the streams, answers what runs, and closes the port. */
  close(): Promise<void>
}

export async function createApi(deps: ApiDeps): Promise<Api> {
  const app = newApp(deps)
  const open = deps.config.maxClients
  const sockets = new ClientSockets(app.server, { open, busy: Math.ceil(open * BUSY_SHARE) })
  const state = { draining: false, metrics: new Metrics(), streams: new Streams(), sockets }
  everyAnswer(app, deps, state)
  await allowOrigins(app, deps.config.corsOrigins)

  const parts: RouteParts = {
    deps,
    gate: new Gate(deps),
    idempotency: new Idempotency(deps),
    streams: state.streams,
    state,
  }
  const handlers: ApiHandlers = {
    ...callHandlers(deps),
    ...numberHandlers(deps),
    ...connectionHandlers(deps),
    ...consentHandlers(deps),
    ...billingHandlers(deps),
    ...keyHandlers(deps, state.streams),
    ...webhookHandlers(deps),
    ...auditHandlers(deps),
    ...sandboxHandlers(deps),
    ...catalogueHandlers(deps),
    ...systemHandlers(deps, state),
  }
  for (const name of Object.keys(endpoints) as EndpointName[])
    serveEndpoint(app, endpoints[name], handlers[name] as unknown as AnyHandler, parts)
  serveRecordings(app, deps)

  const drain = (): void => {
    state.draining = true
  }
  return {
    app,
    drain,
    listen: async () => {
      const { host, port } = deps.config
      await app.listen({ host, port })
      const address = app.server.address()
      return { host, port: typeof address === 'object' && address ? address.port : port }
    },
    close: async () => {
      drain()
      state.streams.closeAll()
      // Node no longer looks for slow clients once it closes: one that never ends its request would keep us for ever.
      const { server } = app
      const patience = deps.clock.schedule(CLOSE_LIMIT_MS, () => server.closeAllConnections())
      await app.close()
      patience.cancel()
    },
  }
}

function newApp(deps: ApiDeps): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEAD_TIMEOUT_MS, connectionsCheckingInterval: TIMEOUT_CHECK_MS },
    genReqId: () => deps.ids.next('req'),
    requestIdHeader: false,
    // A request that comes while we close is answered by the gate like any other.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // A path that can't even be decoded never reaches a route or its hooks.
    frameworkErrors: (_error, request, reply) => {
      void reply.header('x-request-id', request.id)
      void send(reply, refusalOf(failure('MalformedRequest', { message: 'the path is malformed' })))
    },
  })
  listenForBrokenRequests(app, deps.ids)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, readJson)
  app.addContentTypeParser('*', { parseAs: 'buffer' }, refuseOtherTypes)
  app.decorateRequest('caller', null)
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (error.code === BODY_TOO_LARGE) readTheRest(request, reply)
    return send(reply, answerToError(deps, error, request))
  })
  app.setNotFoundHandler((request, reply) =>
    send(reply, refusalOf(failure('NotFound', { path: pathOf(request) }))),
  )
  return app
}

/** What every answer carries, and what is counted of it. */
function everyAnswer(
  app: FastifyInstance,
  deps: ApiDeps,
  state: { readonly draining: boolean; metrics: Metrics; sockets: ClientSockets },
): void {
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id)
    if (!state.sockets.full) return
    void reply.header('connection', 'close')
    return send(reply, refusalOf(failure('Unavailable', { reason: 'too many requests' })))
  })
  app.addHook('onSend', async (_request, reply) => {
    // Kept-alive connections would hold a closing server open for as long as the client likes.
    if (state.draining) void reply.header('connection', 'close')
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = (request.routeOptions.config.endpoint?.name ?? 'other') as RouteLabel
    state.metrics.count(route, reply.statusCode, reply.elapsedTime / 1000)
    deps.log.debug('request', { requestId: request.id, route, status: reply.statusCode })
  })
}

async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return
  await app.register(cors, {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'POST', 'PATCH', 'DELETE'],
    exposedHeaders: ['Link', 'Retry-After', 'x-request-id', 'idempotency-replayed'],
    maxAge: 600,
    strictPreflight: false,
  })
}

/**
 * What is still on its way is thrown away, within the time that any request has: a connection that is closed on a client
 * which still writes takes our answer with it.
 */
function readTheRest(request: FastifyRequest, reply: FastifyReply): void {
  void reply.removeHeader('connection')
  request.raw.resume()
}

/** Whatever was thrown: the client's mistake, the database away, or a fault of ours that is logged under a trace id. */
function answerToError(deps: ApiDeps, error: FastifyError, request: FastifyRequest): Answer {
  if (error.code === BODY_TOO_LARGE)
    return refusalOf(malformed(`the body is over ${MAX_BODY_BYTES} bytes`), { tooLarge: true })
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500) return refusalOf(malformed(messageOf(error)))
  const traceId = request.id
  const route = request.routeOptions.config?.endpoint?.name ?? 'other'
  if (error instanceof Fault && error.retryable) {
    deps.log.warn('request_unavailable', { traceId, route, reason: error.message })
    return refusalOf(failure('Unavailable', { reason: 'a part of the platform is away' }))
  }
  deps.log.error('request_failed', { traceId, route }, error)
  return refusalOf(failure('InternalError', { traceId }))
}

function malformed(message: string): Failure {
  return failure('MalformedRequest', { message })
}

/** The framework's own words tell back what was sent; these don't. */
function messageOf(error: FastifyError): string {
  switch (error.code) {
    case 'SAPERLY_WRONG_TYPE':
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return 'the content type must be application/json'
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return 'the body is not as long as content-length says'
    case 'SAPERLY_BAD_JSON':
      return 'the body is not JSON in UTF-8'
    default:
      return 'the request can’t be read'
  }
}
