// One class for every error of the API. Generated from the contract by scripts/generate.mjs: change that, never this.
import { ApiError } from '../errors.ts'
/** 400. The request is not JSON, has the wrong content type, or can’t be read at all. A body over 1 MiB answers 413 with this tag. */
export class MalformedRequest extends ApiError {
  declare readonly _tag: 'MalformedRequest'
}
/** 422. A field of the request is missing, unknown or out of bounds. */
export class ValidationError extends ApiError {
  declare readonly _tag: 'ValidationError'
  declare readonly issues: readonly {
    path: string
    message: string
  }[]
}
/** 401. No bearer key, not a key of this platform, expired, or revoked. */
export class Unauthorized extends ApiError {
  declare readonly _tag: 'Unauthorized'
}
/** 403. The key lacks the scope, the number is outside its allow-list, or a child key would exceed its parent. */
export class AuthorizationDenied extends ApiError {
  declare readonly _tag: 'AuthorizationDenied'
  declare readonly reason: string
}
/** 403. There is no recorded consent of this peer for this number. */
export class ConsentRequired extends ApiError {
  declare readonly _tag: 'ConsentRequired'
  declare readonly numberId: string
  declare readonly to: string
}
/** 403. The peer said stop: no number of the workspace may reach them. */
export class RecipientOptedOut extends ApiError {
  declare readonly _tag: 'RecipientOptedOut'
  declare readonly to: string
}
/** 403. The country is not allowed, or the prefix has no explicit rate. */
export class DestinationNotAllowed extends ApiError {
  declare readonly _tag: 'DestinationNotAllowed'
  declare readonly to: string
  declare readonly reason: string
}
/** 403. It is outside the calling hours of the connection, by the peer’s own clock. */
export class CallingHoursBlocked extends ApiError {
  declare readonly _tag: 'CallingHoursBlocked'
  declare readonly to: string
  declare readonly opensAt: string
}
/** 402. The available balance does not cover what must be held. */
export class InsufficientFunds extends ApiError {
  declare readonly _tag: 'InsufficientFunds'
  declare readonly balanceCents: number
  declare readonly requestedCents: number
}
/** 402. The spend cap of the key, or of a key above it, would be passed. */
export class SpendLimitExceeded extends ApiError {
  declare readonly _tag: 'SpendLimitExceeded'
  declare readonly limitCents: number
  declare readonly priorSpendCents: number
  declare readonly requestedCents: number
}
/** 404. There is no such number that this key can see. */
export class NumberNotFound extends ApiError {
  declare readonly _tag: 'NumberNotFound'
  declare readonly numberId: string
}
/** 404. There is no such connection that this key can see. */
export class ConnectionNotFound extends ApiError {
  declare readonly _tag: 'ConnectionNotFound'
  declare readonly id: string
}
/** 404. There is no such call that this key can see. */
export class CallNotFound extends ApiError {
  declare readonly _tag: 'CallNotFound'
  declare readonly callId: string
}
/** 404. There is nothing at this path. */
export class NotFound extends ApiError {
  declare readonly _tag: 'NotFound'
  declare readonly path: string
}
/** 422. The number is bound to no connection, and none was named. */
export class NumberHasNoConnection extends ApiError {
  declare readonly _tag: 'NumberHasNoConnection'
  declare readonly numberId: string
}
/** 422. Nobody would answer for the agent: a manual connection without socket and webhook, or a hosted one without a model. */
export class BrainUnavailable extends ApiError {
  declare readonly _tag: 'BrainUnavailable'
  declare readonly connectionId: string
}
/** 404. No number of this kind can be had. */
export class NoNumbersAvailable extends ApiError {
  declare readonly _tag: 'NoNumbersAvailable'
  declare readonly country: string
  declare readonly numberType: string
}
/** 409. The number costs more than was expected, and that was not approved. */
export class PriceChanged extends ApiError {
  declare readonly _tag: 'PriceChanged'
  declare readonly phoneNumber: string
  declare readonly actualMonthlyPriceCents: number
  declare readonly expectedMonthlyPriceCents: number
  declare readonly currency: string
}
/** 422. The speech engine in use has no such voice. */
export class UnsupportedVoice extends ApiError {
  declare readonly _tag: 'UnsupportedVoice'
  declare readonly field: string
  declare readonly voice: string
}
/** 422. The operator offers no such model. */
export class UnsupportedModel extends ApiError {
  declare readonly _tag: 'UnsupportedModel'
  declare readonly field: string
  declare readonly model: string
}
/** 409. The call is not live, so it can’t be controlled. */
export class CallNotActive extends ApiError {
  declare readonly _tag: 'CallNotActive'
  declare readonly callId: string
  declare readonly callStatus: string
}
/** 409. The first request with this Idempotency-Key is still running. */
export class IdempotencyConflict extends ApiError {
  declare readonly _tag: 'IdempotencyConflict'
}
/** 422. The Idempotency-Key was used with another body or route, or is over 255 characters. */
export class IdempotencyKeyMismatch extends ApiError {
  declare readonly _tag: 'IdempotencyKeyMismatch'
}
/** 429. Too many requests with this key. */
export class RateLimited extends ApiError {
  declare readonly _tag: 'RateLimited'
  declare readonly bucket: string
}
/** 429. Too many live calls in this workspace and environment. */
export class ConcurrencyLimited extends ApiError {
  declare readonly _tag: 'ConcurrencyLimited'
  declare readonly limit: number
  declare readonly active: number
}
/** 502. No carrier took the call. It is recorded as failed and costs nothing. */
export class CallStartFailed extends ApiError {
  declare readonly _tag: 'CallStartFailed'
  declare readonly callId: string
  declare readonly reason: string
  declare readonly hangupCause: string
  declare readonly sipCode: number | null
}
/** 502. The transfer was refused by every means. The call goes on. */
export class TransferFailed extends ApiError {
  declare readonly _tag: 'TransferFailed'
  declare readonly callId: string
  declare readonly reason: string
  declare readonly sipCode: number | null
}
/** 502. The carrier refused the message. */
export class MessageSendFailed extends ApiError {
  declare readonly _tag: 'MessageSendFailed'
  declare readonly reason: string
}
/** 503. Draining, a queue is full, or the database is away. */
export class Unavailable extends ApiError {
  declare readonly _tag: 'Unavailable'
  declare readonly reason: string
}
/** 500. A fault of the platform; name the trace id when you report it. */
export class InternalError extends ApiError {
  declare readonly _tag: 'InternalError'
  declare readonly traceId: string
}

/** By `_tag`. */
export const errorClasses = {
  MalformedRequest,
  ValidationError,
  Unauthorized,
  AuthorizationDenied,
  ConsentRequired,
  RecipientOptedOut,
  DestinationNotAllowed,
  CallingHoursBlocked,
  InsufficientFunds,
  SpendLimitExceeded,
  NumberNotFound,
  ConnectionNotFound,
  CallNotFound,
  NotFound,
  NumberHasNoConnection,
  BrainUnavailable,
  NoNumbersAvailable,
  PriceChanged,
  UnsupportedVoice,
  UnsupportedModel,
  CallNotActive,
  IdempotencyConflict,
  IdempotencyKeyMismatch,
  RateLimited,
  ConcurrencyLimited,
  CallStartFailed,
  TransferFailed,
  MessageSendFailed,
  Unavailable,
  InternalError,
} as const

export type ErrorTag = keyof typeof errorClasses

/** Fields that are called otherwise on the class than on the wire. */
export const renamedFields: Partial<Record<ErrorTag, Record<string, string>>> = {
  CallNotActive: { status: 'callStatus' },
}
