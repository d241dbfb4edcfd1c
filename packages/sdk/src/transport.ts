// One request to the API: its address, headers, time limit, retries, and what becomes of the answer.
import { apiError } from './api-error.ts'
import { ConnectionError, SaperlyError, TimeoutError } from './errors.ts'
import { type OperationName, type Operations, routes } from './generated/operations.ts'
import { waitBeforeRetry } from './retry.ts'
import { childOf, sleep } from './wait.ts'

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>

export interface RequestOptions {
  /** Ends the request; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** In place of the client's, for each attempt. */
  timeoutMs?: number | undefined
  /** In place of the client's. */
  maxRetries?: number | undefined
  /** In place of one that the client makes up: the same key never does the same thing twice within 24 hours. */
  idempotencyKey?: string | undefined
}

export interface TransportConfig {
  apiKey: string
  /** Without a slash at the end. */
  baseUrl: string
  timeoutMs: number
  maxRetries: number
  fetch: Fetch
}

interface Request<Name extends OperationName> {
  /** For the `:id` of the path. */
  id?: string | undefined
  query?: Operations[Name]['query'] | undefined
  body?: Operations[Name]['body'] | undefined
}

/** What is sent; the same for each attempt. */
export interface Outgoing {
  method: string
  url: string
  headers: Record<string, string>
  body?: string | undefined
}

export class Transport {
  readonly config: TransportConfig

  constructor(config: TransportConfig) {
    this.config = config
  }

  /** Asks and reads the answer's JSON. */
  async call<Name extends OperationName>(
    name: Name,
    request: Request<Name> = {},
    options: RequestOptions = {},
  ): Promise<Operations[Name]['answer']> {
    const answer = await this.send(this.outgoing(name, request, options), options, readJson)
    return answer as Operations[Name]['answer']
  }

  /** The request as it goes out. */
  outgoing<Name extends OperationName>(
    name: Name,
    { id, query, body }: Request<Name>,
    { idempotencyKey }: RequestOptions = {},
  ): Outgoing {
    const { method, path } = routes[name]
    const url = `${this.config.baseUrl}${withId(path, id)}${queryOf(query)}`
    const headers: Record<string, string> = {
      accept: 'application/json',
      authorization: `Bearer ${this.config.apiKey}`,
    }
    if (method !== 'GET') headers['idempotency-key'] = idempotencyKey ?? newIdempotencyKey()
    if (body === undefined || body === null) return { method, url, headers }
    headers['content-type'] = 'application/json'
    return { method, url, headers, body: JSON.stringify(body) }
  }

  /** Sends, reads, and tries again where that is safe. */
  async send<T>(
    outgoing: Outgoing,
    options: RequestOptions,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const retries = options.maxRetries ?? this.config.maxRetries
    const safe = outgoing.method === 'GET' || 'idempotency-key' in outgoing.headers
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(outgoing, options, read)
      } catch (error) {
        const waitMs = waitBeforeRetry(error, { method: outgoing.method, safe }, attempt)
        if (waitMs === null || attempt >= retries) throw error
        await sleep(waitMs, options.signal)
      }
    }
  }

  async #attempt<T>(
    outgoing: Outgoing,
    options: RequestOptions,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const { signal } = options
    if (signal?.aborted) throw signal.reason
    const timeoutMs = options.timeoutMs ?? this.config.timeoutMs
    const { controller, release } = childOf(signal)
    const late = new TimeoutError(`no answer within ${timeoutMs} ms`)
    const timer = setTimeout(() => controller.abort(late), timeoutMs)
    const { url, body, ...init } = outgoing
    try {
      const response = await this.config.fetch(url, {
        ...init,
        ...(body === undefined ? {} : { body }),
        signal: controller.signal,
      })
      if (response.ok) return await read(response)
      const { status, headers } = response
      throw apiError(await response.text(), { status, headers })
    } catch (error) {
      release()
      if (signal?.aborted) throw signal.reason
      if (controller.signal.aborted) throw late
      if (error instanceof SaperlyError) throw error
      throw new ConnectionError('the request could not be sent, or its answer not be read', {
        cause: error,
      })
    } finally {
      clearTimeout(timer)
      // An answer that is still being read ends with the caller's signal.
      if (read !== (asItComes as unknown)) release()
    }
  }
}

/** The JSON of a success. */
export async function readJson(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return JSON.parse(text) as unknown
  } catch {
    const { status, headers } = response
    throw apiError(text, { status, headers })
  }
}

/** Leaves the body to the caller: the time limit then covers only the way to the headers. */
export function asItComes(response: Response): Promise<Response> {
  return Promise.resolve(response)
}

function withId(path: string, id: string | undefined): string {
  if (!path.includes('/:id')) return path
  if (typeof id !== 'string' || id === '') throw new SaperlyError('an id is required')
  return path.replace(':id', encodeURIComponent(id))
}

function queryOf(query: object | undefined): string {
  const pairs = Object.entries(query ?? {}).filter(
    ([, value]) => value !== undefined && value !== null,
  )
  if (pairs.length === 0) return ''
  return `?${new URLSearchParams(Object.fromEntries(pairs.map(([name, value]) => [name, String(value)])))}`
}

/** Random enough that no two requests of a key share one; it is no secret. */
function newIdempotencyKey(): string {
  const crypto = globalThis.crypto as { randomUUID?: () => string } | undefined
  if (crypto?.randomUUID) return crypto.randomUUID()
  const word = (): string => Math.random().toString(36).slice(2, 14)
  return `${Date.now().toString(36)}-${word()}-${word()}`
}
