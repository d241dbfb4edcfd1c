// The routes, and what each takes and gives. Generated from the contract by scripts/generate.mjs: change that, never this.
import type {
  AuditEvent,
  Call,
  CallEvent,
  Connection,
  ConnectionWithSecret,
  ConsentCheck,
  ConsentRecord,
  Delivery,
  FeedEvent,
  Key,
  KeyWithToken,
  Language,
  OptOut,
  PhoneNumber,
  Quote,
  Receipt,
  Replayed,
  Transaction,
  Transcript,
  Usage,
  Voice,
  WebhookEndpoint,
} from './answers.ts'
import type {
  BindConnectionBody,
  CreateConnectionBody,
  CreateWebhookBody,
  EndCallBody,
  MintKeyBody,
  PlaceCallBody,
  PlaceSandboxCallBody,
  ProvisionNumberBody,
  RecordConsentBody,
  RecordOptOutBody,
  ReplayDeliveriesBody,
  RevokeConsentBody,
  SendDtmfBody,
  SetCallerIdBody,
  SetNumberWebhookBody,
  SetSmsSenderBody,
  SpeakOnCallBody,
  TransferCallBody,
  UpdateConnectionBody,
} from './bodies.ts'
import type {
  CheckConsentQuery,
  GetCallSipQuery,
  GetQuoteQuery,
  GetUsageQuery,
  ListAuditEventsQuery,
  ListCallEventsQuery,
  ListCallsQuery,
  ListConnectionsQuery,
  ListConsentQuery,
  ListDeliveriesQuery,
  ListEventsQuery,
  ListKeysQuery,
  ListNumbersQuery,
  ListOptOutsQuery,
  ListTransactionsQuery,
  ListVoicesQuery,
  ListWebhooksQuery,
} from './queries.ts'

export interface Operations {
  placeCall: {
    body: PlaceCallBody
    query: undefined
    answer: Call
  }
  endCall: {
    body: EndCallBody | null | undefined
    query: undefined
    answer: Call
  }
  transferCall: {
    body: TransferCallBody
    query: undefined
    answer: Call
  }
  speakOnCall: {
    body: SpeakOnCallBody
    query: undefined
    answer: Call
  }
  sendDtmf: {
    body: SendDtmfBody
    query: undefined
    answer: Call
  }
  getCall: {
    body: undefined
    query: undefined
    answer: Call
  }
  listCalls: {
    body: undefined
    query: ListCallsQuery
    answer: Call
  }
  getTranscript: {
    body: undefined
    query: undefined
    answer: Transcript
  }
  getRecording: {
    body: undefined
    query: undefined
    answer: undefined
  }
  listCallEvents: {
    body: undefined
    query: ListCallEventsQuery
    answer: CallEvent
  }
  getCallSip: {
    body: undefined
    query: GetCallSipQuery
    answer: undefined
  }
  listNumbers: {
    body: undefined
    query: ListNumbersQuery
    answer: PhoneNumber
  }
  getNumber: {
    body: undefined
    query: undefined
    answer: PhoneNumber
  }
  provisionNumber: {
    body: ProvisionNumberBody | null | undefined
    query: undefined
    answer: PhoneNumber
  }
  releaseNumber: {
    body: undefined
    query: undefined
    answer: {
      status: 'released'
    }
  }
  bindConnection: {
    body: BindConnectionBody
    query: undefined
    answer: PhoneNumber
  }
  setNumberWebhook: {
    body: SetNumberWebhookBody
    query: undefined
    answer: PhoneNumber
  }
  setCallerId: {
    body: SetCallerIdBody
    query: undefined
    answer: PhoneNumber
  }
  setSmsSender: {
    body: SetSmsSenderBody
    query: undefined
    answer: PhoneNumber
  }
  listConnections: {
    body: undefined
    query: ListConnectionsQuery
    answer: Connection
  }
  getConnection: {
    body: undefined
    query: undefined
    answer: Connection
  }
  createConnection: {
    body: CreateConnectionBody
    query: undefined
    answer: ConnectionWithSecret
  }
  updateConnection: {
    body: UpdateConnectionBody
    query: undefined
    answer: ConnectionWithSecret
  }
  deleteConnection: {
    body: undefined
    query: undefined
    answer: {
      status: 'deleted'
    }
  }
  rotateConnectionSecret: {
    body: undefined
    query: undefined
    answer: ConnectionWithSecret
  }
  listConsent: {
    body: undefined
    query: ListConsentQuery
    answer: ConsentRecord
  }
  checkConsent: {
    body: undefined
    query: CheckConsentQuery
    answer: ConsentCheck
  }
  recordConsent: {
    body: RecordConsentBody
    query: undefined
    answer: ConsentRecord
  }
  revokeConsent: {
    body: RevokeConsentBody
    query: undefined
    answer: ConsentRecord
  }
  listOptOuts: {
    body: undefined
    query: ListOptOutsQuery
    answer: OptOut
  }
  recordOptOut: {
    body: RecordOptOutBody
    query: undefined
    answer: OptOut
  }
  getUsage: {
    body: undefined
    query: GetUsageQuery
    answer: Usage
  }
  listTransactions: {
    body: undefined
    query: ListTransactionsQuery
    answer: Transaction
  }
  getReceipt: {
    body: undefined
    query: undefined
    answer: Receipt
  }
  listKeys: {
    body: undefined
    query: ListKeysQuery
    answer: Key
  }
  mintKey: {
    body: MintKeyBody
    query: undefined
    answer: KeyWithToken
  }
  revokeKey: {
    body: undefined
    query: undefined
    answer: Key
  }
  listAuditEvents: {
    body: undefined
    query: ListAuditEventsQuery
    answer: AuditEvent
  }
  listWebhooks: {
    body: undefined
    query: ListWebhooksQuery
    answer: WebhookEndpoint
  }
  createWebhook: {
    body: CreateWebhookBody
    query: undefined
    answer: WebhookEndpoint
  }
  deleteWebhook: {
    body: undefined
    query: undefined
    answer: {
      status: 'deleted'
    }
  }
  rotateWebhookSecret: {
    body: undefined
    query: undefined
    answer: WebhookEndpoint
  }
  listDeliveries: {
    body: undefined
    query: ListDeliveriesQuery
    answer: Delivery
  }
  testWebhook: {
    body: undefined
    query: undefined
    answer: Delivery
  }
  replayDelivery: {
    body: undefined
    query: undefined
    answer: Delivery
  }
  replayDeliveries: {
    body: ReplayDeliveriesBody
    query: undefined
    answer: Replayed
  }
  listEvents: {
    body: undefined
    query: ListEventsQuery
    answer: FeedEvent
  }
  placeSandboxCall: {
    body: PlaceSandboxCallBody
    query: undefined
    answer: Call
  }
  getQuote: {
    body: undefined
    query: GetQuoteQuery
    answer: Quote
  }
  listVoices: {
    body: undefined
    query: ListVoicesQuery
    answer: readonly Voice[]
  }
  listLanguages: {
    body: undefined
    query: undefined
    answer: readonly Language[]
  }
  getHealth: {
    body: undefined
    query: undefined
    answer: {
      status: 'ok'
    }
  }
  getReady: {
    body: undefined
    query: undefined
    answer: {
      status: 'ready'
    }
  }
}

export type OperationName = keyof Operations

export const routes = {
  placeCall: { method: 'POST', path: '/calls' },
  endCall: { method: 'POST', path: '/calls/:id/end' },
  transferCall: { method: 'POST', path: '/calls/:id/transfer' },
  speakOnCall: { method: 'POST', path: '/calls/:id/speak' },
  sendDtmf: { method: 'POST', path: '/calls/:id/dtmf' },
  getCall: { method: 'GET', path: '/calls/:id' },
  listCalls: { method: 'GET', path: '/calls' },
  getTranscript: { method: 'GET', path: '/calls/:id/transcript' },
  getRecording: { method: 'GET', path: '/calls/:id/recording' },
  listCallEvents: { method: 'GET', path: '/calls/:id/events' },
  getCallSip: { method: 'GET', path: '/calls/:id/sip' },
  listNumbers: { method: 'GET', path: '/numbers' },
  getNumber: { method: 'GET', path: '/numbers/:id' },
  provisionNumber: { method: 'POST', path: '/numbers' },
  releaseNumber: { method: 'POST', path: '/numbers/:id/release' },
  bindConnection: { method: 'POST', path: '/numbers/:id/connection' },
  setNumberWebhook: { method: 'POST', path: '/numbers/:id/webhook' },
  setCallerId: { method: 'POST', path: '/numbers/:id/caller-id' },
  setSmsSender: { method: 'POST', path: '/numbers/:id/sms-sender' },
  listConnections: { method: 'GET', path: '/connections' },
  getConnection: { method: 'GET', path: '/connections/:id' },
  createConnection: { method: 'POST', path: '/connections' },
  updateConnection: { method: 'PATCH', path: '/connections/:id' },
  deleteConnection: { method: 'DELETE', path: '/connections/:id' },
  rotateConnectionSecret: { method: 'POST', path: '/connections/:id/rotate-secret' },
  listConsent: { method: 'GET', path: '/consent' },
  checkConsent: { method: 'GET', path: '/consent/check' },
  recordConsent: { method: 'POST', path: '/consent' },
  revokeConsent: { method: 'POST', path: '/consent/revoke' },
  listOptOuts: { method: 'GET', path: '/opt-outs' },
  recordOptOut: { method: 'POST', path: '/opt-outs' },
  getUsage: { method: 'GET', path: '/usage' },
  listTransactions: { method: 'GET', path: '/transactions' },
  getReceipt: { method: 'GET', path: '/calls/:id/receipt' },
  listKeys: { method: 'GET', path: '/api-tokens' },
  mintKey: { method: 'POST', path: '/api-tokens' },
  revokeKey: { method: 'POST', path: '/api-tokens/:id/revoke' },
  listAuditEvents: { method: 'GET', path: '/audit-events' },
  listWebhooks: { method: 'GET', path: '/webhooks' },
  createWebhook: { method: 'POST', path: '/webhooks' },
  deleteWebhook: { method: 'DELETE', path: '/webhooks/:id' },
  rotateWebhookSecret: { method: 'POST', path: '/webhooks/:id/rotate-secret' },
  listDeliveries: { method: 'GET', path: '/webhooks/:id/deliveries' },
  testWebhook: { method: 'POST', path: '/webhooks/:id/test' },
  replayDelivery: { method: 'POST', path: '/deliveries/:id/replay' },
  replayDeliveries: { method: 'POST', path: '/webhooks/:id/replay' },
  listEvents: { method: 'GET', path: '/events' },
  placeSandboxCall: { method: 'POST', path: '/sandbox/calls' },
  getQuote: { method: 'GET', path: '/pricing/quote' },
  listVoices: { method: 'GET', path: '/voices' },
  listLanguages: { method: 'GET', path: '/languages' },
  getHealth: { method: 'GET', path: '/health' },
  getReady: { method: 'GET', path: '/ready' },
} as const satisfies Record<OperationName, { method: string; path: string }>
