// What the control plane keeps, and the only ways to change it. Implemented over PostgreSQL in this folder.
//
// Rules of the port: every row belongs to a tenant (workspace + environment), and a read with another tenant finds
// nothing. Instants are epoch milliseconds. Money is integer cents. Whatever must be true together is written in one
// `attempt`. Lists are newest first.
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
  settings: Omit<Connection, 'id' | 'createdAt'>
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

export interface CallRow extends Tenant {
  id: string
  numberId: string
  /** The key that placed it, or null for an inbound call. */
  keyId: string | null
  connectionId: string
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
  /** Last sign of life of the process that runs the call; a call is settled to it after a crash. */
  heartbeatAt: number
  createdAt: number
  answeredAt: number | null
  endedAt: number | null
}

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
    | 'heartbeatAt'
    | 'answeredAt'
    | 'endedAt'
  >
>

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

/** Why the ledger said no. The figures are those at the moment of refusal. */
export type LedgerRefusal =
  | { reason: 'insufficient_funds'; balanceCents: number; requestedCents: number }
  | {
      reason: 'spend_limit'
      limitCents: number
      priorSpendCents: number
      requestedCents: number
    }
  | { reason: 'concurrency'; limit: number; active: number }

export type LedgerResult<T> = { ok: true; value: T } | { ok: false; refusal: LedgerRefusal }

/**
 * Money. Every method writes immutable rows; balances follow by the database's own trigger, and its constraints are
 * what refuses overspending. One hold per call, resolved at most once.
 */
export interface LedgerTable {
  /** Opens the call's hold. Counts against the balance, the caps of the key and its ancestors, and live calls. */
  reserve(hold: {
    tenant: Tenant
    callId: string
    keyId: string | null
    amountCents: number
    at: number
  }): Promise<LedgerResult<{ balanceCents: number }>>
  /** Grows the open hold by `amountCents`. */
  extend(
    callId: string,
    amountCents: number,
    at: number,
  ): Promise<LedgerResult<{ heldCents: number; balanceCents: number }>>
  /**
   * Resolves the hold: takes `costCents`, returns the rest. What goes beyond the hold is taken as far as balance and
   * caps allow; `shortfallCents` says what was not. Returns null when the hold was resolved before.
   */
  settle(
    callId: string,
    costCents: number,
    at: number,
  ): Promise<{ takenCents: number; shortfallCents: number; balanceCents: number } | null>
  /** Resolves the hold at no cost. False when it was resolved before. */
  release(callId: string, at: number): Promise<boolean>
  /** Cents held for the call, or null when it has no open hold. */
  held(callId: string): Promise<number | null>
  /** Takes a price outside of calls (a message, a month of a number) from balance and caps, at once. */
  charge(price: {
    tenant: Tenant
    messageId: string | null
    keyId: string | null
    amountCents: number
    note: string
    at: number
  }): Promise<LedgerResult<{ balanceCents: number }>>
  topUp(
    tenant: Tenant,
    amountCents: number,
    note: string,
    at: number,
  ): Promise<{ balanceCents: number }>
  /** Available: posted less held. */
  balance(tenant: Tenant): Promise<number>
  list(tenant: Tenant, page: Page): Promise<TransactionRow[]>
  /** Compares balances, caps and holds with the sum of the postings; an empty list when everything agrees. */
  verify(): Promise<{ tenant: Tenant; problem: string }[]>
}

export interface ConsentTable {
  grant(row: ConsentRow): Promise<void>
  /** Ends every active consent of the pair; the last one ended, or null when there was none. */
  revoke(
    tenant: Tenant,
    numberId: string,
    peerNumber: string,
    at: number,
  ): Promise<ConsentRow | null>
  /** The strongest consent of the pair that is in force at `at`. */
  active(
    tenant: Tenant,
    numberId: string,
    peerNumber: string,
    at: number,
  ): Promise<ConsentRow | null>
  list(
    tenant: Tenant,
    filter: {
      numberId: string | null
      peerNumber: string | null
      numberIds: readonly string[] | null
    },
    page: Page,
  ): Promise<ConsentRow[]>
  optOut(tenant: Tenant, peerNumber: string, source: string, at: number): Promise<void>
  liftOptOut(tenant: Tenant, peerNumber: string, source: string, at: number): Promise<boolean>
  isOptedOut(tenant: Tenant, peerNumber: string): Promise<boolean>
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

/** What an idempotency key answers now. */
export type IdempotencyBegin =
  | { state: 'fresh' }
  | { state: 'mismatch' }
  /** Somebody is at it; `callId` names the call it made, once it has. */
  | { state: 'running'; callId: string | null; startedAt: number }
  | { state: 'done'; status: number; body: string }

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

/** One aggregate each. The same object works inside a transaction and outside of one (each statement its own). */
export interface Tables {
  workspaces: {
    /** With 500 cents of credit in each environment. */
    create(row: WorkspaceRow): Promise<void>
    get(id: string): Promise<WorkspaceRow | null>
    list(): Promise<WorkspaceRow[]>
  }
  keys: {
    insert(row: KeyRow): Promise<void>
    findByHash(hash: string): Promise<KeyRow | null>
    get(tenant: Tenant, id: string, at: number): Promise<KeyWithSpending | null>
    list(tenant: Tenant, page: Page, at: number): Promise<KeyWithSpending[]>
    /** Revokes the key and everything minted by it, down to the last descendant; the ids revoked now. */
    revokeTree(tenant: Tenant, id: string, at: number): Promise<string[]>
    /** Notes a use, at most once a minute. */
    touch(id: string, at: number): Promise<void>
  }
  numbers: {
    /** False (and nothing written) when the number is active already, in whatever workspace. */
    insert(row: NumberRow): Promise<boolean>
    get(tenant: Tenant, id: string): Promise<NumberRow | null>
    /** The active number with this E.164, in whatever workspace: for incoming calls. */
    findActive(environment: Environment, phoneNumber: string): Promise<NumberRow | null>
    /** Released ones included: `releasedAt` tells. */
    list(tenant: Tenant, numberIds: readonly string[] | null, page: Page): Promise<NumberRow[]>
    update(
      tenant: Tenant,
      id: string,
      patch: Partial<
        Pick<
          NumberRow,
          | 'connectionId'
          | 'webhookUrl'
          | 'smsSenderId'
          | 'callerIdName'
          | 'nextChargeAt'
          | 'releasedAt'
        >
      >,
    ): Promise<NumberRow | null>
  }
  connections: {
    insert(row: ConnectionRow): Promise<void>
    /** Deleted ones are found by none of these. */
    get(tenant: Tenant, id: string): Promise<ConnectionRow | null>
    /** For the manual socket, whose bearer names no tenant. */
    findById(id: string): Promise<ConnectionRow | null>
    list(tenant: Tenant, page: Page): Promise<ConnectionRow[]>
    /** Replaces everything but id, tenant and createdAt. */
    update(row: ConnectionRow): Promise<void>
  }
  consent: ConsentTable
  ledger: LedgerTable
  calls: {
    insert(row: CallRow): Promise<void>
    get(tenant: Tenant, id: string): Promise<CallRow | null>
    list(tenant: Tenant, filter: CallFilter, page: Page): Promise<CallRow[]>
    /** Changes a call that is still in state `from` (any of them); null when it is not. */
    change(id: string, from: readonly CallState[], patch: CallPatch): Promise<CallRow | null>
    /** Not ended, in every tenant: what recovery has to finish. */
    unfinished(): Promise<CallRow[]>
    heartbeat(ids: readonly string[], at: number): Promise<void>
    usage(
      tenant: Tenant,
      since: number | null,
    ): Promise<{ count: number; totalCostCents: number; totalDurationSec: number }>
  }
  events: {
    append(row: EventRow): Promise<void>
    /** Oldest first, at most 10,000; those after the event `afterId` when given. */
    list(callId: string, afterId: string | null): Promise<EventRow[]>
  }
  transcripts: {
    append(row: TurnRow): Promise<void>
    list(callId: string): Promise<TurnRow[]>
  }
  webhooks: {
    insert(row: WebhookRow): Promise<void>
    /** Deleted ones are found by neither of these. */
    get(tenant: Tenant, id: string): Promise<WebhookRow | null>
    list(tenant: Tenant, page: Page): Promise<(WebhookRow & { successRate: number | null })[]>
    /** Replaces everything but id, tenant and createdAt. Deleting it makes what is still to be delivered `dead`. */
    update(row: WebhookRow): Promise<void>
  }
  outbox: {
    /** Queues the event for every enabled endpoint of the tenant that asked for it. Ids are made by `nextId`. */
    emit(event: {
      tenant: Tenant
      eventType: string
      payload: Record<string, unknown>
      at: number
      nextId: () => string
    }): Promise<number>
    /** Queues one delivery for one endpoint (a test event). */
    insert(row: DeliveryRow): Promise<void>
    /** Takes up to `limit` due deliveries for `leaseMs`; safe with several processes (SKIP LOCKED). */
    claim(
      limit: number,
      at: number,
      leaseMs: number,
    ): Promise<(DeliveryRow & { webhook: WebhookRow })[]>
    /** Records one attempt. `nextAttemptAt` null: final (`delivered` or `dead`). */
    settle(
      id: string,
      outcome: {
        status: DeliveryStatus
        responseStatus: number | null
        at: number
        nextAttemptAt: number | null
      },
    ): Promise<void>
    get(tenant: Tenant, id: string): Promise<DeliveryRow | null>
    list(tenant: Tenant, webhookId: string, page: Page): Promise<DeliveryRow[]>
    /** Makes a finished delivery pending again, its attempts counted from zero; an unfinished one stays as it is. */
    replay(tenant: Tenant, id: string, at: number): Promise<DeliveryRow | null>
    /** When the next pending delivery is due, or null. */
    nextDueAt(): Promise<number | null>
  }
  idempotency: {
    /** Claims (key of the API key) for this request, or says what became of the earlier one. Records last 24 h. */
    begin(record: {
      tenant: Tenant
      keyId: string
      key: string
      requestHash: string
      at: number
    }): Promise<IdempotencyBegin>
    /** Names the call that this request made, in the transaction that reserves. */
    nameCall(keyId: string, key: string, callId: string): Promise<void>
    complete(
      keyId: string,
      key: string,
      answer: { status: number; body: string; at: number },
    ): Promise<void>
    /** Forgets it, so that the same key may try again. */
    free(keyId: string, key: string): Promise<void>
  }
  audit: {
    append(row: Omit<AuditRow, 'dataDigest' | 'hash' | 'previousHash'>): Promise<void>
    list(tenant: Tenant, page: Page): Promise<AuditRow[]>
    /** Chains what is not yet chained, oldest first, one workspace at a time under its lock; how many rows. */
    chain(): Promise<number>
    /** Recomputes every chain; an empty list when all is whole. */
    verify(): Promise<{ workspaceId: string; auditId: string; problem: string }[]>
  }
}

export interface Store {
  /** Every statement for itself. */
  readonly tables: Tables
  /**
   * Runs `body` in one transaction: committed when it returns, rolled back when it throws. Serialisation failures and
   * deadlocks are retried at most 3 times, so the body must have no effect but through `tables`.
   * @throws Fault (retryable) when the database is away
   */
  transaction<T>(body: (tables: Tables) => Promise<T>): Promise<T>
  close(): Promise<void>
}
