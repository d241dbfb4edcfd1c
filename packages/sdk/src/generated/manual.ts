// The frames of saperly.manual.v1. Generated from the contract by scripts/generate.mjs: change that, never this.

export interface ManualInboundCall {
  type: 'inbound_call'
  requestId: string
  callId: string
  at: string
  from: string
  to: string
  /** Outbound: the per-call or the stored prompt. */
  instructions: string | null
  topic: string | null
}

export interface ManualOutboundCall {
  type: 'outbound_call'
  requestId: string
  callId: string
  at: string
  from: string
  to: string
  /** Outbound: the per-call or the stored prompt. */
  instructions: string | null
  topic: string | null
}

export interface ManualTurn {
  type: 'turn'
  requestId: string
  callId: string
  at: string
  /** Empty with `noMatch`: never an invented text. */
  text: string
  startedAt: string
  endedAt: string
  confidence: number
  source: 'speech'
  /** `phrases`: the recogniser knows only phrases that it was told; `free`: any words. */
  recognizer: 'phrases' | 'free'
  noMatch: boolean
  /** The words of the last answer that were really played before the caller cut in. */
  interrupted: {
    heard: string
  } | null
}

export interface ManualInterrupted {
  type: 'interrupted'
  requestId: string
  callId: string
  at: string
  /** The request whose answer was cut. */
  answering: string | null
  heard: string
  heardMs: number
  basis: 'exact' | 'aligned' | 'estimated'
}

export interface ManualDtmf {
  type: 'dtmf'
  requestId: string
  callId: string
  at: string
  digits: string
}

export interface ManualMachine {
  type: 'machine'
  requestId: string
  callId: string
  at: string
  verdict: 'human' | 'machine' | 'beep'
  confidence: number
}

export interface ManualFundsLow {
  type: 'funds_low'
  requestId: string
  callId: string
  at: string
  secondsLeft: number
}

export interface ManualTransferFailed {
  type: 'transfer_failed'
  requestId: string
  callId: string
  at: string
  reason: string
  sipCode: number | null
}

export interface ManualSilence {
  type: 'silence'
  requestId: string
  callId: string
  at: string
  seconds: number
}

export interface ManualOptOut {
  type: 'opt_out'
  requestId: string
  callId: string
  at: string
  /** What was said, or */
  text?: string | undefined
  /** what was pressed. */
  digit?: string | undefined
}

export interface ManualCancelled {
  type: 'cancelled'
  requestId: string
  callId: string
  at: string
  /** The request whose answer is to be dropped. */
  superseded: string
}

export interface ManualCallEnded {
  type: 'call_ended'
  requestId: string
  callId: string
  at: string
  status: 'initiated' | 'completed' | 'no_answer' | 'failed' | 'rejected'
  durationSec: number
  costCents: number
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
}

/** By `type`. */
export interface ManualEvents {
  inbound_call: ManualInboundCall
  outbound_call: ManualOutboundCall
  turn: ManualTurn
  interrupted: ManualInterrupted
  dtmf: ManualDtmf
  machine: ManualMachine
  funds_low: ManualFundsLow
  transfer_failed: ManualTransferFailed
  silence: ManualSilence
  opt_out: ManualOptOut
  cancelled: ManualCancelled
  call_ended: ManualCallEnded
}

export type ManualEventType = keyof ManualEvents

/** Any event; `type` tells them apart. */
export type ManualEvent = ManualEvents[ManualEventType]

/** The events that ask for an answer. */
export const answerableEventTypes = [
  'inbound_call',
  'outbound_call',
  'turn',
  'dtmf',
  'silence',
] as const

export type AnswerableEventType = (typeof answerableEventTypes)[number]

export type Directive =
  | {
      type: 'speak'
      text: string
      /** Further text of the same answer follows. Default false. */
      more?: boolean | null | undefined
      /** Default true. */
      interruptible?: boolean | null | undefined
      voice?: string | null | undefined
    }
  | {
      type: 'wait_for_user'
      timeoutSec?: number | null | undefined
      /** What the caller is likely to say. */
      expect?:
        | {
            phrases?: readonly string[] | null | undefined
            /** How many; the turn ends at once when they have come. */
            digits?: number | null | undefined
            hints?: readonly string[] | null | undefined
          }
        | null
        | undefined
    }
  | {
      type: 'hangup'
    }
  | {
      type: 'transfer'
      /** One of the connection’s targets. */
      to: string
    }
  | {
      type: 'send_dtmf'
      digits: string
    }

export interface ReadyFrame {
  type: 'ready'
  protocol: 'saperly.manual.v1'
  connectionId: string
  /** The live calls that this socket now owns. */
  calls: readonly {
    callId: string
    from: string
    to: string
    direction: 'inbound' | 'outbound'
  }[]
}

export interface ErrorFrame {
  type: 'error'
  requestId: string | null
  /** `StaleRequest`: the `requestId` is unknown or was answered before. */
  _tag: 'InvalidDirective' | 'StaleRequest'
  message: string
}

export const MANUAL_PROTOCOL = 'saperly.manual.v1'

export const BEARER_SUBPROTOCOL_PREFIX = 'bearer.'
