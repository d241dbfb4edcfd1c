// The gate in front of every keyed route: whose key it is, whether it may ask so often, and whether it may ask this.
import { failure, retryAfterOf, type Endpoint, type Failure } from '@saperly/contract'
import { hashToken } from '../secrets/tokens.ts'
import type { KeyRow, Store } from '../store/port.ts'
import type { ApiDeps } from './deps.ts'
import { RateLimit } from './rate-limit.ts'

const TOKEN_PATTERN = /^sk_(?:live|test)_[\x21-\x7e]{1,200}$/
const BEARER_PATTERN = /^Bearer +([^\s]+) *$/i

/** How stale `lastUsedAt` may be: a write for every request would cost more than it tells. */
const TOUCH_INTERVAL_MS = 60_000

export type Admission =
  | { ok: true; key: KeyRow }
  | { ok: false; failure: Failure; retryAfterSec: number | null }

export class Gate {
  readonly #store: Store
  readonly #deps: ApiDeps
  readonly #rate: RateLimit

  constructor(deps: ApiDeps) {
    this.#store = deps.store
    this.#deps = deps
    this.#rate = new RateLimit(deps.clock, deps.config.requestsPerSec, deps.config.requestBurst)
  }

  /** Key, then rate, then scope. The key is read every time, so that a revocation holds for the next request. */
  async admit(authorization: string | undefined, endpoint: Endpoint): Promise<Admission> {
    const key = await this.#find(authorization)
    if (!key) return refused(failure('Unauthorized', { message: UNAUTHORIZED }))
    const waitSec = this.#rate.take(key.id)
    if (waitSec !== null) return refused(failure('RateLimited', { bucket: 'key' }), waitSec)
    if (endpoint.scope !== 'any' && !key.scopes.includes(endpoint.scope))
      return refused(
        failure('AuthorizationDenied', { reason: `the key lacks the scope ${endpoint.scope}` }),
      )
    return { ok: true, key }
  }

  /** Whether the key is still good: for streams, which outlive the request that opened them. */
  async stillValid(hash: string): Promise<boolean> {
    return this.#valid(await this.#store.tables.keys.findByHash(hash))
  }

  async #find(authorization: string | undefined): Promise<KeyRow | null> {
    const token = BEARER_PATTERN.exec(authorization ?? '')?.[1]
    if (token === undefined || !TOKEN_PATTERN.test(token)) return null
    const key = await this.#store.tables.keys.findByHash(hashToken(token))
    if (!key || !this.#valid(key)) return null
    const nowMs = this.#deps.clock.now()
    if (key.lastUsedAt === null || nowMs - key.lastUsedAt >= TOUCH_INTERVAL_MS)
      await this.#store.tables.keys.touch(key.id, nowMs)
    return key
  }

  #valid(key: KeyRow | null): boolean {
    if (!key || key.revokedAt !== null) return false
    return key.expiresAt === null || key.expiresAt > this.#deps.clock.now()
  }
}

const UNAUTHORIZED =
  'send Authorization: Bearer <key> with a key that is neither expired nor revoked'

function refused(no: Failure, retryAfterSec?: number): Admission {
  return { ok: false, failure: no, retryAfterSec: retryAfterOf(no, retryAfterSec) }
}
