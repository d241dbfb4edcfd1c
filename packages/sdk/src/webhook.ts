// Is this request really from the platform? Checks the signature of a webhook, with WebCrypto and in constant time.
import { SaperlyError, WebhookVerificationError } from './errors.ts'
import type { ManualEvent } from './generated/manual.ts'
import type { WebhookEvent } from './generated/webhook-events.ts'
import { OWN, type SignatureSet, STANDARD } from './signature-set.ts'

/** How far the timestamp may be from now. */
export const DEFAULT_TOLERANCE_SEC = 300
const MAX_SIGNATURES = 16

/** Headers as fetch has them, or as Node's http does. */
export type IncomingHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

export interface IncomingWebhook {
  /** The body exactly as it was received, before any JSON is parsed. */
  body: string | Uint8Array
  headers: IncomingHeaders
  /** `whsec_…` of the endpoint, or `mc_…` of a manual connection; several while one is being replaced. */
  secret: string | readonly string[]
  /** Default 300. */
  toleranceSec?: number | undefined
  /** Epoch milliseconds; default: now. */
  nowMs?: number | undefined
  /** Where the runtime has no global `crypto` (Node 18: `webcrypto` of its crypto module). */
  crypto?: { subtle: WebCryptoSubtle } | undefined
}

/** The part of WebCrypto that is needed here. */
export interface WebCryptoSubtle {
  importKey(
    format: 'raw',
    key: Uint8Array<ArrayBuffer>,
    algorithm: { name: 'HMAC'; hash: 'SHA-256' },
    extractable: boolean,
    usages: ['sign'],
  ): Promise<unknown>
  sign(algorithm: 'HMAC', key: never, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>
}

/**
 * The event of a genuine webhook.
 * @throws WebhookVerificationError
 */
export async function verifyWebhook(request: IncomingWebhook): Promise<WebhookEvent> {
  return (await verifiedJson(request)) as WebhookEvent
}

/**
 * The event that was POSTed to the webhook of a manual connection.
 * @throws WebhookVerificationError
 */
export async function verifyManualEvent(request: IncomingWebhook): Promise<ManualEvent> {
  return (await verifiedJson(request)) as ManualEvent
}

async function verifiedJson(request: IncomingWebhook): Promise<unknown> {
  const body = bytesOf(request.body)
  await verifySignature({ ...request, body })
  try {
    return JSON.parse(new TextDecoder().decode(body)) as unknown
  } catch {
    throw new WebhookVerificationError('bad_body')
  }
}

/**
 * Checks the signature and how old it is. Any of the signatures with any of the secrets will do. Saperly's own set of
 * headers decides where it is whole, else that of Standard Webhooks.
 * @throws WebhookVerificationError
 */
export async function verifySignature(request: IncomingWebhook): Promise<void> {
  const { headers, toleranceSec = DEFAULT_TOLERANCE_SEC, nowMs = Date.now() } = request
  const signed = signedBy(OWN, headers) ?? signedBy(STANDARD, headers)
  if (!signed) throw new WebhookVerificationError('missing_header')
  const { set, id, timestamp } = signed
  if (!/^\d{1,12}$/.test(timestamp)) throw new WebhookVerificationError('bad_timestamp')
  const ageSec = nowMs / 1000 - Number(timestamp)
  if (ageSec > toleranceSec) throw new WebhookVerificationError('too_old')
  if (ageSec < -toleranceSec) throw new WebhookVerificationError('too_new')

  const data = join(new TextEncoder().encode(set.prefix(id, timestamp)), bytesOf(request.body))
  const signatures = signed.given.split(' ', MAX_SIGNATURES).map(set.signature)
  const secrets = typeof request.secret === 'string' ? [request.secret] : request.secret
  let genuine = false
  for (const secret of secrets) {
    const key = set.key(secret)
    if (!key) continue
    const right = await hmac(subtleOf(request), key, data)
    for (const signature of signatures) genuine = same(signature, right) || genuine
  }
  if (!genuine) throw new WebhookVerificationError('bad_signature')
}

function signedBy(set: SignatureSet, headers: IncomingHeaders) {
  const id = headerOf(headers, set.headers.id)
  const timestamp = headerOf(headers, set.headers.timestamp)
  const given = headerOf(headers, set.headers.signature)
  return id && timestamp && given ? { set, id, timestamp, given } : null
}

function headerOf(headers: IncomingHeaders, name: string): string | null {
  if (typeof headers.get === 'function') return (headers as Headers).get(name)
  const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  return (typeof found === 'string' ? found : found?.[0]) ?? null
}

function subtleOf({ crypto }: IncomingWebhook): WebCryptoSubtle {
  const found = crypto ?? (globalThis.crypto as { subtle: WebCryptoSubtle } | undefined)
  if (found) return found.subtle
  throw new SaperlyError('this runtime has no WebCrypto: pass it as `crypto`')
}

async function hmac(
  subtle: WebCryptoSubtle,
  raw: Uint8Array<ArrayBuffer>,
  data: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' } as const
  const key = await subtle.importKey('raw', raw, algorithm, false, ['sign'])
  return new Uint8Array(await subtle.sign('HMAC', key as never, data))
}

/** Takes the same time wherever the two differ. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let at = 0; at < a.length; at++) difference |= a[at]! ^ b[at]!
  return difference === 0
}

function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
