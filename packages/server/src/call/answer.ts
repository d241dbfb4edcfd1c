// An inbound call from the ringing trunk to the session: the other short opening of the same thing as place.ts.
import type { NetworkEvent } from '@saperly/network'
import { audit } from '../consent/trail.ts'
import type { CallRow, LedgerRefusal, Tables, Tenant } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { finish } from './finish.ts'
import { firstSliceCents } from './funds.ts'
import { newCall } from './new-call.ts'
import type { Placement } from './place.ts'

export type Incoming = Extract<NetworkEvent, { type: 'incoming' }>

/** What becomes of an incoming call: a session, or a SIP refusal. */
export type Answer =
  | { taken: true; placement: Placement }
  /** Without funds the call is recorded as `rejected`; one over the limit of live calls leaves no trace but the log. */
  | { taken: false; sipCode: number; rejected: CallRow | null; limit: OverLimit | null }

type OverLimit = Extract<LedgerRefusal, { reason: 'concurrency' }>

const NOT_FOUND = 404
const TEMPORARILY_UNAVAILABLE = 480
const SERVICE_UNAVAILABLE = 503

/** Finds who is called, reserves like an outbound call, and records it; without funds it is `rejected`. */
export async function answer(deps: CallDeps, incoming: Incoming): Promise<Answer> {
  const { tables } = deps.store
  const number = await tables.numbers.findActive(incoming.environment, incoming.to)
  if (!number) return refused(NOT_FOUND)
  const tenant = { workspaceId: number.workspaceId, environment: number.environment }
  const connection = number.connectionId
    ? await tables.connections.get(tenant, number.connectionId)
    : null
  if (!connection) return refused(TEMPORARILY_UNAVAILABLE)

  const call = newCall(deps, number, connection, {
    id: incoming.callId,
    direction: 'inbound',
    keyId: null,
    from: incoming.from,
    to: number.phoneNumber,
    instructions: null,
    metadata: {},
    ringTimeoutSec: null,
    maxDurationSec: null,
  })
  const refusal = await record(deps, tenant, call)
  if (refusal?.reason === 'concurrency') return { ...refused(SERVICE_UNAVAILABLE), limit: refusal }
  deps.timeline.announce(call.id)
  deps.emitted()
  if (!refusal) return { taken: true, placement: { call, number, connection } }

  const rejected = await finish(deps, call, 'abandon', {
    measuredMs: null,
    targetMs: null,
    reportedSec: null,
    cause: 'insufficient_funds',
    sipCode: SERVICE_UNAVAILABLE,
    q850Cause: null,
    recordingPath: null,
    hasTranscript: false,
  })
  return { ...refused(SERVICE_UNAVAILABLE), rejected }
}

function refused(sipCode: number): Extract<Answer, { taken: false }> {
  return { taken: false, sipCode, rejected: null, limit: null }
}

/** Records the call with its hold; over the limit of live calls nothing is written. */
async function record(
  deps: CallDeps,
  tenant: Tenant,
  call: CallRow,
): Promise<LedgerRefusal | null> {
  const overLimit = Symbol('over the limit of live calls')
  const amountCents = firstSliceCents(call.rateCentsPerMin, call.maxDurationSec)
  let refusal: LedgerRefusal | null = null
  try {
    await deps.store.transaction(async (tables) => {
      await tables.calls.insert(call)
      await recordReceived(deps, tables, tenant, call)
      const held = await tables.ledger.reserve({
        tenant,
        callId: call.id,
        keyId: null,
        amountCents,
        at: call.createdAt,
      })
      refusal = held.ok ? null : held.refusal
      if (refusal?.reason === 'concurrency') throw overLimit
      if (refusal) return
      await audit(tables, deps.ids, {
        tenant,
        eventType: 'ledger.reserve',
        targetType: 'call',
        targetId: call.id,
        actor: 'peer',
        data: { amountCents },
        at: call.createdAt,
      })
    })
  } catch (error) {
    if (error !== overLimit) throw error
  }
  return refusal
}

async function recordReceived(
  deps: CallDeps,
  tables: Tables,
  tenant: Tenant,
  call: CallRow,
): Promise<void> {
  const { id: callId, numberId, connectionId, from, to, createdAt: at } = call
  await deps.timeline.record(tables, callId, 'initiated', {
    direction: call.direction,
    from,
    to,
    connectionId: call.connectionId,
  })
  await tables.outbox.emit({
    tenant,
    eventType: 'call.received',
    payload: { callId, numberId, connectionId, from, to },
    at,
    nextId: () => deps.ids.next('dlv'),
  })
  const about = {
    tenant,
    targetType: 'call' as const,
    targetId: callId,
    actor: 'peer' as const,
    at,
  }
  const received = { from, to, numberId }
  await audit(tables, deps.ids, { ...about, eventType: 'call.received', data: received })
}
