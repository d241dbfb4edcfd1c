// Idempotency: the same key, route and body from the same API key have one effect and one answer.
//
// An answer is kept when something came of the request; a refusal or a fault frees the key, so that it may be tried
// again. A record that names a call is never freed: a call was made under it, and a retry is told of that call.
import { createHash } from 'node:crypto'
import { failure, type Failure, type FailureTag } from '@saperly/contract'
import { assert, type Clock } from '@saperly/kernel'
import type { IdempotencyBegin, KeyRow, Store } from '../store/port.ts'
import { JSON_TYPE, refusalOf, type Answer } from './answer.ts'

export const MAX_KEY_LENGTH = 255
export const REPLAYED_HEADER = 'idempotency-replayed'

/** No request without a call runs longer: what is older was left behind by a process that is gone. */
export const ABANDONED_AFTER_MS = 120_000

export interface IdempotentRequest {
  key: KeyRow
  idempotencyKey: string
  /** Method and path, without `/v2`. */
  route: string
  body: unknown
  /** Fields that are shown once, and left out of a replay. */
  redact: (body: string) => string
  /** Whether a refusal with this tag is the outcome of something that happened, and so to be kept. */
  keeps: (tag: FailureTag) => boolean
  /** What a retry is told of a call that was made under this key by a process that is gone; null: not yet known. */
  outcomeOf: (callId: string) => Promise<Answer | null>
  /** Does the work. */
  run: () => Promise<{ answer: Answer; failure: Failure | null }>
}

type Claim = Parameters<Store['tables']['idempotency']['begin']>[0]

export class Idempotency {
  readonly #store: Store
  readonly #clock: Clock
  /** Requests that run in this process, by API key and idempotency key. */
  readonly #running = new Set<string>()
  /** One at a time: two retries must not both take over what was abandoned. */
  #takeOver: Promise<unknown> = Promise.resolve()

  constructor(deps: { store: Store; clock: Clock }) {
    this.#store = deps.store
    this.#clock = deps.clock
  }

  /** Runs the request unless its key has been used; then answers as the first time, or says why not. */
  async once(request: IdempotentRequest): Promise<Answer> {
    if (request.idempotencyKey.length > MAX_KEY_LENGTH)
      return mismatch(`the Idempotency-Key is over ${MAX_KEY_LENGTH} characters`)
    const name = `${request.key.id} ${request.idempotencyKey}`
    const record = this.#record(request)
    const begun = await this.#store.tables.idempotency.begin(record)
    if (begun.state === 'mismatch')
      return mismatch('the Idempotency-Key was used with another body or route')
    if (begun.state === 'done') return replay(begun)
    if (begun.state === 'running') {
      const answer = await this.#wait(request, begun, name)
      if (answer) return answer
    }
    this.#running.add(name)
    try {
      return await this.#run(request, record)
    } finally {
      this.#running.delete(name)
    }
  }

  #record(request: IdempotentRequest): Claim {
    const { key, idempotencyKey, route, body } = request
    return {
      tenant: { workspaceId: key.workspaceId, environment: key.environment },
      keyId: key.id,
      key: idempotencyKey,
      requestHash: requestHash(route, body),
      at: this.#clock.now(),
    }
  }

  /** What to say while the first request runs, or null when this one has taken its place. */
  async #wait(
    request: IdempotentRequest,
    begun: IdempotencyBegin & { state: 'running' },
    name: string,
  ): Promise<Answer | null> {
    if (this.#running.has(name)) return conflict()
    if (begun.callId !== null) return (await request.outcomeOf(begun.callId)) ?? conflict()
    if (this.#clock.now() - begun.startedAt < ABANDONED_AFTER_MS) return conflict()
    const taken = this.#takeOver.then(() => this.#replace(request))
    this.#takeOver = taken.catch(() => undefined)
    return (await taken) ? null : conflict()
  }

  /** Claims an abandoned record anew; false when somebody else was faster. */
  #replace(request: IdempotentRequest): Promise<boolean> {
    const record = this.#record(request)
    return this.#store.transaction(async ({ idempotency }) => {
      const now = await idempotency.begin(record)
      if (now.state !== 'running' || now.callId !== null) return now.state === 'fresh'
      if (record.at - now.startedAt < ABANDONED_AFTER_MS) return false
      await idempotency.free(record.keyId, record.key)
      return (await idempotency.begin(record)).state === 'fresh'
    })
  }

  async #run(request: IdempotentRequest, record: Claim): Promise<Answer> {
    let outcome: { answer: Answer; failure: Failure | null }
    try {
      outcome = await request.run()
    } catch (error) {
      await this.#free(record)
      throw error
    }
    const { answer } = outcome
    if (outcome.failure === null || request.keeps(outcome.failure._tag)) {
      await this.#store.tables.idempotency.complete(record.keyId, record.key, {
        status: answer.status,
        body: request.redact(textOf(answer)),
        at: this.#clock.now(),
      })
    } else {
      await this.#free(record)
    }
    return answer
  }

  /** Forgets the record, unless a call was made under it. */
  #free(record: Claim): Promise<void> {
    return this.#store.transaction(async ({ idempotency }) => {
      const now = await idempotency.begin(record)
      if (now.state === 'done' || (now.state === 'running' && now.callId !== null)) return
      await idempotency.free(record.keyId, record.key)
    })
  }
}

/** Only reading answers with bytes, and reading is never replayed. */
function textOf({ body }: Answer): string {
  assert(typeof body === 'string', 'an answer that is kept is text')
  return body
}

function replay(done: { status: number; body: string }): Answer {
  return {
    status: done.status,
    contentType: JSON_TYPE,
    headers: { [REPLAYED_HEADER]: 'true' },
    body: done.body,
  }
}

function mismatch(message: string): Answer {
  return refusalOf(failure('IdempotencyKeyMismatch', { message }))
}

function conflict(): Answer {
  return refusalOf(
    failure('IdempotencyConflict', {
      message: 'the first request with this Idempotency-Key is still running',
    }),
  )
}

/** What two requests must have in common to be the same. `route`: method and path, without `/v2`. */
export function requestHash(route: string, body: unknown): string {
  return createHash('sha256')
    .update(`${route}\n${canonical(body)}`)
    .digest('hex')
}

/** JSON with sorted names: the same body, however it was written. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}
