// What belongs to the workspace: consent, money, keys and the audit trail.
import type {
  AuditEvent,
  ConsentCheck,
  ConsentRecord,
  FeedEvent,
  Key,
  KeyWithToken,
  OptOut,
  Transaction,
  Usage as UsageSummary,
} from '../generated/answers.ts'
import type {
  MintKeyBody,
  RecordConsentBody,
  RecordOptOutBody,
  RevokeConsentBody,
} from '../generated/bodies.ts'
import type {
  CheckConsentQuery,
  GetUsageQuery,
  ListAuditEventsQuery,
  ListConsentQuery,
  ListEventsQuery,
  ListKeysQuery,
  ListOptOutsQuery,
  ListTransactionsQuery,
} from '../generated/queries.ts'
import { type List, list } from '../list.ts'
import type { RequestOptions, Transport } from '../transport.ts'

export class Consent {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(query?: ListConsentQuery, options?: RequestOptions): List<ConsentRecord> {
    return list(this.#transport, 'listConsent', { query: query ?? {} }, options)
  }

  /** May this number call this peer? */
  check(query: CheckConsentQuery, options?: RequestOptions): Promise<ConsentCheck> {
    return this.#transport.call('checkConsent', { query }, options)
  }

  /** Records that a peer agreed to be called. */
  record(body: RecordConsentBody, options?: RequestOptions): Promise<ConsentRecord> {
    return this.#transport.call('recordConsent', { body }, options)
  }

  /** Blocks the next call at once; with `optOut` from every number of the workspace. */
  revoke(body: RevokeConsentBody, options?: RequestOptions): Promise<ConsentRecord> {
    return this.#transport.call('revokeConsent', { body }, options)
  }
}

export class OptOuts {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** The peers whom no number of the workspace may reach, newest first. */
  list(query?: ListOptOutsQuery, options?: RequestOptions): List<OptOut> {
    return list(this.#transport, 'listOptOuts', { query: query ?? {} }, options)
  }

  /** Blocks the next call to this peer at once, from every number of the workspace. */
  record(body: RecordOptOutBody, options?: RequestOptions): Promise<OptOut> {
    return this.#transport.call('recordOptOut', { body }, options)
  }
}

export class Events {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** What webhooks tell of, oldest first: `after` is the `position` of the last event that was read. */
  list(query?: ListEventsQuery, options?: RequestOptions): List<FeedEvent> {
    return list(this.#transport, 'listEvents', { query: query ?? {} }, options)
  }
}

export class Usage {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** What was used, and what is left. */
  get(query?: GetUsageQuery, options?: RequestOptions): Promise<UsageSummary> {
    return this.#transport.call('getUsage', { query: query ?? {} }, options)
  }
}

export class Transactions {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** The ledger's entries, newest first. */
  list(query?: ListTransactionsQuery, options?: RequestOptions): List<Transaction> {
    return list(this.#transport, 'listTransactions', { query: query ?? {} }, options)
  }
}

export class Keys {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(query?: ListKeysQuery, options?: RequestOptions): List<Key> {
    return list(this.#transport, 'listKeys', { query: query ?? {} }, options)
  }

  /** The answer is the only place where the token is ever shown. */
  mint(body: MintKeyBody, options?: RequestOptions): Promise<KeyWithToken> {
    return this.#transport.call('mintKey', { body }, options)
  }

  /** Revokes the key and every key that was minted with it. */
  revoke(id: string, options?: RequestOptions): Promise<Key> {
    return this.#transport.call('revokeKey', { id }, options)
  }
}

export class Audit {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(query?: ListAuditEventsQuery, options?: RequestOptions): List<AuditEvent> {
    return list(this.#transport, 'listAuditEvents', { query: query ?? {} }, options)
  }
}
