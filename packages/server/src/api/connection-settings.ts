// What a connection is after a request: the fields that were sent over those that stood, or over the defaults.
import { connectionDefaults, defaultCallingHours } from '@saperly/contract'
import type { createConnectionBody, updateConnectionBody } from '@saperly/contract'
import type { z } from 'zod'
import type { ConnectionRow } from '../store/port.ts'

export type Settings = ConnectionRow['settings']
type Update = z.output<typeof updateConnectionBody>
export type ConnectionChange = z.output<typeof createConnectionBody> | Update

/** Absent keeps what stands, `null` brings the default back, an object replaces the stored one whole. */
export function applySettings(current: Settings | null, change: ConnectionChange): Settings {
  const standing = current ?? { ...connectionDefaults, name: '' }
  const defaults = connectionDefaults
  const keep = <T>(sent: T | null | undefined, stood: T, byDefault: T): T =>
    sent === undefined ? stood : (sent ?? byDefault)
  return {
    name: change.name ?? standing.name,
    mode: keep(change.mode, standing.mode, defaults.mode),
    backend: keep(change.backend, standing.backend, defaults.backend),
    instructions: keep<string | null>(change.instructions, standing.instructions, null),
    llm: keep<Settings['llm']>(change.llm && shownLlm(change.llm), standing.llm, null),
    tts: keep<Settings['tts']>(change.tts, standing.tts, null),
    language: keep(change.language, standing.language, defaults.language),
    mcpServers: keep<Settings['mcpServers']>(
      change.mcpServers?.map(shownServer) ?? (change.mcpServers as null | undefined),
      standing.mcpServers,
      defaults.mcpServers,
    ),
    callControl: keep<Settings['callControl']>(
      change.callControl && callControl(change.callControl),
      standing.callControl,
      defaults.callControl,
    ),
    turnTaking: keep<Settings['turnTaking']>(
      change.turnTaking && turnTaking(change.turnTaking),
      standing.turnTaking,
      defaults.turnTaking,
    ),
    maxDurationSec: keep(change.maxDurationSec, standing.maxDurationSec, defaults.maxDurationSec),
    recordingEnabled: keep<boolean>(
      change.recordingEnabled,
      standing.recordingEnabled,
      defaults.recordingEnabled,
    ),
    complianceEnabled: keep<boolean>(
      change.complianceEnabled,
      standing.complianceEnabled,
      defaults.complianceEnabled,
    ),
    disclosure: keep<string | null>(change.disclosure, standing.disclosure, null),
    callingHours: keep<Settings['callingHours']>(
      change.callingHours && callingHours(change.callingHours),
      standing.callingHours,
      null,
    ),
    stt: keep<Settings['stt']>(
      change.stt && { engine: change.stt.engine ?? null, phrases: change.stt.phrases ?? [] },
      standing.stt,
      defaults.stt,
    ),
    machinePolicy: keep(change.machinePolicy, standing.machinePolicy, defaults.machinePolicy),
    turnTimeoutSec: keep(change.turnTimeoutSec, standing.turnTimeoutSec, defaults.turnTimeoutSec),
    manualWebhookUrl: keep<string | null>(change.manualWebhookUrl, standing.manualWebhookUrl, null),
    smsAutoReply: keep<boolean>(change.smsAutoReply, standing.smsAutoReply, defaults.smsAutoReply),
  }
}

/** Without its key, which is write-only. */
function shownLlm(llm: NonNullable<Update['llm']>): Settings['llm'] {
  return llm.kind === 'managed' ? llm : { kind: llm.kind, baseUrl: llm.baseUrl, model: llm.model }
}

/** Without its token, which is write-only. */
function shownServer(server: NonNullable<Update['mcpServers']>[number]) {
  return {
    url: server.url,
    auth: { type: server.auth?.type ?? ('none' as const) },
    allowedTools: server.allowedTools ?? null,
  }
}

function callControl(sent: NonNullable<Update['callControl']>): Settings['callControl'] {
  const defaults = connectionDefaults.callControl
  return {
    endCall: sent.endCall ?? defaults.endCall,
    sendDtmf: sent.sendDtmf ?? defaults.sendDtmf,
    transfer: sent.transfer
      ? { targets: sent.transfer.targets, from: sent.transfer.from ?? null }
      : null,
  }
}

function turnTaking(sent: NonNullable<Update['turnTaking']>): Settings['turnTaking'] {
  const defaults = connectionDefaults.turnTaking
  return {
    endpointingMs: sent.endpointingMs ?? defaults.endpointingMs,
    interruptible: sent.interruptible ?? defaults.interruptible,
    silenceTimeoutSec: sent.silenceTimeoutSec ?? defaults.silenceTimeoutSec,
    fillerAfterMs: sent.fillerAfterMs ?? defaults.fillerAfterMs,
    filler: sent.filler ?? defaults.filler,
  }
}

function callingHours(sent: NonNullable<Update['callingHours']>): Settings['callingHours'] {
  return {
    from: sent.from ?? defaultCallingHours.from,
    until: sent.until ?? defaultCallingHours.until,
  }
}
