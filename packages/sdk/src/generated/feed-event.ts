// What webhooks tell of, in order. Generated from the contract by scripts/generate.mjs: change that, never this.

export type FeedEvent =
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
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
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
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
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
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
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
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
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
      eventType: 'call.recording.saved'
      createdAt: string
      payload: {
        callId: string
        numberId: string
        durationSec: number
      }
    }
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
      eventType: 'call.transcript.ready'
      createdAt: string
      payload: {
        callId: string
        numberId: string
        /** How many turns it has. */
        turns: number
      }
    }
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
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
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
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
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
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
  | {
      /** From 1, without gaps. `after` takes it. */
      position: number
      eventType: 'balance.low'
      createdAt: string
      payload: {
        balanceCents: number
        thresholdCents: number
      }
    }
