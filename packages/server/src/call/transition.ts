// One step of a call's life: new state, event, audit, webhook and implied consent in one transaction, effects after it.
import { isE164 } from '@saperly/kernel'
import { recordConsent } from '../consent/consent.ts'
import { audit } from '../consent/trail.ts'
import type { CallPatch, CallRow, Tables } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { TakenOver } from './lease.ts'
import { nextState, type CallEvent } from './machine.ts'
import { persistTwice, type TimelineType } from './timeline.ts'

/** The call after `event`, or null when the event has no consequence in its state. */
export async function transition(
  deps: CallDeps,
  call: CallRow,
  event: CallEvent,
  patch: CallPatch,
  type: TimelineType | null,
  data: Record<string, unknown>,
): Promise<CallRow | null> {
  const state = nextState(call.state, event)
  if (!state) return null
  const { store, clock, ids, timeline } = deps
  const tenant = { workspaceId: call.workspaceId, environment: call.environment }
  const row = await persistTwice(deps, (again) =>
    store.transaction(async (tables) => {
      const moved = await tables.calls.change(call, [call.state], { state, ...patch })
      // The first attempt was committed after all, with everything that belongs to it.
      const before = again && !moved ? await tables.calls.get(tenant, call.id) : null
      if (before?.state === state && before.processId === call.processId) return before
      if (!moved) throw new TakenOver(call.id)
      if (type) await timeline.record(tables, call.id, type, data)
      await audit(tables, ids, {
        tenant,
        eventType: `call.${state}`,
        targetType: 'call',
        targetId: call.id,
        actor: 'platform',
        data,
        at: clock.now(),
      })
      if (state === 'connected') await connected(deps, tables, moved)
      return moved
    }),
  )
  timeline.announce(call.id)
  if (state === 'connected') deps.emitted()
  else deps.committed()
  return row
}

/** What an answer brings with it: its webhook, and the consent that answering an inbound call implies. */
async function connected(deps: CallDeps, tables: Tables, call: CallRow): Promise<void> {
  const { ids, clock, policy } = deps
  const { id: callId, numberId, connectionId, from, to, direction } = call
  const tenant = { workspaceId: call.workspaceId, environment: call.environment }
  const at = clock.now()
  await tables.outbox.emit({
    tenant,
    eventType: 'call.answered',
    payload: {
      callId,
      numberId,
      connectionId,
      from,
      to,
      direction,
      answeredAt: new Date(call.answeredAt ?? at).toISOString(),
    },
    at,
    nextId: () => ids.next('dlv'),
  })
  // A caller who hides the number can't be called back, and others who hide theirs are not the same peer.
  if (direction === 'outbound' || !isE164(from)) return
  await recordConsent(tables, ids, {
    tenant,
    numberId,
    peerNumber: from,
    consentType: 'implied_inbound',
    source: 'inbound_call',
    afterOptOut: false,
    impliedMs: policy.impliedConsentMs,
    actor: 'platform',
    at,
  })
}
