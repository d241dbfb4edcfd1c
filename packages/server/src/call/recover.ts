// A call that no process runs any more is ended at the carrier, billed, and told, once.
import type { DialogRecord } from '@saperly/network'
import type { CallRow } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { finish } from './finish.ts'
import { recordingPath } from './plan.ts'

/**
 * Ends a call that this process has taken over. A connected call is settled as `completed` up to the last sign of life
 * of the process that ran it, another is released as `failed`. To be done again after it was cut short: an ended call
 * stays as it is.
 */
export async function recoverCall(deps: CallDeps, call: CallRow): Promise<void> {
  if (call.dialog) {
    deps.network.post({ type: 'bye', callId: call.id, dialog: call.dialog as DialogRecord })
  }
  const { bridge } = call
  if (bridge?.dialog) {
    deps.network.post({ type: 'bye', callId: call.id, dialog: bridge.dialog as DialogRecord })
  }
  const turns = await deps.store.tables.transcripts.count(call.id)
  const talkedMs = (answeredAt: number | null): number | null =>
    answeredAt === null ? null : Math.max(1, call.heartbeatAt - answeredAt)
  const finished = await finish(deps, call, 'abandon', {
    measuredMs: talkedMs(call.answeredAt),
    targetMs: talkedMs(bridge?.answeredAt ?? null),
    reportedSec: null,
    cause: 'process_lost',
    sipCode: null,
    q850Cause: null,
    recordingPath: await recordingOf(deps, call),
    hasTranscript: turns > 0,
  })
  deps.log.info('call.recovered', { callId: call.id, status: finished?.status ?? null })
}

/** What the dead process had recorded, with its header put right; null when there is nothing to hear. */
async function recordingOf(deps: CallDeps, call: CallRow): Promise<string | null> {
  const path = recordingPath(deps.policy.recordingsDir, call.id)
  return (await deps.repairRecording(path)) === null ? null : path
}
