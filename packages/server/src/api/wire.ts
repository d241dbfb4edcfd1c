// From rows to the shapes of the wire: the one place where epoch milliseconds become ISO times and columns fields.
import type {
  AuditEvent,
  Call,
  CallEvent,
  Connection,
  ConsentRecord,
  OptOut,
  Delivery,
  FeedEvent,
  HangupCause,
  Key,
  PhoneNumber,
  Receipt,
  Scope,
  Transaction,
  Transcript,
  WebhookEndpoint,
  WebhookEventType,
} from '@saperly/contract'
import type { ReceiptOfCall } from '../ledger/receipt.ts'
import type {
  AuditRow,
  CallRow,
  CallState,
  ConnectionRow,
  ConsentRow,
  OptOutRow,
  DeliveryRow,
  EventRow,
  FeedRow,
  KeyWithSpending,
  NumberRow,
  TransactionRow,
  TurnRow,
  WebhookRow,
} from '../store/port.ts'

/** Everything is priced in it. */
export const CURRENCY = 'USD'

export function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms)
}

/** `ending` is still connected for whoever looks: the call is final only when it has been settled. */
const PHASES: Record<CallState, Call['phase']> = {
  queued: 'dialing',
  dialing: 'dialing',
  ringing: 'ringing',
  connected: 'connected',
  ending: 'connected',
  ended: 'ended',
}

export function callWire(row: CallRow): Call {
  return {
    id: row.id,
    numberId: row.numberId,
    direction: row.direction,
    to: row.to,
    from: row.from,
    connectionId: row.connectionId,
    recognizer: row.recognizer,
    status: row.status,
    phase: PHASES[row.state],
    rateCentsPerMin: row.rateCentsPerMin,
    durationSec: row.durationSec,
    costCents: row.costCents,
    hangupCause: row.hangupCause as HangupCause | null,
    sipCode: row.sipCode,
    q850Cause: row.q850Cause,
    hasRecording: row.recordingPath !== null,
    hasTranscript: row.hasTranscript,
    createdAt: iso(row.createdAt),
    answeredAt: isoOrNull(row.answeredAt),
    endedAt: isoOrNull(row.endedAt),
    metadata: row.metadata,
  }
}

export function transcriptWire(call: CallRow, turns: readonly TurnRow[]): Transcript {
  return {
    callId: call.id,
    recognizer: call.recognizer,
    turns: turns.map((turn) => ({
      role: turn.role,
      text: turn.text,
      heardText: turn.heardText,
      startedAt: iso(turn.startedAt),
      endedAt: iso(turn.endedAt),
      interrupted: turn.interrupted,
    })),
  }
}

/** The data of an event was written in its wire shape by whoever recorded it. */
export function eventWire(row: EventRow): CallEvent {
  const { id, callId, type, at, data } = row
  return { id, callId, type, at: iso(at), data } as CallEvent
}

export function numberWire(row: NumberRow): PhoneNumber {
  return {
    id: row.id,
    phoneNumber: row.phoneNumber,
    connectionId: row.connectionId,
    webhookUrl: row.webhookUrl,
    smsSenderId: row.smsSenderId,
    callerIdName: row.callerIdName,
    country: row.country,
    numberType: row.numberType,
    monthlyPriceCents: row.monthlyPriceCents,
    currency: CURRENCY,
    nextChargeAt: isoOrNull(row.nextChargeAt),
    releasedAt: isoOrNull(row.releasedAt),
    createdAt: iso(row.createdAt),
  }
}

/** `recognizer`: what its engine hears. */
export function connectionWire(
  row: ConnectionRow,
  recognizer: Connection['recognizer'],
): Connection {
  return { id: row.id, ...row.settings, recognizer, createdAt: iso(row.createdAt) }
}

export function consentWire(row: ConsentRow): ConsentRecord {
  return {
    id: row.id,
    numberId: row.numberId,
    peerNumber: row.peerNumber,
    consentType: row.consentType,
    source: row.source,
    grantedAt: iso(row.grantedAt),
    revokedAt: isoOrNull(row.revokedAt),
  }
}

export function optOutWire(row: OptOutRow): OptOut {
  const { id, peerNumber, source, reason } = row
  return { id, peerNumber, source, reason, optedOutAt: iso(row.optedOutAt) }
}

export function transactionWire(row: TransactionRow): Transaction {
  return {
    id: row.id,
    type: row.type,
    amountCents: row.amountCents,
    balanceAfterCents: row.balanceAfterCents,
    callId: row.callId,
    messageId: row.messageId,
    keyId: row.keyId,
    createdAt: iso(row.createdAt),
  }
}

export function receiptWire(callId: string, receipt: ReceiptOfCall): Receipt {
  const { final, takenCents, shortfallCents, lines } = receipt
  const items = lines.map((line) => ({
    ...line,
    entries: line.entries.map(({ id, type, amountCents, createdAt }) => ({
      transactionId: id,
      type,
      amountCents,
      at: iso(createdAt),
    })),
  }))
  return { callId, currency: CURRENCY, final, takenCents, shortfallCents, items }
}

export function keyWire(row: KeyWithSpending): Key {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    scopes: [...row.scopes] as Scope[],
    numberScope: row.numberScope === null ? null : [...row.numberScope],
    spendLimitCents: row.spendLimitCents,
    spendLimitResetPeriod: row.spendLimitResetPeriod,
    spentThisPeriodCents: row.spentThisPeriodCents,
    mintedByTokenId: row.mintedByTokenId,
    expiresAt: isoOrNull(row.expiresAt),
    lastUsedAt: isoOrNull(row.lastUsedAt),
    createdAt: iso(row.createdAt),
    revokedAt: isoOrNull(row.revokedAt),
  }
}

/** `signingSecret` stands only in the answers that mint one. */
export function webhookWire(
  row: WebhookRow,
  more: { successRate: number | null; signingSecret: string | null },
): WebhookEndpoint {
  return {
    id: row.id,
    url: row.url,
    events: [...row.events] as WebhookEventType[],
    description: row.description,
    enabled: row.enabled,
    successRate: more.successRate,
    signingSecret: more.signingSecret,
    createdAt: iso(row.createdAt),
  }
}

export function deliveryWire(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    eventType: row.eventType as Delivery['eventType'],
    status: row.status,
    attempts: row.attempts,
    responseStatus: row.responseStatus,
    lastAttemptAt: isoOrNull(row.lastAttemptAt),
    nextAttemptAt: isoOrNull(row.nextAttemptAt),
  }
}

/** The payload was written in its wire shape by whoever emitted it. */
export function feedWire({ position, eventType, createdAt, payload }: FeedRow): FeedEvent {
  return { position, eventType, createdAt: iso(createdAt), payload } as FeedEvent
}

export function auditWire(row: AuditRow): AuditEvent {
  return {
    id: row.id,
    eventType: row.eventType,
    targetType: row.targetType,
    targetId: row.targetId,
    actor: row.actor,
    data: row.data,
    hash: row.hash,
    previousHash: row.previousHash,
    createdAt: iso(row.createdAt),
  }
}
