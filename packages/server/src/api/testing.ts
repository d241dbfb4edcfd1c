// A whole API for tests: real routes on a real store, with calls that do as they are told.
import { failure, scopes, type Scope } from '@saperly/contract'
import { fail, Ids, ok, silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import type { Clock, Result } from '@saperly/kernel'
import type { Calls, PlaceRequest } from '../call/port.ts'
import { SecretBox } from '../secrets/box.ts'
import { hashToken, mintToken, shownPrefix } from '../secrets/tokens.ts'
import type { CallRow, EventRow, KeyRow, Store, Tenant } from '../store/port.ts'
import type { ApiConfig, Inventory } from './deps.ts'
import { SandboxInventory } from './inventory.ts'
import { createApi, type Api } from './server.ts'

/** What a scripted method answers next: a refusal, or something to wait for first, or an error to throw. */
type Script = { failure?: unknown; until?: Promise<void>; error?: Error }

/** Calls without a network: each is a row that rings, and each method can be told to answer otherwise, once. */
export class ScriptedCalls implements Calls {
  readonly scripts = new Map<keyof Calls, Script>()
  readonly placed: PlaceRequest[] = []
  readonly #store: Store
  readonly #clock: Clock
  readonly #ids: Ids
  live = 0

  constructor(parts: { store: Store; clock: Clock; ids: Ids }) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#ids = parts.ids
  }

  signalling(): ReturnType<Calls['signalling']> {
    return Promise.resolve([])
  }

  async place(request: PlaceRequest): ReturnType<Calls['place']> {
    this.placed.push(request)
    const { key, fromNumberId: numberId, idempotencyKey } = request
    const scripted = await this.#scripted('place')
    if (scripted) return scripted as Awaited<ReturnType<Calls['place']>>
    const number = await this.#store.tables.numbers.get(key, numberId)
    const hidden = key.numberScope !== null && !key.numberScope.includes(numberId)
    if (!number || hidden) return fail(failure('NumberNotFound', { numberId }))
    const call = this.row(key, {
      numberId,
      to: request.to,
      from: number.phoneNumber,
      connectionId: number.connectionId ?? 'conn_none',
      keyId: key.id,
      metadata: request.metadata,
    })
    await this.#store.transaction(async (tables) => {
      await tables.calls.insert(call)
      if (idempotencyKey !== null)
        await tables.idempotency.nameCall(key.id, idempotencyKey, call.id)
    })
    await this.#after('place')
    return ok(call)
  }

  async end(tenant: Tenant, callId: string, durationSec: number | null): ReturnType<Calls['end']> {
    const at = this.#clock.now()
    const status = durationSec ? 'completed' : 'no_answer'
    const own = { id: callId, processId: 'proc_none' }
    await this.#store.tables.calls.change(own, ['queued', 'dialing', 'ringing', 'connected'], {
      state: 'ended',
      status,
      durationSec: durationSec ?? 0,
      costCents: 0,
      hangupCause: durationSec ? 'api_end' : 'cancelled',
      endedAt: at,
    })
    return this.#found('end', tenant, callId) as ReturnType<Calls['end']>
  }

  transfer(tenant: Tenant, callId: string): ReturnType<Calls['transfer']> {
    return this.#found('transfer', tenant, callId) as ReturnType<Calls['transfer']>
  }

  speak(tenant: Tenant, callId: string): ReturnType<Calls['speak']> {
    return this.#found('speak', tenant, callId) as ReturnType<Calls['speak']>
  }

  sendDtmf(tenant: Tenant, callId: string): ReturnType<Calls['sendDtmf']> {
    return this.#found('sendDtmf', tenant, callId) as ReturnType<Calls['sendDtmf']>
  }

  async sandboxCall({
    key,
    from,
    toNumberId,
  }: Parameters<Calls['sandboxCall']>[0]): ReturnType<Calls['sandboxCall']> {
    const scripted = await this.#scripted('sandboxCall')
    if (scripted) return scripted as Awaited<ReturnType<Calls['sandboxCall']>>
    const call = this.row(key, { numberId: toNumberId, direction: 'inbound', from })
    await this.#store.tables.calls.insert(call)
    return ok(call)
  }

  async *follow(
    callId: string,
    afterId: string | null,
    signal: AbortSignal,
  ): AsyncIterable<EventRow> {
    let lastId = afterId
    for (;;) {
      for (const row of await this.#store.tables.events.list(callId, lastId)) {
        lastId = row.id
        yield row
        if (row.type === 'ended') return
      }
      await this.#clock.sleep(5, signal)
    }
  }

  drain(): void {}

  /** Answers `method` this way once. */
  script(method: keyof Calls, script: Script): void {
    this.scripts.set(method, script)
  }

  /** A call that rings. */
  row(tenant: Tenant, more: Partial<CallRow>): CallRow {
    const at = this.#clock.now()
    return {
      workspaceId: tenant.workspaceId,
      environment: tenant.environment,
      id: this.#ids.next('call'),
      numberId: 'num_none',
      keyId: null,
      connectionId: 'conn_none',
      processId: 'proc_none',
      direction: 'outbound',
      from: '+15556000001',
      to: '+15555550123',
      state: 'ringing',
      status: 'initiated',
      recognizer: 'phrases',
      rateCentsPerMin: 13,
      durationSec: null,
      costCents: null,
      hangupCause: null,
      sipCode: null,
      q850Cause: null,
      recordingPath: null,
      hasTranscript: false,
      instructions: null,
      metadata: {},
      ringTimeoutSec: 45,
      maxDurationSec: 900,
      dialog: null,
      bridge: null,
      heartbeatAt: at,
      createdAt: at,
      answeredAt: null,
      endedAt: null,
      ...more,
    }
  }

  async #scripted(method: keyof Calls): Promise<Result<never, unknown> | null> {
    const script = this.scripts.get(method)
    if (!script?.failure) return null
    this.scripts.delete(method)
    return fail(script.failure)
  }

  /** What happens once the call is made: nothing, a wait, or a crash. */
  async #after(method: keyof Calls): Promise<void> {
    const script = this.scripts.get(method)
    this.scripts.delete(method)
    await script?.until
    if (script?.error) throw script.error
  }

  async #found(method: keyof Calls, tenant: Tenant, callId: string): Promise<unknown> {
    const scripted = await this.#scripted(method)
    if (scripted) return scripted
    const call = await this.#store.tables.calls.get(tenant, callId)
    return call ? ok(call) : fail(failure('CallNotFound', { callId }))
  }
}

export const TEST_CONFIG: ApiConfig = {
  host: '127.0.0.1',
  port: 0,
  requestsPerSec: 1_000_000,
  requestBurst: 1_000_000,
  maxClients: 1_000,
  corsOrigins: ['https://app.example.com'],
  managedModels: ['house-model'],
  speechEngines: ['house-engine'],
  linkSecret: Buffer.alloc(32, 7),
  checkAnswers: true,
}

export interface KeyWish {
  tenant?: Partial<Tenant>
  scopes?: readonly Scope[]
  numberScope?: readonly string[] | null
  spendLimitCents?: number | null
  expiresAt?: number | null
}

/** One request to the API, and its answer with the body read. */
export interface Answered {
  status: number
  headers: Record<string, unknown>
  raw: string
  body: Record<string, unknown>
}

export interface ApiWorld {
  api: Api
  store: Store
  calls: ScriptedCalls
  clock: Clock
  ids: Ids
  workspaceId: string
  /** How often the API said that it had committed something. */
  commits: () => number
  /** A key with all scopes unless told otherwise: its token. */
  key(wish?: KeyWish): Promise<{ token: string; row: KeyRow }>
  /** A new number, bound to a new connection in manual mode. */
  line(token: string): Promise<{ numberId: string; connectionId: string }>
  /** `request('POST /calls', { token, body })`. */
  request(
    line: string,
    more?: { token?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<Answered>
  close(): Promise<void>
}

export async function openApiWorld(
  store: Store,
  more: { config?: Partial<ApiConfig>; clock?: Clock; inventory?: Inventory } = {},
): Promise<ApiWorld> {
  const clock = more.clock ?? new SystemClock()
  const ids = new Ids(clock, systemRandom)
  const calls = new ScriptedCalls({ store, clock, ids })
  const workspaceId = ids.next('ws')
  let commits = 0
  await store.tables.workspaces.create({ id: workspaceId, name: 'Acme', createdAt: clock.now() })
  const api = await createApi({
    config: { ...TEST_CONFIG, ...more.config },
    store,
    calls,
    inventory: more.inventory ?? new SandboxInventory({ ids, random: systemRandom }),
    secrets: new SecretBox(Buffer.alloc(32, 9), systemRandom),
    clock,
    ids,
    random: systemRandom,
    log: silentLog,
    recognizerOf: (engine) => (engine === null ? 'phrases' : 'free'),
    voices: () => [{ id: 'slt', name: 'Slt', gender: 'female', language: 'en-US' }],
    publicUrl: () => 'http://platform.test',
    liveStats: () => ({
      'lines_total{line="0"}': 3,
      trunks_up: 1,
      'lines_total{line="1"}': 4,
      'Not a name': 5,
    }),
    manualEnded: () => {},
    afterCommit: () => void commits++,
  })
  return {
    api,
    store,
    calls,
    clock,
    ids,
    workspaceId,
    commits: () => commits,
    key: (wish = {}) => insertKey(store, clock, ids, workspaceId, wish),
    line: (token) => openLine(api, token),
    request: (line, options = {}) => ask(api, line, options),
    close: () => api.close(),
  }
}

async function insertKey(
  store: Store,
  clock: Clock,
  ids: Ids,
  workspaceId: string,
  wish: KeyWish,
): Promise<{ token: string; row: KeyRow }> {
  const environment = wish.tenant?.environment ?? 'test'
  const token = mintToken(environment === 'live' ? 'sk_live' : 'sk_test', systemRandom)
  const row: KeyRow = {
    workspaceId: wish.tenant?.workspaceId ?? workspaceId,
    environment,
    id: ids.next('key'),
    name: 'test key',
    prefix: shownPrefix(token),
    hash: hashToken(token),
    scopes: wish.scopes ?? scopes,
    numberScope: wish.numberScope ?? null,
    spendLimitCents: wish.spendLimitCents ?? null,
    spendLimitResetPeriod: null,
    mintedByTokenId: null,
    expiresAt: wish.expiresAt ?? null,
    lastUsedAt: null,
    createdAt: clock.now(),
    revokedAt: null,
  }
  await store.tables.keys.insert(row)
  return { token, row }
}

async function openLine(
  api: Api,
  token: string,
): Promise<{ numberId: string; connectionId: string }> {
  const agent = await ask(api, 'POST /connections', { token, body: { name: 'a', mode: 'manual' } })
  const number = await ask(api, 'POST /numbers', { token, body: {} })
  const [numberId, connectionId] = [String(number.body['id']), String(agent.body['id'])]
  await ask(api, `POST /numbers/${numberId}/connection`, { token, body: { connectionId } })
  return { numberId, connectionId }
}

async function ask(
  { app }: Api,
  line: string,
  more: { token?: string; body?: unknown; headers?: Record<string, string> },
): Promise<Answered> {
  const [method = '', url = ''] = line.split(' ')
  const { token, body } = more
  const response = await app.inject({
    method: method as 'GET',
    url,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...more.headers,
    },
    ...(body === undefined
      ? {}
      : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const isJson = String(response.headers['content-type'] ?? '').startsWith('application/json')
  return {
    status: response.statusCode,
    headers: response.headers,
    raw: response.body,
    body: isJson && response.body !== '' ? response.json() : {},
  }
}
