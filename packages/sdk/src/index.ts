// The client of Saperly, the open phone carrier for AI agents.
import type { CallEvent } from './generated/call-event.ts'

export {
  DEFAULT_BASE_URL,
  DEFAULT_TIMEOUT_MS,
  type Manual,
  Saperly,
  type SaperlyOptions,
} from './client.ts'
export {
  ApiError,
  ConnectionError,
  ManualProtocolError,
  SaperlyError,
  TimeoutError,
  WebhookVerificationError,
} from './errors.ts'
export type * from './generated/answers.ts'
export type * from './generated/bodies.ts'
export * from './generated/errors.ts'
export type {
  AnswerableEventType,
  Directive,
  ManualEvent,
  ManualEvents,
  ManualEventType,
} from './generated/manual.ts'
export type * from './generated/queries.ts'
export type * from './generated/webhook-events.ts'
export type { List, Page } from './list.ts'
export type { LiveOptions } from './live-events.ts'
export type { Brain, BrainOptions } from './manual/brain.ts'
export type { Handler, ManualCall } from './manual/call.ts'
export type { WebSocketConstructor, WebSocketLike } from './manual/line.ts'
export {
  type DropReason,
  type ListenOptions,
  type Reply,
  ReplyDropped,
  type SayOptions,
  type Speech,
} from './manual/reply.ts'
export type { Fetch, RequestOptions } from './transport.ts'
export {
  DEFAULT_TOLERANCE_SEC,
  type IncomingHeaders,
  type IncomingWebhook,
  verifyManualEvent,
  verifySignature,
  verifyWebhook,
} from './webhook.ts'

/** One event of a call's timeline, by its type. */
export type CallEventOf<T extends CallEvent['type']> = Extract<CallEvent, { type: T }>
/** Where the time went from the caller's last word to the first word of the answer. */
export type LatencyMs = NonNullable<CallEventOf<'speak'>['data']['latencyMs']>
