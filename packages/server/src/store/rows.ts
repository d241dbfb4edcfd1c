// The rows that the control plane keeps, as its code sees them: instants in epoch milliseconds, money in cents.
import type { Connection, HangupCause } from '@saperly/contract'
import type { Environment } from '@saperly/network'

export interface Tenant {
  workspaceId: string
  environment: Environment
}

/** Page of a list: at most `limit` rows older than the row whose id is `cursor`. */
export interface Page {
  limit: number
  cursor: string | null
}

export interface WorkspaceRow {
  id: string
  name: string
  createdAt: number
}

export interface KeyRow extends Tenant {
  id: string
  name: string
  /** First characters of the token, for people to recognise it. */
  prefix: string
  /** SHA-256 of the token, hex. */
  hash: string
  scopes: readonly string[]
  numberScope: readonly string[] | null
  spendLimitCents: number | null
  spendLimitResetPeriod: 'monthly' | null
  mintedByTokenId: string | null
  expiresAt: number | null
  lastUsedAt: number | null
  createdAt: number
  revokedAt: number | null
}

/** A key together with what it has spent and holds in the current period of its cap. */
export type KeyWithSpending = KeyRow & { spentThisPeriodCents: number }

export interface NumberRow extends Tenant {
  id: string
  phoneNumber: string
  connectionId: string | null
  webhookUrl: string | null
  smsSenderId: string | null
  callerIdName: string | null
  country: string
  numberType: string
  monthlyPriceCents: number
  nextChargeAt: number | null
  releasedAt: number | null
  createdAt: number
}

/** A secret at rest: sealed by the server's secret box, never readable in the database. */
export type Sealed = string

/** `settings` is the connection as the wire shows it, without its id, times and secrets. */
export interface ConnectionRow extends Tenant {
  id: string
  mode: 'hosted' | 'manual'
  settings: Omit<Connection, 'id' | 'recognizer' | 'createdAt'>
  llmApiKey: Sealed | null
  /** MCP tokens by server URL. */
  mcpTokens: Record<string, Sealed>
  /** SHA-256 (hex) of the manual secret for the socket's bearer, and the sealed secret for signing webhooks. */
  manualSecretHash: string | null
  manualSecret: Sealed | null
  previousManualSecretHash: string | null
  previousManualSecret: Sealed | null
  previousSecretUntil: number | null
  createdAt: number
  deletedAt: number | null
}

/** A peer who asked not to be called or texted, by any number of the tenant. */
export interface OptOutRow {
  id: string
  /** Null once the person was erased: a keyed hash of the number is left, and blocks. */
  peerNumber: string | null
  source: string
  reason: string | null
  optedOutAt: number
}

export interface ConsentRow extends Tenant {
  id: string
  numberId: string
  peerNumber: string
  consentType: 'explicit_outbound' | 'implied_inbound'
  source: string
  grantedAt: number
  revokedAt: number | null
  /** Implied consent lapses. */
  expiresAt: number | null
}

export type CallState = 'queued' | 'dialing' | 'ringing' | 'connected' | 'ending' | 'ended'
export type CallStatus = 'initiated' | 'completed' | 'no_answer' | 'failed' | 'rejected'

/** A target that the network calls for a call that is transferred, and what pays for it. */
export interface BridgeRecord {
  /** Number of its hold. */
  hold: number
  to: string
  rateCentsPerMin: number
  /** What is left of the call's own maximum. */
  maxDurationSec: number
  /** What recovery needs to end the dialog with the target (DialogRecord), or null before its answer. */
  dialog: unknown
  answeredAt: number | null
  /** What was billed for it, once the call is over. Absent in records of older versions. */
  billedSec?: number | null
}

export interface CallRow extends Tenant {
  id: string
  numberId: string
  /** The key that placed it, or null for an inbound call. */
  keyId: string | null
  connectionId: string
  /** The process that runs it, or ran it last. Null in calls of older versions: nobody does. */
  processId: string | null
  direction: 'inbound' | 'outbound'
  from: string
  to: string
  state: CallState
  status: CallStatus
  recognizer: 'phrases' | 'free'
  rateCentsPerMin: number
  durationSec: number | null
  costCents: number | null
  hangupCause: HangupCause | null
  sipCode: number | null
  q850Cause: number | null
  recordingPath: string | null
  hasTranscript: boolean
  instructions: string | null
  metadata: Record<string, string>
  ringTimeoutSec: number
  maxDurationSec: number
  /** What recovery needs to end the dialog from another process (DialogRecord), or null. */
  dialog: unknown
  /** The target that is being called, or talks with the peer; null when the agent does. */
  bridge: BridgeRecord | null
  /** Last sign of life of the process that a call was taken over from: it is settled up to there. At first `createdAt`. */
  heartbeatAt: number
  createdAt: number
  answeredAt: number | null
  endedAt: number | null
}

/** A call, and the process that whoever names it believes to run it. */
export type OwnedCall = Pick<CallRow, 'id' | 'processId'>

/** What a change of a call may touch. */
export type CallPatch = Partial<
  Pick<
    CallRow,
    | 'state'
    | 'status'
    | 'recognizer'
    | 'durationSec'
    | 'costCents'
    | 'hangupCause'
    | 'sipCode'
    | 'q850Cause'
    | 'recordingPath'
    | 'hasTranscript'
    | 'dialog'
    | 'bridge'
    | 'answeredAt'
    | 'endedAt'
  >
>

/** What a process does: everything, or one of the two planes. */
export type ProcessRole = 'all' | 'api' | 'network'

/** A process that shares this database. */
export interface ProcessRow {
  id: string
  role: ProcessRole
  /** On its own clock, like `beatAt`. */
  startedAt: number
  /** Its last sign of life. */
  beatAt: number
  /** On the clock of the database; after it others may declare the process lost. */
  leaseUntil: number
  /** On the clock of the database: since when its calls are anybody's. */
  lostAt: number | null
}

export interface CallFilter {
  status: CallStatus | null
  numberId: string | null
  /** Numbers that the key may see, or null for all. */
  numberIds: readonly string[] | null
  to: string | null
  since: number | null
  until: number | null
}

export interface EventRow {
  id: string
  callId: string
  type: string
  at: number
  data: Record<string, unknown>
}

export interface TurnRow {
  callId: string
  /** Order in the call, from 0. */
  position: number
  role: 'agent' | 'caller' | 'disclosure'
  text: string
  heardText: string | null
  startedAt: number
  endedAt: number
  interrupted: boolean
}

export type EntryType = 'topup' | 'reserve' | 'extend' | 'settle' | 'release' | 'charge' | 'adjust'

export interface TransactionRow extends Tenant {
  id: string
  type: EntryType
  /** Signed change of what is available. */
  amountCents: number
  balanceAfterCents: number
  callId: string | null
  messageId: string | null
  keyId: string | null
  createdAt: number
}

/** What the ledger wrote for one hold of a call. */
export interface HoldEntryRow {
  id: string
  type: 'reserve' | 'extend' | 'settle' | 'release'
  holdNo: number
  /** Taken for good. */
  postedCents: number
  /** Signed change of what is held. */
  holdCents: number
  shortfallCents: number
  /** Signed change of what is available. */
  amountCents: number
  createdAt: number
}

export interface WebhookRow extends Tenant {
  id: string
  url: string
  events: readonly string[]
  description: string | null
  enabled: boolean
  secret: Sealed
  previousSecret: Sealed | null
  previousSecretUntil: number | null
  createdAt: number
  deletedAt: number | null
}

export type DeliveryStatus = 'pending' | 'delivered' | 'failed' | 'dead'

export interface DeliveryRow extends Tenant {
  id: string
  webhookId: string
  eventType: string
  /** The exact bytes that are signed and sent. */
  body: string
  status: DeliveryStatus
  attempts: number
  responseStatus: number | null
  lastAttemptAt: number | null
  nextAttemptAt: number | null
  createdAt: number
}

/** An event as the feed keeps it, in its place. */
export interface FeedRow {
  /** From 1, without gaps, in each tenant. */
  position: number
  eventType: string
  payload: Record<string, unknown>
  createdAt: number
}

export interface AuditRow {
  id: string
  workspaceId: string
  environment: Environment
  eventType: string
  targetType: string
  targetId: string
  actor: string
  /** Empty once a person in it has been erased. */
  data: Record<string, unknown>
  /** Keyed, salted digest of `data`: what the chain covers in its place. */
  dataDigest: string
  /** Null until the row has been chained (right after the commit that wrote it). */
  hash: string | null
  previousHash: string | null
  createdAt: number
}
