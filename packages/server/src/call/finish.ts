// The last transaction of a call: final state, bill, event, audit and webhooks, all or nothing.
import { assert, billedSeconds, costCents } from '@saperly/kernel'
import { audit } from '../consent/trail.ts'
import {
  type BridgeRecord,
  CALL_HOLD,
  type CallRow,
  type Tables,
  type Tenant,
} from '../store/port.ts'
import { crossed, thresholdOf } from '../ledger/low-balance.ts'
import type { CallDeps } from './deps.ts'
import { coveredMs } from './funds.ts'
import { liveStates, nextState, type CallEvent } from './machine.ts'
import { outcomeOf, type Ending } from './outcome.ts'

export interface Finish extends Omit<Ending, 'maxDurationSec' | 'rateCentsPerMin'> {
  /** From the answer of the target that the call was bridged with to its end; null when there was none. */
  targetMs: number | null
  sipCode: number | null
  q850Cause: number | null
  recordingPath: string | null
  hasTranscript: boolean
}

/**
 * Makes the call final, resolves its hold and that of its target, and queues exactly one `call.completed` or `call.failed`. Null when the
 * call was final before (somebody else finished it): then nothing is written.
 */
export async function finish(
  deps: CallDeps,
  call: CallRow,
  event: CallEvent & ('networkEnded' | 'abandon'),
  end: Finish,
): Promise<CallRow | null> {
  assert(nextState(call.state, event) === 'ended', 'only a live call can be finished')
  const { maxDurationSec, rateCentsPerMin } = call
  const at = deps.clock.now()
  const messages = await deps.network.trace(call.id)
  const row = await deps.store.transaction(async (tables) => {
    // As it is stored: a session whose last commit got no answer does not know of its own target.
    const stored = await tables.calls.change(call, liveStates, {})
    if (!stored) return null
    const { bridge } = stored
    // Nobody saw the end: how long it was is told by times of day, which may have been set, or by a clock that stood still.
    const unseen = event === 'abandon' ? tables.ledger : null
    const measuredMs = await within(unseen, stored, CALL_HOLD, end.measuredMs)
    const outcome = outcomeOf({ ...end, measuredMs, maxDurationSec, rateCentsPerMin })
    const bill = await settle(tables, call.id, CALL_HOLD, outcome.costCents, at)
    const targetMs = bridge && (await within(unseen, stored, bridge.hold, end.targetMs))
    const billedSec = bridge && targetSeconds(bridge, targetMs)
    const targetCents = bridge && costCents(billedSec ?? 0, bridge.rateCentsPerMin)
    const target = bridge && (await settle(tables, call.id, bridge.hold, targetCents ?? 0, at))
    const final = await tables.calls.change(call, liveStates, {
      state: 'ended',
      status: outcome.status,
      durationSec: outcome.durationSec,
      // What was really taken: a reported duration can cost more than balance and caps allow.
      costCents: bill.takenCents + (target?.takenCents ?? 0),
      hangupCause: outcome.hangupCause,
      sipCode: end.sipCode,
      q850Cause: end.q850Cause,
      recordingPath: end.recordingPath,
      hasTranscript: end.hasTranscript,
      ...(bridge && { bridge: { ...bridge, billedSec } }),
      // A clock that was set back must not end a call before its answer.
      endedAt: Math.max(at, stored.answeredAt ?? 0),
    })
    assert(final, 'a call that is locked stays as it is')
    if (messages.length > 0) await tables.signalling.keep(call.id, messages, at)
    await tell(deps, tables, final, target ? [bill, target] : [bill])
    return final
  })
  if (row) {
    deps.timeline.announce(row.id)
    deps.emitted()
    deps.fundsLow?.(row)
  }
  return row
}

/** What the hold's resolution took, and how the ledger calls it; no entry when it had been resolved before. */
interface Bill {
  takenCents: number
  shortfallCents: number
  entry: 'ledger.settle' | 'ledger.release' | null
}

/** Of `ms` what the open hold covers, where `ledger` is to be asked: no call runs beyond what is held. */
async function within(
  ledger: Tables['ledger'] | null,
  { id, rateCentsPerMin, bridge }: CallRow,
  hold: number,
  ms: number | null,
): Promise<number | null> {
  const heldCents = ledger && ms !== null ? await ledger.held(id, hold) : null
  if (heldCents === null || ms === null) return ms
  const rate = hold === CALL_HOLD ? rateCentsPerMin : (bridge?.rateCentsPerMin ?? 0)
  return Math.min(ms, coveredMs(heldCents, rate))
}

/** Per second, rounded up, like the call itself; a cut comes a moment late, and that moment is ours. */
function targetSeconds(bridge: BridgeRecord, targetMs: number | null): number {
  return targetMs === null ? 0 : Math.min(billedSeconds(targetMs), bridge.maxDurationSec)
}

async function settle(
  tables: Tables,
  callId: string,
  hold: number,
  costCents: number,
  at: number,
): Promise<Bill> {
  if (costCents > 0) {
    const settled = await tables.ledger.settle(callId, costCents, at, hold)
    if (settled) return { ...settled, entry: 'ledger.settle' }
  }
  const released = await tables.ledger.release(callId, at, hold)
  return { takenCents: 0, shortfallCents: 0, entry: released ? 'ledger.release' : null }
}

async function tell(
  deps: CallDeps,
  tables: Tables,
  call: CallRow,
  bills: readonly Bill[],
): Promise<void> {
  const at = deps.clock.now()
  const tenant = { workspaceId: call.workspaceId, environment: call.environment }
  const result = {
    status: call.status,
    durationSec: call.durationSec,
    costCents: call.costCents,
    hangupCause: call.hangupCause,
  }
  await deps.timeline.record(tables, call.id, 'ended', {
    ...result,
    sipCode: call.sipCode,
    q850Cause: call.q850Cause,
  })
  const record = (eventType: string, data: Record<string, unknown>): Promise<void> =>
    audit(tables, deps.ids, {
      tenant,
      eventType,
      targetType: 'call',
      targetId: call.id,
      actor: 'platform',
      data,
      at,
    })
  for (const { takenCents, shortfallCents, entry } of bills) {
    if (entry) await record(entry, { takenCents, shortfallCents })
  }
  await record('call.ended', result)
  const emit = (eventType: string, payload: Record<string, unknown>): Promise<number> =>
    tables.outbox.emit({ tenant, eventType, payload, at, nextId: () => deps.ids.next('dlv') })
  await emit(call.status === 'completed' ? 'call.completed' : 'call.failed', {
    callId: call.id,
    ...result,
    from: call.from,
    to: call.to,
  })
  const about = { callId: call.id, numberId: call.numberId }
  await tellIfLow(deps, tables, tenant, bills, emit)
  if (call.recordingPath) {
    await emit('call.recording.saved', { ...about, durationSec: call.durationSec ?? 0 })
  }
  if (call.hasTranscript) {
    await emit('call.transcript.ready', {
      ...about,
      turns: await tables.transcripts.count(call.id),
    })
  }
}

/** `balance.low`, in the transaction of the posting that crossed the threshold. */
async function tellIfLow(
  { policy }: CallDeps,
  tables: Tables,
  tenant: Tenant,
  bills: readonly Bill[],
  emit: (eventType: string, payload: Record<string, unknown>) => Promise<unknown>,
): Promise<void> {
  const thresholdCents = policy.lowBalance ? thresholdOf(policy.lowBalance, tenant) : null
  const takenCents = bills.reduce((sum, bill) => sum + bill.takenCents, 0)
  if (thresholdCents === null || takenCents === 0) return
  const balanceCents = await tables.ledger.posted(tenant)
  if (crossed(thresholdCents, balanceCents, takenCents)) {
    await emit('balance.low', { balanceCents, thresholdCents })
  }
}
