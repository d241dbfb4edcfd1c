// Digest authentication of a client: MD5 and SHA-256, qop=auth, stale nonces, several challenges (RFC 7616, RFC 8760).
import { createHash } from 'node:crypto'
import { randomHex } from '@saperly/kernel'
import type { Random } from '@saperly/kernel'
import { parseParams } from './header.ts'
import type { Params } from './header.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { quote } from './quoting.ts'

export interface Credentials {
  username: string
  password: string
  /** The only realm that they are for; any, when it isn't said. */
  realm?: string | null
}

/** How often one request is tried again with other credentials before its refusal stands. */
export const MAX_CHALLENGES = 4
/** Realms remembered for one call. */
const MAX_REALMS = 8

export type Algorithm = 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess'

/** Strongest first. */
const PREFERENCE: readonly Algorithm[] = ['SHA-256', 'SHA-256-sess', 'MD5', 'MD5-sess']

export interface Challenge {
  realm: string
  nonce: string
  opaque: string | null
  algorithm: Algorithm
  /** As it was spelled, or null when the challenge named none. */
  algorithmText: string | null
  /** True when `auth` is offered; without qop the old form of RFC 2069 is computed. */
  qop: boolean
  stale: boolean
}

/** Reads one WWW- or Proxy-Authenticate value; null when we can't answer it. */
export function parseChallenge(value: string): Challenge | null {
  const params = parseDigest(value)
  if (!params) return null
  const realm = params.get('realm')
  const nonce = params.get('nonce')
  const algorithmText = params.get('algorithm') ?? null
  const algorithm = PREFERENCE.find(
    (known) => known.toLowerCase() === (algorithmText ?? 'MD5').toLowerCase(),
  )
  if (realm === undefined || nonce === undefined || algorithm === undefined) return null
  const qop = params.get('qop')
  const offered = (qop ?? '').split(',').map((word) => word.trim().toLowerCase())
  if (qop !== undefined && qop !== '' && !offered.includes('auth')) return null
  return {
    realm,
    nonce,
    opaque: params.get('opaque') ?? null,
    algorithm,
    algorithmText,
    qop: offered.includes('auth'),
    stale: params.get('stale')?.toLowerCase() === 'true',
  }
}

/** The parameters of a Digest challenge or of credentials; null when the scheme is another. */
export function parseDigest(value: string): Params | null {
  const found = /^\s*digest\s+(.*)$/is.exec(value)
  return found && parseParams(splitChallenge(found[1]!))
}

/** Digest parameters are separated by commas where other headers use semicolons. */
function splitChallenge(text: string): string {
  return text.replaceAll(/("(?:[^"\\]|\\.)*")|,/gs, (_, quoted?: string) => quoted ?? ';')
}

export interface DigestInput {
  challenge: Challenge
  credentials: Credentials
  method: string
  uri: string
  cnonce: string
  /** How often this nonce has been used, this time included. */
  nonceCount: number
}

/** The `response` value of RFC 7616 section 3.4.1. */
export function digestResponse(input: DigestInput): string {
  const { challenge, credentials, method, uri, cnonce, nonceCount } = input
  const name = challenge.algorithm.startsWith('MD5') ? 'md5' : 'sha256'
  const hash = (text: string): string => createHash(name).update(text, 'utf8').digest('hex')
  const plain = hash(`${credentials.username}:${challenge.realm}:${credentials.password}`)
  const secret = challenge.algorithm.endsWith('-sess')
    ? hash(`${plain}:${challenge.nonce}:${cnonce}`)
    : plain
  const request = hash(`${method}:${uri}`)
  return challenge.qop
    ? hash(`${secret}:${challenge.nonce}:${countText(nonceCount)}:${cnonce}:auth:${request}`)
    : hash(`${secret}:${challenge.nonce}:${request}`)
}

function countText(count: number): string {
  return count.toString(16).padStart(8, '0')
}

interface Known {
  header: 'authorization' | 'proxy-authorization'
  challenge: Challenge
  uses: number
}

/** The credentials of one call, and what its servers asked for so far; later requests carry them at once. */
export class DigestClient {
  readonly #credentials: Credentials
  readonly #random: Random
  readonly #known = new Map<string, Known>()

  constructor(credentials: Credentials, random: Random) {
    this.#credentials = credentials
    this.#random = random
  }

  /**
   * Learns the challenges of a 401 or 407. False when trying again is of no use: nothing we can answer, or fresh
   * credentials were refused.
   */
  learn(response: SipResponse): boolean {
    const proxy = response.status === 407
    const header = proxy ? 'proxy-authorization' : 'authorization'
    const best = new Map<string, Challenge>()
    for (const value of response.headers.all(proxy ? 'proxy-authenticate' : 'www-authenticate')) {
      const challenge = this.#mine(parseChallenge(value))
      const rival = challenge && best.get(challenge.realm)
      if (challenge && (!rival || rank(challenge) < rank(rival)))
        best.set(challenge.realm, challenge)
    }
    let useful = false
    for (const [realm, challenge] of best) {
      const key = `${header} ${realm}`
      const known = this.#known.get(key)
      // A nonce that had worked before may simply have aged; one refused at first use means wrong credentials.
      if (known && known.uses <= 1 && !challenge.stale) return false
      if (!known && this.#known.size >= MAX_REALMS) return false
      this.#known.set(key, { header, challenge, uses: 0 })
      useful = true
    }
    return useful
  }

  /** A challenge of another realm than the one that the credentials are for is not answered. */
  #mine(challenge: Challenge | null): Challenge | null {
    const realm = this.#credentials.realm ?? null
    return realm === null || challenge?.realm === realm ? challenge : null
  }

  /** Puts the credentials learned so far on a request. */
  authorise(request: SipRequest): void {
    request.headers.remove('authorization').remove('proxy-authorization')
    for (const known of this.#known.values()) {
      known.uses++
      request.headers.add(known.header, this.#header(known, request))
    }
  }

  #header(known: Known, request: SipRequest): string {
    const { challenge, uses } = known
    const cnonce = randomHex(this.#random, 8)
    const response = digestResponse({
      challenge,
      credentials: this.#credentials,
      method: request.method,
      uri: request.uri,
      cnonce,
      nonceCount: uses,
    })
    const parts = [
      `username=${quote(this.#credentials.username)}`,
      `realm=${quote(challenge.realm)}`,
      `nonce=${quote(challenge.nonce)}`,
      `uri=${quote(request.uri)}`,
      `response="${response}"`,
    ]
    if (challenge.algorithmText !== null) parts.push(`algorithm=${challenge.algorithm}`)
    if (challenge.qop) parts.push('qop=auth', `nc=${countText(uses)}`)
    if (challenge.qop || challenge.algorithm.endsWith('-sess')) parts.push(`cnonce="${cnonce}"`)
    if (challenge.opaque !== null) parts.push(`opaque=${quote(challenge.opaque)}`)
    return `Digest ${parts.join(', ')}`
  }
}

function rank(challenge: Challenge): number {
  return PREFERENCE.indexOf(challenge.algorithm)
}
