// READ THIS FIRST: an outbound call from the request to the ringing phone, top to bottom.
//
// Each step can say no, and nothing is written before the reserve but the audit of that no. What happens from the
// dialling on is in session.ts; how a call ends, in finish.ts.
import { failure } from '@saperly/contract'
import { fail, Fault, ok, type Result } from '@saperly/kernel'
import { opensAt } from '../consent/calling-hours.ts'
import { auditRefusal, mayCall } from '../consent/consent.ts'
import { mayDial } from '../consent/destination.ts'
import { type Actor, audit } from '../consent/trail.ts'
import type { CallRow, ConnectionRow, NumberRow, Tables, Tenant } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { firstSliceCents } from './funds.ts'
import { newCall } from './new-call.ts'
import { claimPlacement } from './placement-claim.ts'
import { refusalFailure } from './refusal.ts'
import type { PlaceFailure, PlaceRequest } from './port.ts'

export interface Placement {
  call: CallRow
  number: NumberRow
  connection: ConnectionRow
}

/** Checks, reserves and records a call: what comes back is ready to be dialled. */
export async function place(
  deps: CallDeps,
  request: PlaceRequest,
): Promise<Result<Placement, PlaceFailure>> {
  const tenant = tenantOf(request)

  const line = await findLine(deps, tenant, request)
  if (!line.ok) return line
  const { number, connection } = line.value

  const allowed = await mayReach(deps, tenant, request, connection)
  if (!allowed.ok) {
    await auditPlacementRefusal(deps, tenant, request, allowed.failure)
    return allowed
  }

  const call = newCall(deps, number, connection, {
    id: request.callId ?? deps.ids.next('call'),
    direction: 'outbound',
    keyId: request.key.id,
    from: number.phoneNumber,
    to: request.to,
    instructions: request.instructions,
    metadata: request.metadata,
    ringTimeoutSec: request.ringTimeoutSec,
    maxDurationSec: request.maxDurationSec,
  })
  const reserved = await reserve(deps, tenant, request, call)
  if (!reserved.ok) {
    await auditPlacementRefusal(deps, tenant, request, reserved.failure)
    if (reserved.failure._tag === 'InsufficientFunds') deps.fundsLow?.(tenant)
    return reserved
  }

  deps.timeline.announce(call.id)
  deps.committed()
  return ok({ call, number, connection })
}

function tenantOf({ key }: PlaceRequest): Tenant {
  return { workspaceId: key.workspaceId, environment: key.environment }
}

/** The number that calls and the connection that talks. */
async function findLine(
  deps: CallDeps,
  tenant: Tenant,
  request: PlaceRequest,
): Promise<Result<{ number: NumberRow; connection: ConnectionRow }, PlaceFailure>> {
  const { tables } = deps.store
  const { key, fromNumberId: numberId } = request
  const visible = key.numberScope === null || key.numberScope.includes(numberId)
  const number = visible ? await tables.numbers.get(tenant, numberId) : null
  if (!number || number.releasedAt !== null) return fail(failure('NumberNotFound', { numberId }))

  const connectionId = request.connectionId ?? number.connectionId
  if (!connectionId) return fail(failure('NumberHasNoConnection', { numberId }))
  const connection = await tables.connections.get(tenant, connectionId)
  if (!connection) return fail(failure('ConnectionNotFound', { id: connectionId }))

  const available = await deps.brains.available(tenant, connectionId, number.webhookUrl)
  if (!available) return fail(failure('BrainUnavailable', { connectionId }))
  return ok({ number, connection })
}

/** Destination, consent, opt-out and calling hours, in the contract's order. */
async function mayReach(
  deps: CallDeps,
  tenant: Tenant,
  { fromNumberId: numberId, to }: PlaceRequest,
  connection: ConnectionRow,
): Promise<Result<void, PlaceFailure>> {
  const at = deps.clock.now()
  const policy = {
    countries: deps.policy.allowedCountries,
    hasExplicitRate: (e164: string) => deps.rates.isPriced(e164),
  }
  const dial = mayDial(policy, tenant.environment, to)
  if (!dial.ok) return dial
  const consent = await mayCall(deps.store.tables, { tenant, numberId, peerNumber: to, at })
  if (!consent.ok) return consent
  const hours = connection.settings.callingHours
  const opens = hours && opensAt(hours, to, at)
  if (opens === null) return ok(undefined)
  return fail(failure('CallingHoursBlocked', { to, opensAt: new Date(opens).toISOString() }))
}

/** One transaction: the call, its hold, its first event; refused as a whole when the money or a limit says no. */
async function reserve(
  deps: CallDeps,
  tenant: Tenant,
  request: PlaceRequest,
  call: CallRow,
): Promise<Result<void, PlaceFailure>> {
  const amountCents = firstSliceCents(call.rateCentsPerMin, call.maxDurationSec)
  const refused = Symbol('refused')
  let refusal: PlaceFailure | null = null
  try {
    await deps.store.transaction(async (tables) => {
      // Consent again, under the same transaction as the money: a revoke in between has won.
      refusal =
        (await lastLook(deps, tables, tenant, call)) ??
        (await claim(tables, tenant, request, call.createdAt))
      if (refusal) throw refused
      await tables.calls.insert(call)
      const held = await tables.ledger.reserve({
        tenant,
        callId: call.id,
        keyId: call.keyId,
        amountCents,
        at: call.createdAt,
      })
      if (!held.ok) {
        refusal = refusalFailure(held.refusal)
        throw refused
      }
      if (request.idempotencyKey !== null) {
        await claimKey(tables, request.key.id, request.idempotencyKey, call.id)
      }
      await recordPlaced(deps, tables, tenant, call, amountCents)
    })
  } catch (error) {
    if (error !== refused) throw error
  }
  return refusal ? fail(refusal) : ok(undefined)
}

/** Two requests may both take a key for their own, when one seemed to be abandoned; only one of them makes a call. */
async function claimKey(
  tables: Tables,
  keyId: string,
  idempotencyKey: string,
  callId: string,
): Promise<void> {
  if (await tables.idempotency.nameCall(keyId, idempotencyKey, callId)) return
  // Whoever tries again is told of the other's call.
  throw new Fault('the Idempotency-Key has made another call meanwhile', { retryable: true })
}

async function lastLook(
  deps: CallDeps,
  tables: Tables,
  tenant: Tenant,
  call: CallRow,
): Promise<PlaceFailure | null> {
  const { numberId, to: peerNumber } = call
  const consent = await mayCall(tables, { tenant, numberId, peerNumber, at: deps.clock.now() })
  return consent.ok ? null : consent.failure
}

/** A call that another process asked for must not come into being after that has given it up. */
async function claim(
  tables: Tables,
  tenant: Tenant,
  { key, callId }: PlaceRequest,
  at: number,
): Promise<PlaceFailure | null> {
  if (callId === undefined) return null
  const ours = await claimPlacement(tables, { tenant, keyId: key.id, callId, at })
  return ours ? null : failure('Unavailable', { reason: 'the request was withdrawn' })
}

async function recordPlaced(
  deps: CallDeps,
  tables: Tables,
  tenant: Tenant,
  call: CallRow,
  heldCents: number,
): Promise<void> {
  const { from, to, numberId, rateCentsPerMin } = call
  await deps.timeline.record(tables, call.id, 'initiated', {
    direction: call.direction,
    from,
    to,
    connectionId: call.connectionId,
  })
  const actor: Actor = call.keyId ? `key:${call.keyId}` : 'peer'
  const about = {
    tenant,
    targetType: 'call' as const,
    targetId: call.id,
    actor,
    at: call.createdAt,
  }
  const placed = { from, to, numberId, rateCentsPerMin }
  await audit(tables, deps.ids, { ...about, eventType: 'call.placed', data: placed })
  const held = { amountCents: heldCents }
  await audit(tables, deps.ids, { ...about, eventType: 'ledger.reserve', data: held })
}

async function auditPlacementRefusal(
  deps: CallDeps,
  tenant: Tenant,
  request: PlaceRequest,
  refusal: PlaceFailure,
): Promise<void> {
  await deps.store.transaction((tables) =>
    auditRefusal(tables, deps.ids, {
      tenant,
      numberId: request.fromNumberId,
      peerNumber: request.to,
      failure: refusal,
      actor: `key:${request.key.id}`,
      at: deps.clock.now(),
    }),
  )
  deps.committed()
}
