// What the control plane keeps, and the only ways to change it. Implemented over PostgreSQL in this folder.
//
// Rules of the port: every row belongs to a tenant (workspace + environment), and a read with another tenant finds
// nothing. Instants are epoch milliseconds. Money is integer cents. Whatever must be true together is written in one
// `transaction`. Lists are newest first.
import type { Environment, TracedMessage } from '@saperly/network'
import type { ChainLink } from '../audit/chain.ts'
import type { ConsentTable } from './consent-port.ts'
import type { RechargeTable } from './recharge-port.ts'
import type {
  AuditRow,
  CallFilter,
  CallPatch,
  CallRow,
  CallState,
  ConnectionRow,
  DeliveryRow,
  DeliveryStatus,
  EventRow,
  FeedRow,
  HoldEntryRow,
  KeyRow,
  KeyWithSpending,
  NumberRow,
  OwnedCall,
  Page,
  ProcessRole,
  ProcessRow,
  Tenant,
  TransactionRow,
  TurnRow,
  WebhookRow,
  WorkspaceRow,
} from './rows.ts'

export type * from './rows.ts'
export type { ConsentTable } from './consent-port.ts'

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

/** The hold of the call itself. */
export const CALL_HOLD = 0

export type LedgerResult<T> = { ok: true; value: T } | { ok: false; refusal: LedgerRefusal }

/**
 * Money. Every method writes immutable rows; balances follow by the database's own trigger, and its constraints are
 * what refuses overspending. A call has one hold, number 0 ({@link CALL_HOLD}), and one more for each target that it is
 * bridged with, all under the call's key; each is resolved at most once.
 */
export interface LedgerTable {
  /**
   * Opens a hold. Counts against the balance, the caps of the key and its ancestors, and, when it is the call's own,
   * against live calls.
   */
  reserve(hold: {
    tenant: Tenant
    callId: string
    hold?: number
    keyId: string | null
    amountCents: number
    at: number
  }): Promise<LedgerResult<{ balanceCents: number }>>
  /** Grows the open hold by `amountCents`. Asked for again under the name `txnId` it grows no more. */
  extend(
    callId: string,
    amountCents: number,
    at: number,
    hold?: number,
    txnId?: string,
  ): Promise<LedgerResult<{ heldCents: number; balanceCents: number }>>
  /**
   * Resolves the hold: takes `costCents`, returns the rest. What goes beyond the hold is taken as far as balance and
   * caps allow; `shortfallCents` says what was not. Returns null when the hold was resolved before.
   */
  settle(
    callId: string,
    costCents: number,
    at: number,
    hold?: number,
  ): Promise<{ takenCents: number; shortfallCents: number; balanceCents: number } | null>
  /** Resolves the hold at no cost. False when it was resolved before. */
  release(callId: string, at: number, hold?: number): Promise<boolean>
  /** Cents in a hold of the call, or null when it is not open. */
  held(callId: string, hold?: number): Promise<number | null>
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
  /** What is posted, holds left out. */
  posted(tenant: Tenant): Promise<number>
  list(tenant: Tenant, page: Page): Promise<TransactionRow[]>
  /** Compares balances, caps and holds with the sum of the postings; an empty list when everything agrees. */
  verify(): Promise<{ tenant: Tenant; problem: string }[]>
}

/** The end of a tenant's chain: how many rows it has, and the hash of the last. */
export interface ChainEnd extends Tenant {
  position: number
  hash: string
}

/** What an erasure changed, in one tenant. */
export interface ErasedCounts {
  /** Calls with the person. */
  calls: number
  /** Other people's calls that named the number, such as one that was transferred to it. */
  mentions: number
  deliveries: number
  feedEvents: number
  auditEntries: number
}

/** Taking one person out of a tenant's rows, by E.164 number. */
export interface ErasureTable {
  /** Live calls are not erased: whoever asks for it ends them first. */
  isOnCall(tenant: Tenant, peerNumber: string): Promise<boolean>
  /** Paths of the recordings of the person's calls: files, which are not the store's to remove. */
  recordings(tenant: Tenant, peerNumber: string): Promise<string[]>
  /** Not inside a transaction: it makes its own, and may be done again after it was cut short. */
  erase(tenant: Tenant, peerNumber: string, at: number): Promise<ErasedCounts>
}

/** Forgetting what is old, in every tenant; each takes `limit` calls or rows at most, and says how many. */
export interface RetentionTable {
  /** Recordings of calls that ended before: files, which are not the store's to remove. */
  recordings(endedBefore: number, limit: number): Promise<{ id: string; path: string }[]>
  forgetRecordings(callIds: readonly string[]): Promise<void>
  /** The turns of calls that ended before, and the words in their events. */
  forgetTranscripts(endedBefore: number, limit: number): Promise<number>
  forgetSignalling(keptBefore: number, limit: number): Promise<number>
  /** Events that happened before. */
  forgetEvents(before: number, limit: number): Promise<number>
}

/** What an idempotency key answers now. */
export type IdempotencyBegin =
  | { state: 'fresh' }
  | { state: 'mismatch' }
  /** Somebody is at it; `callId` names the call it made, once it has. */
  | { state: 'running'; callId: string | null; startedAt: number }
  | { state: 'done'; status: number; body: string }

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
  erasure: ErasureTable
  retention: RetentionTable
  ledger: LedgerTable
  recharges: RechargeTable
  receipts: {
    /** What the ledger wrote for the call, hold by hold, oldest first; at most 10,000. */
    entries(tenant: Tenant, callId: string): Promise<HoldEntryRow[]>
  }
  calls: {
    insert(row: CallRow): Promise<void>
    get(tenant: Tenant, id: string): Promise<CallRow | null>
    list(tenant: Tenant, filter: CallFilter, page: Page): Promise<CallRow[]>
    /**
     * Changes a call that is still in state `from` (any of them) and run by that process; null when it is not. So what
     * a process writes after others have taken its calls changes nothing.
     */
    change(call: OwnedCall, from: readonly CallState[], patch: CallPatch): Promise<CallRow | null>
    /** Not ended, in every tenant, of this process, but those in `except`; at most 1,000. */
    unfinished(processId: string, except?: readonly string[]): Promise<CallRow[]>
    /**
     * Takes up to `limit` unfinished calls that no living process runs, with their `heartbeatAt` brought up to the last
     * beat of the process that did. Each call is taken by one process only; by none that is lost itself.
     */
    takeOver(processId: string, limit: number): Promise<CallRow[]>
    usage(
      tenant: Tenant,
      since: number | null,
    ): Promise<{ count: number; totalCostCents: number; totalDurationSec: number }>
  }
  /**
   * The processes that share the database, each with a lease on all of its calls at once. Leases are judged by the clock
   * of the database; `at` is on the process's own, like the times of its calls.
   */
  processes: {
    /** From here on its calls are its own, for `leaseMs` at first. */
    join(process: { id: string; role: ProcessRole; at: number }, leaseMs: number): Promise<void>
    /** Renews the lease, even one that ran out, from now on. False when others have declared the process lost. */
    beat(id: string, at: number, leaseMs: number): Promise<boolean>
    /** The process ends; calls that it left unfinished are anybody's. */
    leave(id: string): Promise<void>
    /** Process `by` declares others lost: those whose lease ran out, or all of them; their ids. */
    declareLost(by: string, whom: 'lapsed' | 'all'): Promise<string[]>
    /** Forgets the lost ones that have no unfinished call any more. */
    forget(): Promise<void>
    /** Oldest first, lost ones included. */
    list(): Promise<ProcessRow[]>
  }
  events: {
    /**
     * A second time changes nothing: whoever lost the answer of the first may ask again. With `runBy`, nothing is
     * written unless that process still runs the call.
     */
    append(row: EventRow, runBy?: OwnedCall['processId']): Promise<void>
    /** Oldest first, at most 10,000; those after the event `afterId` when given. */
    list(callId: string, afterId: string | null): Promise<EventRow[]>
  }
  transcripts: {
    /** As for events, a second time changes nothing, nor does a process that runs the call no more. */
    append(row: TurnRow, runBy?: OwnedCall['processId']): Promise<void>
    list(callId: string): Promise<TurnRow[]>
    count(callId: string): Promise<number>
  }
  signalling: {
    /** Keeps the signalling of an ended call; a second time changes nothing. Others' that are too old go with it. */
    keep(callId: string, messages: readonly TracedMessage[], at: number): Promise<void>
    /** Empty when there is none, or when it is too old. */
    get(callId: string, at: number): Promise<readonly TracedMessage[]>
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
    /**
     * Adds the event to the feed, and queues it for every enabled endpoint of the tenant that asked for it; for how
     * many. Ids are made by `nextId`. Events of one call are written one after the other.
     */
    emit(event: {
      tenant: Tenant
      eventType: string
      payload: Record<string, unknown>
      at: number
      nextId: () => string
    }): Promise<number>
    /** Queues one delivery for one endpoint (a test event). */
    insert(row: DeliveryRow): Promise<void>
    /**
     * Takes up to `limit` due deliveries for `leaseMs`; safe with several processes (SKIP LOCKED). At most
     * `perEndpoint` of each endpoint, and none of those in `except`. An event of a call is not due before the first
     * attempt at every former event of that call to the same endpoint has ended.
     */
    claim(
      limit: number,
      at: number,
      leaseMs: number,
      endpoints?: { perEndpoint: number; except: readonly string[] },
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
    list(
      tenant: Tenant,
      webhookId: string,
      status: DeliveryStatus | null,
      page: Page,
    ): Promise<DeliveryRow[]>
    /** Makes a finished delivery pending again, its attempts counted from zero; an unfinished one stays as it is. */
    replay(tenant: Tenant, id: string, at: number): Promise<DeliveryRow | null>
    /**
     * The same for those of an endpoint that were made in a range of time and have one of these statuses, oldest first,
     * at most `limit`. `nextSince` is when the oldest that is left was made, or null.
     */
    replayRange(
      tenant: Tenant,
      webhookId: string,
      range: { since: number; until: number; statuses: readonly DeliveryStatus[] },
      limit: number,
      at: number,
    ): Promise<{ count: number; nextSince: number | null }>
    /** When the next delivery is due to an endpoint that is not in `except`, or null. */
    nextDueAt(except?: readonly string[]): Promise<number | null>
  }
  feed: {
    /** The events after this position (0: from the oldest that is kept), in their order. */
    read(tenant: Tenant, after: number, limit: number): Promise<FeedRow[]>
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
    /** Names the call that this request made, in the transaction that reserves. False when the key has made another. */
    nameCall(keyId: string, key: string, callId: string): Promise<boolean>
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
    /** Where the chain of each tenant ends now. */
    ends(): Promise<ChainEnd[]>
    /** The links of a chain behind position `after` and up to its end, in order, some at a time; empty: no more. */
    links(end: ChainEnd, after: number): Promise<ChainLink[]>
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
