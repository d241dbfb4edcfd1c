// Digest authentication of a server (RFC 7616, RFC 8760): challenges without state, and the check of what comes back.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { randomHex } from '@saperly/kernel'
import type { Clock, Random } from '@saperly/kernel'
import type { Field } from './compose.ts'
import { digestResponse, parseDigest } from './digest.ts'
import type { Algorithm, Credentials } from './digest.ts'
import type { Params } from './header.ts'
import type { SipRequest } from './message.ts'
import { quote } from './quoting.ts'
import { parseUri } from './uri.ts'

/** How long a nonce is good, milliseconds: a round trip, and a lost packet or two. */
export const NONCE_LIFE_MS = 60_000

/**
 * What the credentials of a request are worth. `stale`: right, but for a nonce that is too old, or was made for
 * another call or address; `absent`: none for this realm.
 */
export type Verdict = 'right' | 'stale' | 'wrong' | 'absent'

/** What may be asked for, the stronger one first (RFC 8760 section 2.4). */
export const SERVER_ALGORITHMS = ['SHA-256', 'MD5'] as const
export type ServerAlgorithm = (typeof SERVER_ALGORITHMS)[number]
const KEY_BYTES = 32
/** Authorization fields of one request that are looked at. */
const MAX_AUTHORIZATIONS = 8
const NONCE = /^([0-9a-f]{1,12})\.([0-9a-f]{12})\.([0-9a-f]{32})$/

/**
 * Nonces carry their time and a code over it, the address and the Call-ID, so that nothing is remembered: a request
 * that was listened in on can be sent again only as the same call, from the same address, within a minute.
 */
export class DigestServer {
  readonly realm: string
  readonly #clock: Clock
  readonly #random: Random
  readonly #key: Uint8Array

  constructor(realm: string, clock: Clock, random: Random) {
    this.realm = realm
    this.#clock = clock
    this.#random = random
    this.#key = random.bytes(KEY_BYTES)
  }

  /** The challenges of a 401, one for each algorithm. */
  challenge(
    request: SipRequest,
    address: string,
    stale: boolean,
    algorithms: readonly ServerAlgorithm[] = SERVER_ALGORITHMS,
  ): Field[] {
    const nonce = this.#nonce(Math.floor(this.#clock.monotonicMs()), request, address)
    return algorithms.map((algorithm) => [
      'www-authenticate',
      `Digest realm=${quote(this.realm)}, nonce="${nonce}", qop="auth", algorithm=${algorithm}${stale ? ', stale=true' : ''}`,
    ])
  }

  /** The user that a request says it comes from, or null: nothing is proved by it. */
  userOf(request: SipRequest): string | null {
    return this.#credentialsOf(request)?.get('username') ?? null
  }

  /** `algorithms`: those that were asked for; others prove nothing. */
  check(
    request: SipRequest,
    address: string,
    credentials: Credentials,
    algorithms: readonly ServerAlgorithm[] = SERVER_ALGORITHMS,
  ): Verdict {
    const given = this.#credentialsOf(request)
    if (!given) return 'absent'
    if (!rightUser(given, credentials) || !rightTarget(given, request)) return 'wrong'
    const named = (given.get('algorithm') ?? 'MD5').toUpperCase()
    const algorithm = algorithms.find((asked) => asked === named)
    if (!algorithm || !rightResponse(given, algorithm, request.method, credentials)) return 'wrong'
    return this.#isFresh(given.get('nonce')!, request, address) ? 'right' : 'stale'
  }

  #credentialsOf(request: SipRequest): Params | null {
    const fields = request.headers.all('authorization').slice(0, MAX_AUTHORIZATIONS)
    for (const field of fields) {
      const params = parseDigest(field)
      if (params?.get('realm') === this.realm) return params
    }
    return null
  }

  #nonce(madeMs: number, request: SipRequest, address: string): string {
    const head = `${madeMs.toString(16)}.${randomHex(this.#random, 6)}`
    return `${head}.${this.#code(head, request, address)}`
  }

  #code(head: string, request: SipRequest, address: string): string {
    const text = `${head} ${address} ${request.headers.get('call-id')}`
    return createHmac('sha256', this.#key).update(text).digest('hex').slice(0, 32)
  }

  #isFresh(nonce: string, request: SipRequest, address: string): boolean {
    const found = NONCE.exec(nonce)
    if (!found) return false
    const [, made, salt, code] = found
    const ageMs = this.#clock.monotonicMs() - Number.parseInt(made!, 16)
    const ours = this.#code(`${made!}.${salt!}`, request, address)
    return sameText(code!, ours) && ageMs <= NONCE_LIFE_MS
  }
}

function rightUser(given: Params, { username }: Credentials): boolean {
  return sameText(given.get('username') ?? '', username)
}

/** Proxies may rewrite the host of a Request-URI on its way, but whom it calls has to be what was signed. */
function rightTarget(given: Params, request: SipRequest): boolean {
  const signed = parseUri(given.get('uri') ?? '')
  return signed !== null && signed.user === (parseUri(request.uri)?.user ?? null)
}

function rightResponse(
  given: Params,
  algorithm: Algorithm,
  method: string,
  credentials: Credentials,
): boolean {
  const [realm, nonce, uri] = [given.get('realm'), given.get('nonce'), given.get('uri')]
  const [cnonce, nc] = [given.get('cnonce'), given.get('nc')]
  if (realm === undefined || nonce === undefined || uri === undefined) return false
  // Without qop nothing binds the answer to its own count, so that old form is not taken.
  if (given.get('qop') !== 'auth' || cnonce === undefined || !/^[0-9a-f]{8}$/.test(nc ?? '')) {
    return false
  }
  const challenge = {
    realm,
    nonce,
    opaque: null,
    algorithm,
    algorithmText: null,
    qop: true,
    stale: false,
  }
  const nonceCount = Number.parseInt(nc!, 16)
  const expected = digestResponse({ challenge, credentials, method, uri, cnonce, nonceCount })
  return sameText(given.get('response')?.toLowerCase() ?? '', expected)
}

/** Compares in a time that tells nothing about where two texts differ. */
function sameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
