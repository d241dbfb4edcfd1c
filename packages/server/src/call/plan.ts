// How one call talks: its connection's settings as they stood when it was placed, with the call's own on top.
import { join } from 'node:path'
import type { Connection } from '@saperly/contract'
import type { NetworkCommand, TalkOptions } from '@saperly/network'
import type { CallRow } from '../store/port.ts'

export type ConnectionSettings = Omit<Connection, 'id' | 'recognizer' | 'createdAt'>

export interface CallPlan {
  settings: ConnectionSettings
  /** The call's own prompt, or the connection's. */
  instructions: string | null
  /** What the disclosure says, or null when compliance is turned off. */
  disclosure: string | null
  talk: TalkOptions
  /** Absolute path of the WAV, or null. */
  recordTo: string | null
  callerIdName: string | null
}

/** Who answers is only to be found out where we call. */
export function talkOptions(
  settings: ConnectionSettings,
  direction: 'inbound' | 'outbound',
): TalkOptions {
  return {
    language: settings.language,
    engine: settings.stt.engine,
    voice: settings.tts?.voiceId ?? null,
    phrases: settings.stt.phrases,
    endpointingMs: settings.turnTaking.endpointingMs,
    interruptible: settings.turnTaking.interruptible,
    detectMachine: direction === 'outbound',
  }
}

/** Where the recording of a call is written. */
export function recordingPath(recordingsDir: string, callId: string): string {
  return join(recordingsDir, `${callId}.wav`)
}

/** How the network is asked to call the peer; `toOwnNumber`: one of this platform, which rings where it is connected. */
export function dialOf(
  call: CallRow,
  { talk, recordTo, callerIdName }: CallPlan,
  toOwnNumber: boolean,
): Extract<NetworkCommand, { type: 'dial' }> {
  const { id: callId, environment, from, to, ringTimeoutSec } = call
  const ringTimeoutMs = ringTimeoutSec * 1000
  const line = { callId, environment, from, to, toOwnNumber, callerIdName, ringTimeoutMs }
  return { type: 'dial', ...line, talk, recordTo }
}
