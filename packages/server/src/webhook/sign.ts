// Signatures of what the platform POSTs to its customers, and their verification (contract, section 7).
import { createHmac, timingSafeEqual } from 'node:crypto'
import { standardWebhookHeaders, webhookHeaders } from '@saperly/contract'
import { fail, ok, type Result } from '@saperly/kernel'
import { standardHeaders, standardMatches } from './standard.ts'

/** How far a timestamp may be from now: what was recorded cannot be sent again for long. */
export const TOLERANCE_SEC = 300
/** Signatures in one header: the current secret and the previous one, and room for what may come. */
const MAX_SIGNATURES = 16
const VERSION = 'v1'

/** What is sent: the exact body, and which attempt at it this is (from 1). */
export interface Signable {
  body: string
  deliveryId: string
  attempt: number
}

/** Why a signature was not accepted. */
export type Unverified =
  | 'missing_header'
  | 'bad_timestamp'
  | 'too_old'
  | 'too_new'
  | 'bad_signature'

/** `v1=` and the hex HMAC-SHA256 of `timestamp.body`; the key is the whole secret as it was shown, in UTF-8. */
export function signature(secret: string, timestampSec: number, body: string): string {
  return `${VERSION}=${digest(secret, String(timestampSec), body).toString('hex')}`
}

/**
 * The headers of one attempt: our set and that of Standard Webhooks. During a rotation both secrets sign, the current one first.
 * `atMs`: when it is sent, epoch milliseconds.
 */
export function signedHeaders(
  what: Signable,
  secrets: readonly string[],
  atMs: number,
): Record<string, string> {
  const timestampSec = Math.floor(atMs / 1000)
  return {
    [webhookHeaders.timestamp]: String(timestampSec),
    [webhookHeaders.deliveryId]: what.deliveryId,
    [webhookHeaders.attempt]: String(what.attempt),
    [webhookHeaders.signature]: secrets
      .map((secret) => signature(secret, timestampSec, what.body))
      .join(' '),
    ...standardHeaders(
      { id: what.deliveryId, timestamp: String(timestampSec), body: what.body },
      secrets,
    ),
  }
}

/** One set of signatures as a request carries it. */
interface Signed {
  timestamp: string
  deliveryId: string
  fits: (secret: string) => boolean
}

/**
 * Checks a request that claims to come from the platform. `headers` by lower-case name, `body` exactly as received.
 * Any of the signatures with any of the secrets will do. Our set decides where it is whole, else the other one.
 */
export function verify(
  request: { headers: Readonly<Record<string, string | undefined>>; body: string },
  secrets: readonly string[],
  nowMs: number,
  toleranceSec: number = TOLERANCE_SEC,
): Result<{ deliveryId: string }, Unverified> {
  const signed = ownSet(request) ?? standardSet(request)
  if (!signed) return fail('missing_header')
  if (!/^\d{1,12}$/.test(signed.timestamp)) return fail('bad_timestamp')
  const ageSec = nowMs / 1000 - Number(signed.timestamp)
  if (ageSec > toleranceSec) return fail('too_old')
  if (ageSec < -toleranceSec) return fail('too_new')
  return secrets.some(signed.fits) ? ok({ deliveryId: signed.deliveryId }) : fail('bad_signature')
}

function ownSet({ headers, body }: Parameters<typeof verify>[0]): Signed | null {
  const timestamp = headers[webhookHeaders.timestamp]
  const given = headers[webhookHeaders.signature]
  const deliveryId = headers[webhookHeaders.deliveryId]
  if (!timestamp || !given || !deliveryId) return null
  const signatures = given.split(' ', MAX_SIGNATURES)
  const fits = (secret: string): boolean => {
    const right = digest(secret, timestamp, body)
    return signatures.some((one) => matches(one, right))
  }
  return { timestamp, deliveryId, fits }
}

function standardSet({ headers, body }: Parameters<typeof verify>[0]): Signed | null {
  const timestamp = headers[standardWebhookHeaders.timestamp]
  const given = headers[standardWebhookHeaders.signature]
  const id = headers[standardWebhookHeaders.id]
  if (!timestamp || !given || !id) return null
  const signatures = given.split(' ', MAX_SIGNATURES)
  const what = { id, timestamp, body }
  const fits = (secret: string): boolean => standardMatches(signatures, secret, what)
  return { timestamp, deliveryId: id, fits }
}

function digest(secret: string, timestamp: string, body: string): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`, 'utf8').digest()
}

function matches(given: string, right: Buffer): boolean {
  const [, hex] = /^v1=([0-9a-f]{64})$/.exec(given) ?? []
  return hex !== undefined && timingSafeEqual(Buffer.from(hex, 'hex'), right)
}
