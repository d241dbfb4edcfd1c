// The second set of signatures on everything that is POSTed to a customer: that of Standard Webhooks 1.0.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { standardWebhookHeaders } from '@saperly/contract'

const VERSION = 'v1'
/** Base64 of HMAC-SHA256: 32 bytes. */
const SIGNATURE = /^v1,([A-Za-z0-9+/]{43}=)$/
/** A prefix of letters, and a key in base64. The letters and digits of a secret of ours are base64 as they are. */
const SECRET = /^(?:whsec|mc)_([A-Za-z0-9+/]+={0,2})$/

/** What is signed: the id of the delivery, Unix seconds as they stand in the header, and the exact body. */
export interface StandardSignable {
  id: string
  timestamp: string
  body: string
}

/** `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; null when the secret holds no base64. */
export function standardSignature(secret: string, what: StandardSignable): string | null {
  const mac = digest(secret, what)
  return mac && `${VERSION},${mac.toString('base64')}`
}

/** The headers of one attempt; none when no secret can sign. */
export function standardHeaders(
  what: StandardSignable,
  secrets: readonly string[],
): Record<string, string> {
  const signatures = secrets
    .map((secret) => standardSignature(secret, what))
    .filter((signature) => signature !== null)
  if (signatures.length === 0) return {}
  return {
    [standardWebhookHeaders.id]: what.id,
    [standardWebhookHeaders.timestamp]: what.timestamp,
    [standardWebhookHeaders.signature]: signatures.join(' '),
  }
}

/** Does one of the signatures fit with this secret? In a time that tells nothing of where they differ. */
export function standardMatches(
  signatures: readonly string[],
  secret: string,
  what: StandardSignable,
): boolean {
  const right = digest(secret, what)
  return right !== null && signatures.some((given) => matches(given, right))
}

function digest(secret: string, { id, timestamp, body }: StandardSignable): Buffer | null {
  const [, encoded] = SECRET.exec(secret) ?? []
  if (encoded === undefined) return null
  const key = Buffer.from(encoded, 'base64')
  // With an empty key anybody could sign.
  if (key.length === 0) return null
  return createHmac('sha256', key).update(`${id}.${timestamp}.${body}`, 'utf8').digest()
}

function matches(given: string, right: Buffer): boolean {
  const [, encoded] = SIGNATURE.exec(given) ?? []
  return encoded !== undefined && timingSafeEqual(Buffer.from(encoded, 'base64'), right)
}
