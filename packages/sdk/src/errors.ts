// What a call of the client can fail with: an error of the API, no answer at all, or an answer that makes no sense.

/** Everything that this client throws by itself; an abort throws the signal's own reason. */
export class SaperlyError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
  }
}

/** What came with the body of an error. */
export interface ErrorContext {
  /** HTTP status. */
  status: number
  headers: Headers
}

/**
 * The API said no. Each `_tag` has a class of its own that carries the tag's fields; this one itself stands for an
 * answer that is not of the API (a proxy's page, for example), with `_tag` `UnexpectedAnswer`.
 */
export class ApiError extends SaperlyError {
  readonly _tag: string
  /** HTTP status. */
  readonly status: number
  readonly headers: Headers
  /** Names the request in the platform's logs and audit trail. */
  readonly requestId: string | null
  /** The answer as it came. */
  readonly body: unknown

  constructor(tag: string, message: string, body: unknown, { status, headers }: ErrorContext) {
    super(message)
    this.name = tag
    this._tag = tag
    this.status = status
    this.headers = headers
    this.requestId = headers.get('x-request-id')
    this.body = body
  }
}

/** No answer: the network failed, or the other side hung up. `cause` says how. */
export class ConnectionError extends SaperlyError {}

/** No answer within `timeoutMs`. */
export class TimeoutError extends ConnectionError {}

/** A webhook that can't be trusted; `reason` says why. */
export class WebhookVerificationError extends SaperlyError {
  readonly reason:
    | 'missing_header'
    | 'bad_timestamp'
    | 'too_old'
    | 'too_new'
    | 'bad_signature'
    | 'bad_body'

  constructor(reason: WebhookVerificationError['reason']) {
    super(`the webhook is not genuine: ${reason}`)
    this.reason = reason
  }
}

/** The platform could not follow a frame of the brain (`InvalidDirective`, `StaleRequest`), or the other way round. */
export class ManualProtocolError extends SaperlyError {
  readonly _tag: string
  readonly requestId: string | null

  constructor(tag: string, requestId: string | null, message: string) {
    super(message)
    this._tag = tag
    this.requestId = requestId
  }
}
