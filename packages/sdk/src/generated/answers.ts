// What the API answers with. Generated from the contract by scripts/generate.mjs: change that, never this.

export type { CallEvent } from './call-event.ts'

export type { FeedEvent } from './feed-event.ts'

export type { Connection, ConnectionWithSecret } from './connection.ts'

export interface Call {
  id: string
  /** The number of the workspace that calls or is called. */
  numberId: string
  direction: 'inbound' | 'outbound'
  to: string
  from: string
  connectionId: string | null
  recognizer: 'phrases' | 'free' | null
  /** `completed` is the only one that bills. */
  status: 'initiated' | 'completed' | 'no_answer' | 'failed' | 'rejected'
  phase: 'dialing' | 'ringing' | 'connected' | 'ended'
  rateCentsPerMin: number
  durationSec: number | null
  costCents: number | null
  hangupCause:
    | 'peer_hangup'
    | 'agent_hangup'
    | 'api_end'
    | 'transferred'
    | 'busy'
    | 'declined'
    | 'no_answer'
    | 'cancelled'
    | 'invalid_number'
    | 'carrier_refused'
    | 'carrier_silent'
    | 'no_trunk'
    | 'media_lost'
    | 'insufficient_funds'
    | 'max_duration'
    | 'silence'
    | 'machine'
    | 'opted_out'
    | 'no_brain'
    | 'expired'
    | 'process_lost'
    | null
  /** What the carrier said, where it said it. */
  sipCode: number | null
  /** What the carrier said, where it said it. */
  q850Cause: number | null
  hasRecording: boolean
  hasTranscript: boolean
  createdAt: string
  answeredAt: string | null
  endedAt: string | null
  metadata: Record<string, string>
}

export interface Transcript {
  callId: string
  recognizer: 'phrases' | 'free' | null
  turns: readonly TranscriptTurn[]
}

export interface TranscriptTurn {
  role: 'agent' | 'caller' | 'disclosure'
  text: string
  /** What was really played before the caller cut in. */
  heardText: string | null
  startedAt: string
  endedAt: string | null
  interrupted: boolean
}

export interface PhoneNumber {
  id: string
  phoneNumber: string
  connectionId: string | null
  webhookUrl: string | null
  smsSenderId: string | null
  callerIdName: string | null
  country: string
  numberType: string
  monthlyPriceCents: number
  currency: string
  nextChargeAt: string | null
  releasedAt: string | null
  createdAt: string
}

export interface Quote {
  country: string
  numberType: string
  monthlyPriceCents: number
  currency: string
}

export interface Voice {
  id: string
  name: string
  gender: string | null
  language: string
}

export interface Language {
  code: string
  name: string
}

export interface Key {
  id: string
  name: string
  /** The first characters of the token, to tell keys apart. */
  prefix: string
  scopes: readonly (
    | 'calls:create'
    | 'calls:control'
    | 'calls:read'
    | 'messages:create'
    | 'messages:read'
    | 'consent:read'
    | 'audit:read'
    | 'numbers:read'
    | 'numbers:provision'
    | 'numbers:release'
    | 'numbers:write'
    | 'connections:read'
    | 'connections:write'
    | 'consent:write'
    | 'webhooks:write'
    | 'billing:read'
    | 'keys:admin'
  )[]
  /** null: every number. */
  numberScope: readonly string[] | null
  spendLimitCents: number | null
  spendLimitResetPeriod: 'monthly' | null
  spentThisPeriodCents: number
  mintedByTokenId: string | null
  expiresAt: string | null
  lastUsedAt: string | null
  createdAt: string
  revokedAt: string | null
}

export interface KeyWithToken {
  id: string
  name: string
  /** The first characters of the token, to tell keys apart. */
  prefix: string
  scopes: readonly (
    | 'calls:create'
    | 'calls:control'
    | 'calls:read'
    | 'messages:create'
    | 'messages:read'
    | 'consent:read'
    | 'audit:read'
    | 'numbers:read'
    | 'numbers:provision'
    | 'numbers:release'
    | 'numbers:write'
    | 'connections:read'
    | 'connections:write'
    | 'consent:write'
    | 'webhooks:write'
    | 'billing:read'
    | 'keys:admin'
  )[]
  /** null: every number. */
  numberScope: readonly string[] | null
  spendLimitCents: number | null
  spendLimitResetPeriod: 'monthly' | null
  spentThisPeriodCents: number
  mintedByTokenId: string | null
  expiresAt: string | null
  lastUsedAt: string | null
  createdAt: string
  revokedAt: string | null
  /** `sk_live_…` or `sk_test_…`; shown this once. */
  token?: string | undefined
}

export interface ConsentRecord {
  id: string
  numberId: string
  peerNumber: string
  /** null: an opt-out without prior consent. */
  consentType: 'explicit_outbound' | 'implied_inbound' | null
  source: string | null
  grantedAt: string | null
  revokedAt: string | null
}

export interface OptOut {
  id: string
  /** null: the person was erased; a keyed hash of the number is left, and blocks. */
  peerNumber: string | null
  /** `digit`, `speech`, `sms`, `api` or `import`. */
  source: string
  reason: string | null
  optedOutAt: string
}

export interface ConsentCheck {
  hasConsent: boolean
  type: 'explicit_outbound' | 'implied_inbound' | null
}

export interface Usage {
  calls: {
    count: number
    totalCostCents: number
    totalDurationSec: number
  }
  messages: {
    count: number
  }
  /** Available: the balance less what is held. */
  balanceCents: number
}

export interface Transaction {
  id: string
  type: 'topup' | 'reserve' | 'extend' | 'settle' | 'release' | 'charge' | 'adjust'
  /** Signed change of what is available. */
  amountCents: number
  balanceAfterCents: number
  callId: string | null
  messageId: string | null
  keyId: string | null
  createdAt: string
}

export interface Receipt {
  callId: string
  currency: string
  /** Nothing is held any more. */
  final: boolean
  /** So far; of a final receipt, what the call cost. */
  takenCents: number
  shortfallCents: number
  items: readonly ReceiptItem[]
}

export interface ReceiptItem {
  /** The call itself, or a target that it was joined with. */
  leg: 'call' | 'target'
  /** null: a target that never answered. */
  to: string | null
  rateCentsPerMin: number | null
  /** null: not known yet, or to a target that never answered. */
  billedSec: number | null
  /** Of the seconds at the rate, rounded up to a cent. */
  priceCents: number | null
  /** All that was held for it, slice by slice. */
  heldCents: number
  /** null: the hold is open. */
  takenCents: number | null
  /** What the price had beyond the hold, the balance and the caps. */
  shortfallCents: number
  /** Oldest first. */
  entries: readonly {
    transactionId: string
    type: 'reserve' | 'extend' | 'settle' | 'release'
    /** Signed change of what is available, as in the transaction. */
    amountCents: number
    at: string
  }[]
}

export interface WebhookEndpoint {
  id: string
  url: string
  events: readonly (
    | 'call.received'
    | 'call.answered'
    | 'call.completed'
    | 'call.failed'
    | 'call.recording.saved'
    | 'call.transcript.ready'
    | 'message.received'
    | 'message.sent'
    | 'message.failed'
    | 'balance.low'
  )[]
  description: string | null
  enabled: boolean
  /** null: nothing was sent yet. */
  successRate: number | null
  /** `whsec_…`; null but in the answers to creating and rotating. */
  signingSecret: string | null
  createdAt: string
}

export interface Delivery {
  id: string
  eventType:
    | 'call.received'
    | 'call.answered'
    | 'call.completed'
    | 'call.failed'
    | 'call.recording.saved'
    | 'call.transcript.ready'
    | 'message.received'
    | 'message.sent'
    | 'message.failed'
    | 'balance.low'
    | 'webhook.test'
  /** `failed`: will be tried again. `dead`: can be replayed. */
  status: 'delivered' | 'failed' | 'pending' | 'dead'
  attempts: number
  responseStatus: number | null
  lastAttemptAt: string | null
  nextAttemptAt: string | null
}

export interface Replayed {
  /** How many are sent again. */
  count: number
  /** `since` for what is left of the range, or null when that was all. */
  nextSince: string | null
}

export interface AuditEvent {
  id: string
  eventType: string
  targetType: string
  targetId: string
  /** The id of a key, or the part of the platform that acted. */
  actor: string
  data: Record<string, unknown>
  /** null until chained, right after it was written. */
  hash: string | null
  previousHash: string | null
  createdAt: string
}

export interface Message {
  id: string
  numberId: string
  direction: 'inbound' | 'outbound'
  to: string
  from: string
  body: string
  segments: number
  status: 'queued' | 'sent' | 'delivered' | 'failed' | 'received'
  createdAt: string
}
