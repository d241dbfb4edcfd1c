// What webhooks deliver. Generated from the contract by scripts/generate.mjs: change that, never this.

export interface CallReceivedEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'call.received'
  createdAt: string
  payload: {
    callId: string
    numberId: string
    connectionId: string | null
    from: string
    to: string
  }
}

export interface CallAnsweredEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'call.answered'
  createdAt: string
  payload: {
    callId: string
    numberId: string
    connectionId: string | null
    from: string
    to: string
    direction: 'inbound' | 'outbound'
    answeredAt: string
  }
}

export interface CallCompletedEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'call.completed'
  createdAt: string
  payload: {
    from: string
    to: string
    callId: string
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
    status: 'completed'
    durationSec: number
    costCents: number
  }
}

export interface CallFailedEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'call.failed'
  createdAt: string
  payload: {
    from: string
    to: string
    callId: string
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
    status: 'no_answer' | 'failed' | 'rejected'
    durationSec: 0
    costCents: 0
  }
}

export interface CallRecordingSavedEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'call.recording.saved'
  createdAt: string
  payload: {
    callId: string
    numberId: string
    durationSec: number
  }
}

export interface CallTranscriptReadyEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'call.transcript.ready'
  createdAt: string
  payload: {
    callId: string
    numberId: string
    /** How many turns it has. */
    turns: number
  }
}

export interface MessageReceivedEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'message.received'
  createdAt: string
  payload: {
    messageId: string
    numberId: string
    from: string
    to: string
    body: string
  }
}

export interface MessageSentEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'message.sent'
  createdAt: string
  payload: {
    messageId: string
    numberId: string
    from: string
    to: string
    segments: number
  }
}

export interface MessageFailedEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'message.failed'
  createdAt: string
  payload: {
    messageId: string
    numberId: string
    from: string
    to: string
    reason: string
  }
}

export interface BalanceLowEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'balance.low'
  createdAt: string
  payload: {
    balanceCents: number
    thresholdCents: number
  }
}

export interface WebhookTestEvent {
  /** Stable across retries. */
  deliveryId: string
  eventType: 'webhook.test'
  createdAt: string
  payload: {
    webhookId: string
  }
}

/** Any delivery; `eventType` tells them apart. */
export type WebhookEvent =
  | CallReceivedEvent
  | CallAnsweredEvent
  | CallCompletedEvent
  | CallFailedEvent
  | CallRecordingSavedEvent
  | CallTranscriptReadyEvent
  | MessageReceivedEvent
  | MessageSentEvent
  | MessageFailedEvent
  | BalanceLowEvent
  | WebhookTestEvent
