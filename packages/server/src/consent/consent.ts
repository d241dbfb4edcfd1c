// May this number call this peer? Recording, ending and asking for consent, each with its audit row.
import { failure, type Failure, type FailureOf } from '@saperly/contract'
import { fail, ok, type Ids, type Result } from '@saperly/kernel'
import type { ConsentRow, Tables, Tenant } from '../store/port.ts'
import { liftOptOut, optOut } from './opt-out.ts'
import { audit, type Actor } from './trail.ts'

/** How long consent implied by an answered inbound call or a received text lasts, unless configured otherwise. */
export const IMPLIED_CONSENT_MS = 24 * 60 * 60 * 1000

export interface Pair {
  tenant: Tenant
  numberId: string
  peerNumber: string
}

/**
 * Whether the number may call the peer at `at`. An opt-out comes first: it holds for every number of the workspace,
 * whatever consent stands beside it. Asked at placing, and again just before the carrier is.
 */
export async function mayCall(
  tables: Tables,
  { tenant, numberId, peerNumber, at }: Pair & { at: number },
): Promise<Result<void, FailureOf<'ConsentRequired' | 'RecipientOptedOut'>>> {
  const { optedOut, consented } = await tables.consent.standing(tenant, numberId, peerNumber, at)
  if (optedOut) return fail(failure('RecipientOptedOut', { to: peerNumber }))
  if (!consented) return fail(failure('ConsentRequired', { numberId, to: peerNumber }))
  return ok(undefined)
}

export interface NewConsent extends Pair {
  consentType: ConsentRow['consentType']
  source: string
  /** An explicit consent given after an opt-out lifts it; implied consent never does. */
  afterOptOut: boolean
  /** How long an implied consent lasts; explicit consent has no end. */
  impliedMs: number
  actor: Actor
  at: number
}

/** Records consent for the pair. Run it in a transaction. */
export async function recordConsent(
  tables: Tables,
  ids: Ids,
  consent: NewConsent,
): Promise<ConsentRow> {
  const { tenant, numberId, peerNumber, consentType, source, actor, at } = consent
  const explicit = consentType === 'explicit_outbound'
  if (explicit && consent.afterOptOut)
    await liftOptOut(tables, ids, { tenant, peerNumber, source, actor, at })
  const row: ConsentRow = {
    ...tenant,
    id: ids.next('con'),
    numberId,
    peerNumber,
    consentType,
    source,
    grantedAt: at,
    revokedAt: null,
    expiresAt: explicit ? null : at + consent.impliedMs,
  }
  await tables.consent.grant(row)
  await audit(tables, ids, {
    tenant,
    eventType: 'consent.granted',
    targetType: 'consent',
    targetId: row.id,
    actor,
    data: { numberId, peerNumber, consentType, source, afterOptOut: consent.afterOptOut },
    at,
  })
  return row
}

export interface ConsentEnd extends Pair {
  /** Also opt the peer out of every number of the workspace. */
  optOut: boolean
  actor: Actor
  at: number
}

/**
 * Ends the pair's consent at once, and answers the record that ended: null when there was none. The opt-out, where
 * asked for, is recorded all the same. Run it in a transaction.
 */
export async function revokeConsent(
  tables: Tables,
  ids: Ids,
  { tenant, numberId, peerNumber, actor, at, ...end }: ConsentEnd,
): Promise<ConsentRow | null> {
  const row = await tables.consent.revoke(tenant, numberId, peerNumber, at)
  if (row)
    await audit(tables, ids, {
      tenant,
      eventType: 'consent.revoked',
      targetType: 'consent',
      targetId: row.id,
      actor,
      data: { numberId, peerNumber, optOut: end.optOut },
      at,
    })
  if (end.optOut) await optOut(tables, ids, { tenant, peerNumber, source: 'api', actor, at })
  return row
}

/** The audit row of a call or text that was refused before anything was spent. */
export function auditRefusal(
  tables: Tables,
  ids: Ids,
  refusal: Pair & { failure: Failure; actor: Actor; at: number },
): Promise<void> {
  const { tenant, numberId, peerNumber, actor, at } = refusal
  return audit(tables, ids, {
    tenant,
    eventType: 'call.refused',
    targetType: 'number',
    targetId: numberId,
    actor,
    data: { to: peerNumber, reason: refusal.failure._tag },
    at,
  })
}
