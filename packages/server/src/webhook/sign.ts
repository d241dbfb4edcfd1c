// Signatures of what the platform POSTs to its customers, and their verification (contract, section 7).
import { createHmac, timingSafeEqual } from 'node:crypto'
import { webhookHeaders } from '@saperly/contract'
import { fail, ok, type Result } from '@saperly/kernel'

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
 * The headers of one attempt. During a rotation both secrets sign, the current one first.
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
  }
}

/**
 * Checks a request that claims to come from the platform. `headers` by lower-case name, `body` exactly as received.
 * Any of the signatures with any of the secrets will do.
 */
export function verify(
  request: { headers: Readonly<Record<string, string | undefined>>; body: string },
  secrets: readonly string[],
  nowMs: number,
  toleranceSec: number = TOLERANCE_SEC,
): Result<{ deliveryId: string }, Unverified> {
  const timestamp = request.headers[webhookHeaders.timestamp]
  const given = request.headers[webhookHeaders.signature]
  const deliveryId = request.headers[webhookHeaders.deliveryId]
  if (!timestamp || !given || !deliveryId) return fail('missing_header')
  if (!/^\d{1,12}$/.test(timestamp)) return fail('bad_timestamp')
  const ageSec = nowMs / 1000 - Number(timestamp)
  if (ageSec > toleranceSec) return fail('too_old')
  if (ageSec < -toleranceSec) return fail('too_new')
  const expected = secrets.map((secret) => digest(secret, timestamp, request.body))
  const genuine = given
    .split(' ', MAX_SIGNATURES)
    .some((one) => expected.some((right) => matches(one, right)))
  return genuine ? ok({ deliveryId }) : fail('bad_signature')
}

function digest(secret: string, timestamp: string, body: string): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`, 'utf8').digest()
}

function matches(given: string, right: Buffer): boolean {
  const [, hex] = /^v1=([0-9a-f]{64})$/.exec(given) ?? []
  return hex !== undefined && timingSafeEqual(Buffer.from(hex, 'hex'), right)
}
