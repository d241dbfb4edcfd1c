// After a crash: every call that the last process left unfinished is ended at the carrier, billed, and told, once.
import type { DialogRecord } from '@saperly/network'
import type { CallRow } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { finish } from './finish.ts'
import { recordingPath } from './plan.ts'

/**
 * Ends what no process runs any more. A connected call is settled as `completed` up to its last heartbeat, the others
 * are released as `failed`. Run before new calls are taken. Returns how many calls were ended.
 */
export async function recover(deps: CallDeps): Promise<number> {
  const calls = await deps.store.tables.calls.unfinished()
  for (const call of calls) await recoverCall(deps, call)
  return calls.length
}

async function recoverCall(deps: CallDeps, call: CallRow): Promise<void> {
  if (call.dialog) {
    deps.network.post({ type: 'bye', callId: call.id, dialog: call.dialog as DialogRecord })
  }
  const { bridge } = call
  if (bridge?.dialog) {
    deps.network.post({ type: 'bye', callId: call.id, dialog: bridge.dialog as DialogRecord })
  }
  const turns = await deps.store.tables.transcripts.list(call.id)
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
    hasTranscript: turns.length > 0,
  })
  deps.log.info('call.recovered', { callId: call.id, status: finished?.status ?? null })
}

/** What the dead process had recorded, with its header put right; null when there is nothing to hear. */
async function recordingOf(deps: CallDeps, call: CallRow): Promise<string | null> {
  const path = recordingPath(deps.policy.recordingsDir, call.id)
  return (await deps.repairRecording(path)) === null ? null : path
}
