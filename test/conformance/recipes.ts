// How each error of each route is brought about. A route that declares an error without a recipe here fails the suite.
import { connect } from 'node:net'
import { failure, scopes, validate, type Endpoint } from '@saperly/contract'
import type { EndpointName, FailureOf, FailureTag } from '@saperly/contract'
import type { Calls } from '../../packages/server/src/call/port.ts'
import { requestHash } from '../../packages/server/src/api/idempotency.ts'
import type { Answered } from '../../packages/server/src/api/testing.ts'
import { EXPLODE, NOTHING, samples, type Conformance, type Sample } from './world.ts'

export type Recipe = (
  world: Conformance,
  name: EndpointName,
  endpoint: Endpoint,
) => Promise<Answered>

/** The good request of the route, with something about it that is not. */
const altered =
  (change: (sample: Sample) => Sample): Recipe =>
  ({ api, things, token }, name) => {
    const { line, body } = change(samples[name](things))
    return api.request(line, { token, body })
  }

/** The good request, about things that are not there. */
const aboutNothing: Recipe = ({ api, token }, name) => {
  const { line, body } = samples[name](NOTHING)
  return api.request(line, { token, body })
}

/** The good request, while the calls behind the API answer with this refusal. */
const whenCallsSay =
  (method: keyof Calls, refusal: unknown): Recipe =>
  ({ api, things, token }, name) => {
    api.calls.script(method, { failure: refusal })
    const { line, body } = samples[name](things)
    return api.request(line, { token, body })
  }

const withBody = (more: Record<string, unknown>): Recipe =>
  altered(({ line, body }) => ({ line, body: { ...(body as object), ...more } }))

const withQuery = (query: string): Recipe =>
  altered(({ line }) => ({ line: `${line.split('?', 1)[0]}?${query}` }))

/** A request whose head is not HTTP, on a real socket. */
const brokenHead: Recipe = async ({ api }, name) => {
  const { port } = (api.api.app.server.address() ?? (await listening(api))) as { port: number }
  const [method, url] = samples[name](NOTHING).line.split(' ')
  const text = await new Promise<string>((resolve, reject) => {
    const head = `${method} ${url} HTTP/1.1\r\nhost: a\r\nthis is no header\r\n\r\n`
    const socket = connect(port, '127.0.0.1', () => socket.write(head))
    let read = ''
    socket.on('data', (chunk) => (read += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => resolve(read))
  })
  const [top = '', raw = ''] = text.split('\r\n\r\n')
  const [statusLine = '', ...lines] = top.split('\r\n')
  const headers = Object.fromEntries(lines.map((line) => line.split(': ') as [string, string]))
  return { status: Number(statusLine.split(' ')[1]), headers, raw, body: JSON.parse(raw) }
}

async function listening(api: Conformance['api']): Promise<unknown> {
  await api.api.listen()
  return api.api.app.server.address()
}

/** Errors that come about in the same way everywhere. */
export const common: Partial<Record<FailureTag, Recipe>> = {
  MalformedRequest: (world, name, endpoint) =>
    endpoint.mutating
      ? altered(({ line }) => ({ line, body: '{"not json' }))(world, name, endpoint)
      : brokenHead(world, name, endpoint),
  InternalError: ({ api, things, token }, name) => {
    const { line, body } = samples[name](things)
    return api.request(line, { token, body, headers: { [EXPLODE]: '1' } })
  },
  Unauthorized: ({ api, things }, name) => {
    const { line, body } = samples[name](things)
    return api.request(line, { body })
  },
  RateLimited: ({ narrow, things, token }, name) => {
    const { line, body } = samples[name](things)
    return narrow.request(line, { token, body })
  },
  Unavailable: ({ api, things, token, withoutDatabase }, name) => {
    const { line, body } = samples[name](things)
    return withoutDatabase(() => api.request(line, { token, body }))
  },
  AuthorizationDenied: async ({ api, things }, name, endpoint) => {
    const others = scopes.filter((scope) => scope !== endpoint.scope)
    const { token } = await api.key({ scopes: others })
    const { line, body } = samples[name](things)
    return api.request(line, { token, body })
  },
  ValidationError: (world, name, endpoint) =>
    (endpoint.mutating ? withBody({ nobodyKnowsMe: 1 }) : withQuery(badQuery(endpoint)))(
      world,
      name,
      endpoint,
    ),
  IdempotencyKeyMismatch: ({ api, things, token }, name) => {
    const { line, body } = samples[name](things)
    return api.request(line, { token, body, headers: { 'idempotency-key': 'k'.repeat(256) } })
  },
  IdempotencyConflict: async ({ api, things }, name, endpoint) => {
    const { token, row } = await api.key()
    const { line, body } = samples[name](things)
    const read = endpoint.body && validate(endpoint.body, body)
    await api.store.tables.idempotency.begin({
      tenant: row,
      keyId: row.id,
      key: 'running',
      requestHash: requestHash(line, read?.ok ? read.value : undefined),
      at: api.clock.now(),
    })
    return api.request(line, { token, body, headers: { 'idempotency-key': 'running' } })
  },
  NumberNotFound: aboutNothing,
  ConnectionNotFound: aboutNothing,
  CallNotFound: aboutNothing,
  NotFound: aboutNothing,
}

/** A query that the route's schema refuses. */
function badQuery({ query }: Endpoint): string {
  const fields = Object.keys(query?.shape ?? {})
  if (fields.includes('limit')) return 'limit=0'
  if (fields.includes('since')) return 'since=whenever'
  if (fields.includes('country')) return 'country=Atlantis'
  if (fields.includes('language')) return 'language=!'
  return ''
}

const to = '+15555550123'
const call = { callId: 'call_x' }

/** Any good value of a failure, for those that only the calls themselves can bring about. */
const say = {
  CallNotActive: failure('CallNotActive', { ...call, status: 'completed' }),
  RecipientOptedOut: failure('RecipientOptedOut', { to }),
  DestinationNotAllowed: failure('DestinationNotAllowed', { to, reason: 'not there' }),
  ConcurrencyLimited: failure('ConcurrencyLimited', { limit: 100, active: 100 }),
  InsufficientFunds: failure('InsufficientFunds', { balanceCents: 1, requestedCents: 13 }),
  SpendLimitExceeded: failure('SpendLimitExceeded', {
    limitCents: 10,
    priorSpendCents: 9,
    requestedCents: 13,
  }),
} satisfies { [Tag in FailureTag]?: FailureOf<Tag> }

const placing = (refusal: { _tag: FailureTag }): Recipe => whenCallsSay('place', refusal)
const transferring = (refusal: { _tag: FailureTag }): Recipe => whenCallsSay('transfer', refusal)

const whenInventorySays =
  (refusal: Parameters<Conformance['refuseNumber']>[0]): Recipe =>
  (world, name, endpoint) => {
    world.refuseNumber(refusal)
    return altered((sample) => sample)(world, name, endpoint)
  }

/** Errors that one route alone brings about in its way. */
export const own: { [Name in EndpointName]?: Partial<Record<FailureTag, Recipe>> } = {
  placeCall: {
    ConnectionNotFound: placing(failure('ConnectionNotFound', { id: 'conn_x' })),
    NumberHasNoConnection: placing(failure('NumberHasNoConnection', { numberId: 'num_x' })),
    BrainUnavailable: placing(failure('BrainUnavailable', { connectionId: 'conn_x' })),
    DestinationNotAllowed: placing(say.DestinationNotAllowed),
    ConsentRequired: placing(failure('ConsentRequired', { numberId: 'num_x', to })),
    RecipientOptedOut: placing(say.RecipientOptedOut),
    CallingHoursBlocked: placing(
      failure('CallingHoursBlocked', { to, opensAt: '2026-01-01T08:00:00.000Z' }),
    ),
    InsufficientFunds: placing(say.InsufficientFunds),
    SpendLimitExceeded: placing(say.SpendLimitExceeded),
    ConcurrencyLimited: placing(say.ConcurrencyLimited),
    CallStartFailed: placing(
      failure('CallStartFailed', {
        ...call,
        reason: 'no trunk',
        hangupCause: 'no_trunk',
        sipCode: null,
      }),
    ),
  },
  transferCall: {
    CallNotActive: transferring(say.CallNotActive),
    RecipientOptedOut: transferring(say.RecipientOptedOut),
    DestinationNotAllowed: transferring(say.DestinationNotAllowed),
    TransferFailed: transferring(
      failure('TransferFailed', { ...call, reason: 'refused', sipCode: 603 }),
    ),
  },
  speakOnCall: { CallNotActive: whenCallsSay('speak', say.CallNotActive) },
  sendDtmf: { CallNotActive: whenCallsSay('sendDtmf', say.CallNotActive) },
  // The call is there, but nothing was recorded.
  getRecording: { NotFound: altered((sample) => sample) },
  // And nothing of its signalling is kept.
  getCallSip: {
    NotFound: altered((sample) => sample),
    ValidationError: withQuery('format=svg'),
  },
  provisionNumber: {
    NoNumbersAvailable: withBody({ country: 'GB' }),
    PriceChanged: whenInventorySays(
      failure('PriceChanged', {
        phoneNumber: to,
        actualMonthlyPriceCents: 200,
        expectedMonthlyPriceCents: 100,
        currency: 'USD',
      }),
    ),
    InsufficientFunds: whenInventorySays(say.InsufficientFunds),
    SpendLimitExceeded: whenInventorySays(say.SpendLimitExceeded),
  },
  bindConnection: { ConnectionNotFound: withBody({ connectionId: 'conn_missing' }) },
  createConnection: unsupported(),
  updateConnection: unsupported(),
  revokeConsent: { NotFound: withBody({ peerNumber: '+15555550199' }) },
  placeSandboxCall: {
    NumberHasNoConnection: whenCallsSay(
      'sandboxCall',
      failure('NumberHasNoConnection', { numberId: 'num_x' }),
    ),
    ConcurrencyLimited: whenCallsSay('sandboxCall', say.ConcurrencyLimited),
  },
  getQuote: { NoNumbersAvailable: withQuery('country=GB') },
}

function unsupported(): Partial<Record<FailureTag, Recipe>> {
  return {
    UnsupportedVoice: withBody({ tts: { voiceId: 'nobody' } }),
    UnsupportedModel: withBody({ llm: { kind: 'managed', model: 'none' } }),
  }
}

/** The recipe of one error of one route, or null: then the suite fails. */
export function recipeOf(name: EndpointName, tag: FailureTag): Recipe | null {
  return own[name]?.[tag] ?? common[tag] ?? null
}
