// What requests carry. Generated from the contract by scripts/generate.mjs: change that, never this.

export interface PlaceCallBody {
  /** The number of the workspace to call from. */
  fromNumberId: string
  /** Whom to call, in E.164. */
  to: string
  /** Who talks, in place of the number’s own connection. */
  connectionId?: string | null | undefined
  /** Replaces the stored prompt for this call alone. */
  instructions?: string | null | undefined
  /** Default 45. */
  ringTimeoutSec?: number | null | undefined
  /** Default: the connection’s. */
  maxDurationSec?: number | null | undefined
  /** At most 16 strings of 500 characters, returned as they are. */
  metadata?: Record<string, string> | null | undefined
}

export interface EndCallBody {
  /** Seconds that the call lasted by your own measure. The bill is for the longer of this and what the network measured. */
  durationSec?: number | null | undefined
}

export interface TransferCallBody {
  /** E.164, or a `sip:` or `sips:` address. */
  to: string
}

export interface SpeakOnCallBody {
  text: string
  /** Cuts what is being said, but never the disclosure. Default false: queues behind it. */
  interrupt?: boolean | null | undefined
}

export interface SendDtmfBody {
  /** `0-9 * # A-D`; `w` waits 500 ms. */
  digits: string
}

export interface ProvisionNumberBody {
  /** Default US. */
  country?: string | null | undefined
  /** Default local. */
  numberType?: string | null | undefined
  areaCode?: string | null | undefined
  /** This very number. */
  phoneNumber?: string | null | undefined
  /** Refused with `PriceChanged` when the number costs more. */
  expectedMonthlyPriceCents?: number | null | undefined
  /** Take it all the same. Default false. */
  approveHigherPrice?: boolean | null | undefined
}

export interface BindConnectionBody {
  /** null unbinds. */
  connectionId: string | null
}

export interface SetNumberWebhookBody {
  /** null takes it away. */
  url: string | null
}

export interface SetCallerIdBody {
  /** null takes it away. */
  callerIdName: string | null
}

export interface SetSmsSenderBody {
  /** null takes it away. */
  smsSenderId: string | null
}

export interface CreateConnectionBody {
  name: string
  /** `hosted`: the platform runs STT, LLM and TTS. `manual`: your own brain. Default `hosted`. */
  mode?: 'hosted' | 'manual' | null | undefined
  backend?: 'network' | null | undefined
  instructions?: string | null | undefined
  llm?:
    | {
        kind: 'managed'
        model: string
      }
    | {
        kind: 'openai_compatible'
        baseUrl: string
        model: string
        /** Write-only. */
        apiKey?: string | null | undefined
      }
    | null
    | undefined
  tts?:
    | {
        voiceId: string
      }
    | null
    | undefined
  /** BCP-47. Default en-US. */
  language?: string | null | undefined
  mcpServers?:
    | readonly {
        url: string
        auth?:
          | {
              type: 'none'
            }
          | {
              type: 'bearer'
              /** Write-only. */
              token?: string | null | undefined
            }
          | null
          | undefined
        /** Absent: all. */
        allowedTools?: readonly string[] | null | undefined
      }[]
    | null
    | undefined
  callControl?:
    | {
        /** The agent may hang up. Default true. */
        endCall?: boolean | null | undefined
        /** The agent may press digits. Default true. */
        sendDtmf?: boolean | null | undefined
        /** Off unless targets are listed. */
        transfer?:
          | {
              targets: readonly string[]
              /** The number shown to the target. */
              from?: string | null | undefined
            }
          | null
          | undefined
      }
    | null
    | undefined
  turnTaking?:
    | {
        /** Silence that ends a turn. Absent: found by the network’s own rules. */
        endpointingMs?: number | null | undefined
        /** Default true. */
        interruptible?: boolean | null | undefined
        /** Default 10. */
        silenceTimeoutSec?: number | null | undefined
        /** When the caller hears the filler while the brain thinks. Default 5000. */
        fillerAfterMs?: number | null | undefined
        /** Empty: none. */
        filler?: string | null | undefined
      }
    | null
    | undefined
  /** Default 900. */
  maxDurationSec?: number | null | undefined
  /** Default false. */
  recordingEnabled?: boolean | null | undefined
  /** Speaks the disclosure first. Default true. */
  complianceEnabled?: boolean | null | undefined
  /** Absent: the platform’s own wording. */
  disclosure?: string | null | undefined
  /** By the peer’s own time zone. Absent: at any hour. */
  callingHours?:
    | {
        /** Default 08:00. */
        from?: string | null | undefined
        /** Default 21:00. */
        until?: string | null | undefined
      }
    | null
    | undefined
  stt?:
    | {
        /** One that the operator configured. */
        engine?: string | null | undefined
        /** What is always listened for, beside the default list. */
        phrases?: readonly string[] | null | undefined
      }
    | null
    | undefined
  /** What an answering machine means to an outbound call. `ignore` (default): the brain is told, and the disclosure is spoken again after the beep. `hangup`: the call ends as `machine`. `wait_for_beep`: speech waits until a person is known, or for the beep, and is then spoken from its beginning, behind the disclosure. */
  machinePolicy?: 'ignore' | 'hangup' | 'wait_for_beep' | null | undefined
  /** Default 20. */
  turnTimeoutSec?: number | null | undefined
  manualWebhookUrl?: string | null | undefined
  /** Default false. */
  smsAutoReply?: boolean | null | undefined
}

export interface UpdateConnectionBody {
  name?: string | undefined
  /** `hosted`: the platform runs STT, LLM and TTS. `manual`: your own brain. Default `hosted`. */
  mode?: 'hosted' | 'manual' | null | undefined
  backend?: 'network' | null | undefined
  instructions?: string | null | undefined
  llm?:
    | {
        kind: 'managed'
        model: string
      }
    | {
        kind: 'openai_compatible'
        baseUrl: string
        model: string
        /** Write-only. */
        apiKey?: string | null | undefined
      }
    | null
    | undefined
  tts?:
    | {
        voiceId: string
      }
    | null
    | undefined
  /** BCP-47. Default en-US. */
  language?: string | null | undefined
  mcpServers?:
    | readonly {
        url: string
        auth?:
          | {
              type: 'none'
            }
          | {
              type: 'bearer'
              /** Write-only. */
              token?: string | null | undefined
            }
          | null
          | undefined
        /** Absent: all. */
        allowedTools?: readonly string[] | null | undefined
      }[]
    | null
    | undefined
  callControl?:
    | {
        /** The agent may hang up. Default true. */
        endCall?: boolean | null | undefined
        /** The agent may press digits. Default true. */
        sendDtmf?: boolean | null | undefined
        /** Off unless targets are listed. */
        transfer?:
          | {
              targets: readonly string[]
              /** The number shown to the target. */
              from?: string | null | undefined
            }
          | null
          | undefined
      }
    | null
    | undefined
  turnTaking?:
    | {
        /** Silence that ends a turn. Absent: found by the network’s own rules. */
        endpointingMs?: number | null | undefined
        /** Default true. */
        interruptible?: boolean | null | undefined
        /** Default 10. */
        silenceTimeoutSec?: number | null | undefined
        /** When the caller hears the filler while the brain thinks. Default 5000. */
        fillerAfterMs?: number | null | undefined
        /** Empty: none. */
        filler?: string | null | undefined
      }
    | null
    | undefined
  /** Default 900. */
  maxDurationSec?: number | null | undefined
  /** Default false. */
  recordingEnabled?: boolean | null | undefined
  /** Speaks the disclosure first. Default true. */
  complianceEnabled?: boolean | null | undefined
  /** Absent: the platform’s own wording. */
  disclosure?: string | null | undefined
  /** By the peer’s own time zone. Absent: at any hour. */
  callingHours?:
    | {
        /** Default 08:00. */
        from?: string | null | undefined
        /** Default 21:00. */
        until?: string | null | undefined
      }
    | null
    | undefined
  stt?:
    | {
        /** One that the operator configured. */
        engine?: string | null | undefined
        /** What is always listened for, beside the default list. */
        phrases?: readonly string[] | null | undefined
      }
    | null
    | undefined
  /** What an answering machine means to an outbound call. `ignore` (default): the brain is told, and the disclosure is spoken again after the beep. `hangup`: the call ends as `machine`. `wait_for_beep`: speech waits until a person is known, or for the beep, and is then spoken from its beginning, behind the disclosure. */
  machinePolicy?: 'ignore' | 'hangup' | 'wait_for_beep' | null | undefined
  /** Default 20. */
  turnTimeoutSec?: number | null | undefined
  manualWebhookUrl?: string | null | undefined
  /** Default false. */
  smsAutoReply?: boolean | null | undefined
}

export interface RecordConsentBody {
  numberId: string
  /** E.164. */
  peerNumber: string
  consentType: 'explicit_outbound'
  /** Where the consent comes from, such as `signup form`. */
  source: string
  /** The peer opted out before, and has agreed again. Default false. */
  afterOptOut?: boolean | null | undefined
}

export interface RevokeConsentBody {
  numberId: string
  /** E.164. */
  peerNumber: string
  /** No number of the workspace may reach this peer any more. Default false: ends this pair’s consent. */
  optOut?: boolean | null | undefined
}

export interface RecordOptOutBody {
  /** E.164. */
  peerNumber: string
  /** For your own records, such as `asked by e-mail`. */
  reason?: string | null | undefined
}

export interface MintKeyBody {
  name: string
  /** Scopes, or `read`, `write`, `admin` for bundles of them. */
  scopes: readonly (
    | 'calls:create'
    | 'calls:control'
    | 'calls:read'
    | 'messages:create'
    | 'messages:read'
    | 'consent:read'
    | 'audit:read'
    | 'numbers:read'
    | 'numbers:provision'
    | 'numbers:release'
    | 'numbers:write'
    | 'connections:read'
    | 'connections:write'
    | 'consent:write'
    | 'webhooks:write'
    | 'billing:read'
    | 'keys:admin'
    | 'read'
    | 'write'
    | 'admin'
  )[]
  /** The only numbers that the key can see. Absent: every one that its parent can. */
  numberScope?: readonly string[] | null | undefined
  spendLimitCents?: number | null | undefined
  /** Absent: for the key’s life. */
  spendLimitResetPeriod?: 'monthly' | null | undefined
  expiresAt?: string | null | undefined
}

export interface CreateWebhookBody {
  url: string
  events: readonly (
    | 'call.received'
    | 'call.answered'
    | 'call.completed'
    | 'call.failed'
    | 'call.recording.saved'
    | 'call.transcript.ready'
    | 'message.received'
    | 'message.sent'
    | 'message.failed'
    | 'balance.low'
  )[]
  description?: string | null | undefined
}

export interface ReplayDeliveriesBody {
  /** Deliveries made at this time or later. */
  since: string
  /** And before this one. Default: now. */
  until?: string | null | undefined
  /** Default `["dead"]`. */
  statuses?: readonly ('delivered' | 'dead')[] | null | undefined
}

export interface PlaceSandboxCallBody {
  /** The number that the sandbox phone shows. */
  from: string
  /** The number of the workspace that is called. */
  toNumberId: string
  /** Name of the script that the sandbox phone follows. */
  script?: string | null | undefined
}
