// The world of the conformance suite: one API on a real store, one of each thing in it, and strangers at the door.
import { endpoints, type Endpoint, type EndpointName } from '@saperly/contract'
import { fail, Fault, Ids, SystemClock, systemRandom } from '@saperly/kernel'
import type { Inventory, NumberRefusal } from '../../packages/server/src/api/deps.ts'
import { SandboxInventory } from '../../packages/server/src/api/inventory.ts'
import { openApiWorld, type ApiWorld } from '../../packages/server/src/api/testing.ts'
import type { Store } from '../../packages/server/src/store/port.ts'
import { startTestServer } from '../../packages/server/src/store/testing.ts'

/** One of each thing that a route can name. */
export interface Things {
  number: string
  connection: string
  call: string
  webhook: string
  delivery: string
  key: string
}

/** Ids of the right form that nothing has. */
export const NOTHING: Things = {
  number: 'num_missing',
  connection: 'conn_missing',
  call: 'call_missing',
  webhook: 'whk_missing',
  delivery: 'dlv_missing',
  key: 'key_missing',
}

export const PEER = '+15555550123'

export interface Conformance {
  api: ApiWorld
  /** The same store behind a server that lets nobody through. */
  narrow: ApiWorld
  things: Things
  token: string
  strangers: { otherWorkspace: string; otherEnvironment: string; outsideAllowList: string }
  /** The next number that is asked for is refused so. */
  refuseNumber: (failure: NumberRefusal) => void
  /** While `body` runs, the database is away. */
  withoutDatabase: <T>(body: () => Promise<T>) => Promise<T>
  close(): Promise<void>
}

/** A header that makes the routes of this suite's server fall over, in place of a bug. */
export const EXPLODE = 'x-test-explode'

export async function openConformance(): Promise<Conformance> {
  const server = await startTestServer()
  const { store } = await server.open()
  const outage = { on: false }
  const shaky = breakable(store, outage)
  const inventory = new RefusingInventory()
  const api = await openApiWorld(shaky, { inventory })
  api.api.app.addHook('preHandler', async (request) => {
    if (request.headers[EXPLODE]) throw new TypeError('a bug')
  })
  const narrow = await openApiWorld(store, { config: { requestBurst: 0 } })
  const { token } = await api.key()
  const things = await furnish(api, token)
  const other = await openApiWorld(store)
  const strangers = {
    otherWorkspace: (await other.key()).token,
    otherEnvironment: (await api.key({ tenant: { environment: 'live' } })).token,
    outsideAllowList: (await api.key({ numberScope: ['num_another'] })).token,
  }
  return {
    api,
    narrow,
    things,
    token,
    strangers,
    refuseNumber: (failure) => void (inventory.next = failure),
    withoutDatabase: async (body) => {
      outage.on = true
      try {
        return await body()
      } finally {
        outage.on = false
      }
    },
    close: async () => {
      for (const world of [api, narrow, other]) await world.close()
      await store.close()
      await server.stop()
    },
  }
}

/** Makes one of each thing, through the API itself where it can. */
async function furnish(api: ApiWorld, token: string): Promise<Things> {
  const make = async (line: string, body: unknown): Promise<string> => {
    const answer = await api.request(line, { token, body })
    if (answer.status > 201) throw new Error(`${line} answered ${answer.raw}`)
    return String(answer.body['id'])
  }
  const connection = await make('POST /connections', { name: 'agent', mode: 'manual' })
  const number = await make('POST /numbers', {})
  await make(`POST /numbers/${number}/connection`, { connectionId: connection })
  await make('POST /consent', grant(number))
  const call = await make('POST /calls', { fromNumberId: number, to: PEER })
  const webhook = await make('POST /webhooks', { url: 'https://example.com/', events: EVENTS })
  const delivery = await make(`POST /webhooks/${webhook}/test`, {})
  const key = await make('POST /api-tokens', { name: 'child', scopes: ['read'] })
  return { number, connection, call, webhook, delivery, key }
}

const EVENTS = ['call.completed']

function grant(numberId: string) {
  return { numberId, peerNumber: PEER, consentType: 'explicit_outbound', source: 'a form' }
}

class RefusingInventory implements Inventory {
  readonly #sandbox = new SandboxInventory({
    ids: new Ids(new SystemClock(), systemRandom),
    random: systemRandom,
  })
  next: NumberRefusal | null = null

  quote(...asked: Parameters<Inventory['quote']>): ReturnType<Inventory['quote']> {
    return this.#sandbox.quote(...asked)
  }

  async take(...asked: Parameters<Inventory['take']>): ReturnType<Inventory['take']> {
    const refusal = this.next
    this.next = null
    return refusal ? fail(refusal) : this.#sandbox.take(...asked)
  }
}

/** The same store, whose every method fails while `outage.on`. */
function breakable(store: Store, outage: { on: boolean }): Store {
  const guard = (): void => {
    if (outage.on) throw new Fault('the database is away', { retryable: true })
  }
  const guarded = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name)
        if (typeof value === 'function')
          return (...rest: unknown[]): unknown => {
            guard()
            return (value as (...rest: unknown[]) => unknown).apply(object, rest)
          }
        return value !== null && typeof value === 'object' ? guarded(value) : value
      },
    })
  return guarded(store)
}

export interface Sample {
  line: string
  body?: unknown
}

/** A good request for each route, about these things. */
export const samples: Record<EndpointName, (things: Things) => Sample> = {
  placeCall: ({ number }) => ({ line: 'POST /calls', body: { fromNumberId: number, to: PEER } }),
  endCall: ({ call }) => ({ line: `POST /calls/${call}/end`, body: { durationSec: 1 } }),
  transferCall: ({ call }) => ({ line: `POST /calls/${call}/transfer`, body: { to: PEER } }),
  speakOnCall: ({ call }) => ({ line: `POST /calls/${call}/speak`, body: { text: 'Hello.' } }),
  sendDtmf: ({ call }) => ({ line: `POST /calls/${call}/dtmf`, body: { digits: '1' } }),
  getCall: ({ call }) => ({ line: `GET /calls/${call}` }),
  listCalls: () => ({ line: 'GET /calls' }),
  getTranscript: ({ call }) => ({ line: `GET /calls/${call}/transcript` }),
  getRecording: ({ call }) => ({ line: `GET /calls/${call}/recording` }),
  getCallSip: ({ call }) => ({ line: `GET /calls/${call}/sip` }),
  listCallEvents: ({ call }) => ({ line: `GET /calls/${call}/events` }),
  listNumbers: () => ({ line: 'GET /numbers' }),
  getNumber: ({ number }) => ({ line: `GET /numbers/${number}` }),
  provisionNumber: () => ({ line: 'POST /numbers', body: {} }),
  releaseNumber: ({ number }) => ({ line: `POST /numbers/${number}/release`, body: {} }),
  bindConnection: ({ number, connection }) => ({
    line: `POST /numbers/${number}/connection`,
    body: { connectionId: connection },
  }),
  setNumberWebhook: ({ number }) => ({
    line: `POST /numbers/${number}/webhook`,
    body: { url: 'https://example.com/' },
  }),
  setCallerId: ({ number }) => ({
    line: `POST /numbers/${number}/caller-id`,
    body: { callerIdName: 'Acme' },
  }),
  setSmsSender: ({ number }) => ({
    line: `POST /numbers/${number}/sms-sender`,
    body: { smsSenderId: 'ACME' },
  }),
  listConnections: () => ({ line: 'GET /connections' }),
  getConnection: ({ connection }) => ({ line: `GET /connections/${connection}` }),
  createConnection: () => ({ line: 'POST /connections', body: { name: 'another' } }),
  updateConnection: ({ connection }) => ({
    line: `PATCH /connections/${connection}`,
    body: { name: 'renamed' },
  }),
  deleteConnection: ({ connection }) => ({ line: `DELETE /connections/${connection}`, body: {} }),
  rotateConnectionSecret: ({ connection }) => ({
    line: `POST /connections/${connection}/rotate-secret`,
    body: {},
  }),
  listConsent: () => ({ line: 'GET /consent' }),
  checkConsent: ({ number }) => ({
    line: `GET /consent/check?numberId=${number}&peerNumber=${encodeURIComponent(PEER)}`,
  }),
  recordConsent: ({ number }) => ({ line: 'POST /consent', body: grant(number) }),
  listOptOuts: () => ({ line: 'GET /opt-outs' }),
  recordOptOut: () => ({ line: 'POST /opt-outs', body: { peerNumber: '+15555550177' } }),
  revokeConsent: ({ number }) => ({
    line: 'POST /consent/revoke',
    body: { numberId: number, peerNumber: PEER },
  }),
  getUsage: () => ({ line: 'GET /usage' }),
  listTransactions: () => ({ line: 'GET /transactions' }),
  getReceipt: ({ call }) => ({ line: `GET /calls/${call}/receipt` }),
  listKeys: () => ({ line: 'GET /api-tokens' }),
  mintKey: ({ number }) => ({
    line: 'POST /api-tokens',
    body: { name: 'k', scopes: ['read'], numberScope: [number] },
  }),
  revokeKey: ({ key }) => ({ line: `POST /api-tokens/${key}/revoke`, body: {} }),
  listAuditEvents: () => ({ line: 'GET /audit-events' }),
  listWebhooks: () => ({ line: 'GET /webhooks' }),
  createWebhook: () => ({
    line: 'POST /webhooks',
    body: { url: 'https://example.com/', events: EVENTS },
  }),
  deleteWebhook: ({ webhook }) => ({ line: `DELETE /webhooks/${webhook}`, body: {} }),
  rotateWebhookSecret: ({ webhook }) => ({
    line: `POST /webhooks/${webhook}/rotate-secret`,
    body: {},
  }),
  listDeliveries: ({ webhook }) => ({ line: `GET /webhooks/${webhook}/deliveries` }),
  testWebhook: ({ webhook }) => ({ line: `POST /webhooks/${webhook}/test`, body: {} }),
  replayDelivery: ({ delivery }) => ({ line: `POST /deliveries/${delivery}/replay`, body: {} }),
  replayDeliveries: ({ webhook }) => ({
    line: `POST /webhooks/${webhook}/replay`,
    body: { since: '2026-01-01T00:00:00Z' },
  }),
  listEvents: () => ({ line: 'GET /events' }),
  placeSandboxCall: ({ number }) => ({
    line: 'POST /sandbox/calls',
    body: { from: PEER, toNumberId: number },
  }),
  getQuote: () => ({ line: 'GET /pricing/quote' }),
  listVoices: () => ({ line: 'GET /voices' }),
  listLanguages: () => ({ line: 'GET /languages' }),
  getHealth: () => ({ line: 'GET /health' }),
  getReady: () => ({ line: 'GET /ready' }),
  getMetrics: () => ({ line: 'GET /metrics' }),
  getOpenapi: () => ({ line: 'GET /openapi.json' }),
  getDocs: () => ({ line: 'GET /docs' }),
}

export const table: readonly (readonly [EndpointName, Endpoint])[] = (
  Object.keys(endpoints) as EndpointName[]
).map((name) => [name, endpoints[name]] as const)
