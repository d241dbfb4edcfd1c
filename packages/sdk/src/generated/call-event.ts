// The timeline of a call. Generated from the contract by scripts/generate.mjs: change that, never this.

export type CallEvent =
  | {
      id: string
      callId: string
      type: 'initiated'
      at: string
      data: {
        direction: 'inbound' | 'outbound'
        from: string
        to: string
        connectionId: string | null
      }
    }
  | {
      id: string
      callId: string
      type: 'ringing'
      at: string
      data: {
        sipCode: number | null
      }
    }
  | {
      id: string
      callId: string
      type: 'answered'
      at: string
      data: {
        /** `phrases`: the recogniser knows only phrases that it was told; `free`: any words. */
        recognizer: 'phrases' | 'free'
        brain: 'hosted' | 'manual' | 'demo'
      }
    }
  | {
      id: string
      callId: string
      type: 'disclosure'
      at: string
      data: {
        text: string
        startedAt: string
        endedAt: string | null
      }
    }
  | {
      id: string
      callId: string
      type: 'turn'
      at: string
      data: {
        text: string
        noMatch: boolean
        confidence: number
        /** `phrases`: the recogniser knows only phrases that it was told; `free`: any words. */
        recognizer: 'phrases' | 'free'
        startedAt: string
        endedAt: string
      }
    }
  | {
      id: string
      callId: string
      type: 'speak'
      at: string
      data: {
        text: string
        heardText: string | null
        source: 'brain' | 'api' | 'filler' | 'platform'
        startedAt: string
        endedAt: string | null
        interrupted: boolean
        /** null where it does not answer a turn. */
        latencyMs: {
          endpointing: number
          brain: number
          speech: number
          wire: number
          total: number
        } | null
      }
    }
  | {
      id: string
      callId: string
      type: 'interrupted'
      at: string
      data: {
        heard: string
        heardMs: number
        basis: 'exact' | 'aligned' | 'estimated'
      }
    }
  | {
      id: string
      callId: string
      type: 'dtmf'
      at: string
      data: {
        digits: string
        direction: 'received' | 'sent'
      }
    }
  | {
      id: string
      callId: string
      type: 'transfer'
      at: string
      data: {
        to: string
        state: 'requested' | 'accepted' | 'completed' | 'failed'
        reason: string | null
        sipCode: number | null
      }
    }
  | {
      id: string
      callId: string
      type: 'machine'
      at: string
      data: {
        verdict: 'human' | 'machine' | 'beep'
        confidence: number
      }
    }
  | {
      id: string
      callId: string
      type: 'speech'
      at: string
      /** Another speech engine has taken over. */
      data: {
        part: 'hear' | 'speak'
        from: string | null
        /** null: nothing is heard until an engine recovers. */
        to: string | null
        reason: string
      }
    }
  | {
      id: string
      callId: string
      type: 'funds_low'
      at: string
      data: {
        secondsLeft: number
      }
    }
  | {
      id: string
      callId: string
      type: 'quality'
      at: string
      data: {
        /** The ten seconds before, or the whole call. */
        span: 'interval' | 'call'
        codec: string
        packetsSent: number
        packetsReceived: number
        packetsLost: number
        /** Received, but too late to be played. */
        packetsLate: number
        /** Pieces of 20 ms that were made up for what was missing. */
        framesConcealed: number
        lossInPercent: number
        /** As the far side reports it; null: it did not. */
        lossOutPercent: number | null
        jitterMs: number
        jitterOutMs: number | null
        roundTripMs: number | null
        /** How the far side is heard (E-model); null: nothing came. */
        mos: number | null
        /** How the far side hears us; null where it reports nothing. */
        mosOut: number | null
      }
    }
  | {
      id: string
      callId: string
      type: 'ended'
      at: string
      data: {
        status: 'initiated' | 'completed' | 'no_answer' | 'failed' | 'rejected'
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
        durationSec: number | null
        costCents: number | null
        sipCode: number | null
        q850Cause: number | null
      }
    }
