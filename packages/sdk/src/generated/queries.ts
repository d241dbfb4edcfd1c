// What stands after the question mark. Generated from the contract by scripts/generate.mjs: change that, never this.

export interface ListCallsQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
  status?: 'initiated' | 'completed' | 'no_answer' | 'failed' | 'rejected' | undefined
  numberId?: string | undefined
  to?: string | undefined
  since?: string | undefined
  until?: string | undefined
}

export interface ListCallEventsQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
}

export interface GetCallSipQuery {
  /** Default `text`. */
  format?: 'text' | 'pcap' | undefined
}

export interface ListNumbersQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
}

export interface ListConnectionsQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
}

export interface ListConsentQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
  numberId?: string | undefined
  peerNumber?: string | undefined
}

export interface CheckConsentQuery {
  numberId: string
  peerNumber: string
}

export interface ListOptOutsQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
  peerNumber?: string | undefined
}

export interface GetUsageQuery {
  since?: string | undefined
}

export interface ListTransactionsQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
}

export interface ListKeysQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
}

export interface ListAuditEventsQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
  eventType?: string | undefined
  targetId?: string | undefined
  since?: string | undefined
  until?: string | undefined
}

export interface ListWebhooksQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
}

export interface ListDeliveriesQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** From the `Link` header of the page before. */
  cursor?: string | undefined
  status?: 'delivered' | 'failed' | 'pending' | 'dead' | undefined
}

export interface ListEventsQuery {
  /** How many at most. Default 100. */
  limit?: number | undefined
  /** The `position` of the last event that was read. Default 0: from the oldest. */
  after?: number | undefined
  /** From the `Link` header of the page before; stands above `after`. */
  cursor?: number | undefined
}

export interface GetQuoteQuery {
  country?: string | undefined
  numberType?: string | undefined
}

export interface ListVoicesQuery {
  language?: string | undefined
}
