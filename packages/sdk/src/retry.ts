// Whether a request may be tried again, and how long to wait before.
import { ApiError, ConnectionError } from './errors.ts'

export const DEFAULT_MAX_RETRIES = 2
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 8_000
/** A server that asks for more patience than this is not waited for. */
const LONGEST_RETRY_AFTER_MS = 60_000

/**
 * How long to wait in milliseconds before retry number `attempt` (from 0), or null when trying again is not safe or
 * not sensible. `safe`: a second one has no effect beyond the first (a GET, or a request with an Idempotency-Key).
 */
export function waitBeforeRetry(
  error: unknown,
  { method, safe }: { method: string; safe: boolean },
  attempt: number,
): number | null {
  if (error instanceof ConnectionError) return safe ? backOffMs(attempt) : null
  if (!(error instanceof ApiError)) return null
  if (isAskedAgain(error)) return retryAfterMs(error.headers, attempt)
  return method === 'GET' && error.status >= 500 ? backOffMs(attempt) : null
}

/** Nothing was done: too many requests, not available, or our own first attempt still runs. */
function isAskedAgain({ status, _tag }: ApiError): boolean {
  return status === 429 || status === 503 || _tag === 'IdempotencyConflict'
}

function retryAfterMs(headers: Headers, attempt: number): number | null {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  if (!(seconds >= 0)) return backOffMs(attempt)
  const waitMs = seconds * 1000
  return waitMs <= LONGEST_RETRY_AFTER_MS ? waitMs : null
}

/** Twice as long each time, and somewhere in the upper half of it, so that clients don't come back in step. */
export function backOffMs(attempt: number): number {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 16))
  return full * (0.5 + Math.random() / 2)
}
