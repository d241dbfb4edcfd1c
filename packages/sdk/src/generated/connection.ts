// Who talks. Generated from the contract by scripts/generate.mjs: change that, never this.

export interface Connection {
  id: string
  name: string
  mode: 'hosted' | 'manual'
  backend: 'network' | 'openai_realtime'
  instructions: string | null
  llm:
    | {
        kind: 'managed'
        model: string
      }
    | {
        kind: 'openai_compatible'
        baseUrl: string
        model: string
      }
    | null
  tts: {
    voiceId: string
  } | null
  language: string
  mcpServers: readonly {
    url: string
    auth: {
      type: 'bearer' | 'none'
    }
    allowedTools: readonly string[] | null
  }[]
  callControl: {
    endCall: boolean
    sendDtmf: boolean
    transfer: {
      targets: readonly string[]
      from: string | null
    } | null
  }
  turnTaking: {
    endpointingMs: number | null
    interruptible: boolean
    silenceTimeoutSec: number
    fillerAfterMs: number
    filler: string
  }
  maxDurationSec: number
  recordingEnabled: boolean
  complianceEnabled: boolean
  disclosure: string | null
  callingHours: {
    from: string
    until: string
  } | null
  stt: {
    engine: string | null
    phrases: readonly string[]
  }
  /** What its engine is able to hear. Read-only. */
  recognizer: 'phrases' | 'free'
  machinePolicy: 'ignore' | 'hangup' | 'wait_for_beep'
  turnTimeoutSec: number
  manualWebhookUrl: string | null
  smsAutoReply: boolean
  createdAt: string
}

export interface ConnectionWithSecret {
  id: string
  name: string
  mode: 'hosted' | 'manual'
  backend: 'network' | 'openai_realtime'
  instructions: string | null
  llm:
    | {
        kind: 'managed'
        model: string
      }
    | {
        kind: 'openai_compatible'
        baseUrl: string
        model: string
      }
    | null
  tts: {
    voiceId: string
  } | null
  language: string
  mcpServers: readonly {
    url: string
    auth: {
      type: 'bearer' | 'none'
    }
    allowedTools: readonly string[] | null
  }[]
  callControl: {
    endCall: boolean
    sendDtmf: boolean
    transfer: {
      targets: readonly string[]
      from: string | null
    } | null
  }
  turnTaking: {
    endpointingMs: number | null
    interruptible: boolean
    silenceTimeoutSec: number
    fillerAfterMs: number
    filler: string
  }
  maxDurationSec: number
  recordingEnabled: boolean
  complianceEnabled: boolean
  disclosure: string | null
  callingHours: {
    from: string
    until: string
  } | null
  stt: {
    engine: string | null
    phrases: readonly string[]
  }
  /** What its engine is able to hear. Read-only. */
  recognizer: 'phrases' | 'free'
  machinePolicy: 'ignore' | 'hangup' | 'wait_for_beep'
  turnTimeoutSec: number
  manualWebhookUrl: string | null
  smsAutoReply: boolean
  createdAt: string
  /** `mc_…`; stands only in the answer that mints it. */
  manualSecret?: string | undefined
}
