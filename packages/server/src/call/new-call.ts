// The row that a call begins with, whichever side calls.
import { DEFAULT_RING_TIMEOUT_SEC } from '@saperly/contract'
import type { CallRow, ConnectionRow, NumberRow } from '../store/port.ts'
import type { CallDeps } from './deps.ts'

/** What the two openings know; null asks for the default. */
export interface CallBeginning extends Pick<
  CallRow,
  'id' | 'direction' | 'keyId' | 'from' | 'to' | 'instructions' | 'metadata'
> {
  ringTimeoutSec: number | null
  maxDurationSec: number | null
}

/** A call in its first state, at the rate of its peer. Not written anywhere yet. */
export function newCall(
  deps: CallDeps,
  number: NumberRow,
  connection: ConnectionRow,
  beginning: CallBeginning,
): CallRow {
  const createdAt = deps.clock.now()
  const peer = beginning.direction === 'outbound' ? beginning.to : beginning.from
  return {
    ...beginning,
    workspaceId: number.workspaceId,
    environment: number.environment,
    numberId: number.id,
    connectionId: connection.id,
    processId: deps.process.id,
    state: 'queued',
    status: 'initiated',
    recognizer: deps.network.recognizerOf(connection.settings.stt.engine),
    rateCentsPerMin: deps.rates.rateFor(peer, connection.mode),
    durationSec: null,
    costCents: null,
    hangupCause: null,
    sipCode: null,
    q850Cause: null,
    recordingPath: null,
    hasTranscript: false,
    ringTimeoutSec: beginning.ringTimeoutSec ?? DEFAULT_RING_TIMEOUT_SEC,
    maxDurationSec: beginning.maxDurationSec ?? connection.settings.maxDurationSec,
    dialog: null,
    bridge: null,
    heartbeatAt: createdAt,
    createdAt,
    answeredAt: null,
    endedAt: null,
  }
}
