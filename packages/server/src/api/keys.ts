// The routes of keys: a child stays within its parent, and dies with it.
import { expandScopes, failure, isPlausibleId, validationError } from '@saperly/contract'
import type { FailureOf, mintKeyBody } from '@saperly/contract'
import { fail, ok, type Result } from '@saperly/kernel'
import type { z } from 'zod'
import { audit } from '../consent/trail.ts'
import { hashToken, mintToken, shownPrefix } from '../secrets/tokens.ts'
import type { KeyRow, Tables } from '../store/port.ts'
import { seeNumber } from './access.ts'
import type { HandlersFor, KeyedContext } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { filteredPageOf } from './page.ts'
import type { Streams } from './sse.ts'
import { keyWire } from './wire.ts'

type MintBody = z.output<typeof mintKeyBody>
type Bounds = Pick<
  KeyRow,
  'scopes' | 'numberScope' | 'spendLimitCents' | 'spendLimitResetPeriod' | 'expiresAt'
>
type MintRefusal = FailureOf<'AuthorizationDenied' | 'NumberNotFound' | 'ValidationError'>

export function keyHandlers(
  deps: ApiDeps,
  streams: Streams,
): HandlersFor<'listKeys' | 'mintKey' | 'revokeKey'> {
  const { store, clock, ids, random } = deps
  const { tables } = store
  return {
    listKeys: async ({ query, context }) =>
      ok(
        await filteredPageOf(
          query,
          (page) => tables.keys.list(context.tenant, page, clock.now()),
          (row) => maySeeKey(context, row),
          keyWire,
        ),
      ),

    mintKey: async ({ body, context }) => {
      const { key: parent, tenant, actor } = context
      const at = clock.now()
      const token = mintToken(tenant.environment === 'live' ? 'sk_live' : 'sk_test', random)
      const minted = await store.transaction(async (within) => {
        const standing = await within.keys.get(tenant, parent.id, at)
        if (!standing || standing.revokedAt !== null)
          return fail(failure('Unauthorized', { message: 'the key was revoked' }))
        const bounds = await boundsOf(within, context, body, at)
        if (!bounds.ok) return bounds
        const row: KeyRow = {
          ...tenant,
          ...bounds.value,
          id: ids.next('key'),
          name: body.name,
          prefix: shownPrefix(token),
          hash: hashToken(token),
          mintedByTokenId: parent.id,
          lastUsedAt: null,
          createdAt: at,
          revokedAt: null,
        }
        await within.keys.insert(row)
        await audit(within, ids, {
          tenant,
          eventType: 'key.minted',
          targetType: 'key',
          targetId: row.id,
          actor,
          data: { name: row.name, ...bounds.value },
          at,
        })
        return ok(row)
      })
      if (!minted.ok) return minted
      deps.afterCommit()
      return ok({ ...keyWire({ ...minted.value, spentThisPeriodCents: 0 }), token })
    },

    revokeKey: async ({ params, context }) => {
      const { tenant, actor, path } = context
      const at = clock.now()
      const missing = fail(failure('NotFound', { path }))
      if (!isPlausibleId(params.id)) return missing
      const revoked = await store.transaction(async (within) => {
        const row = await within.keys.get(tenant, params.id, at)
        if (!row || !maySeeKey(context, row)) return null
        const keyIds = await within.keys.revokeTree(tenant, params.id, at)
        for (const targetId of keyIds)
          await audit(within, ids, {
            tenant,
            eventType: 'key.revoked',
            targetType: 'key',
            targetId,
            actor,
            data: { because: params.id },
            at,
          })
        return { keyIds, row: await within.keys.get(tenant, params.id, at) }
      })
      if (!revoked?.row) return missing
      streams.revoke(revoked.keyIds)
      deps.afterCommit()
      return ok(keyWire(revoked.row))
    },
  }
}

/** A key with an allow-list sees only keys whose own list stays within it. */
function maySeeKey({ key }: Pick<KeyedContext, 'key'>, row: KeyRow): boolean {
  const allowed = key.numberScope
  if (allowed === null) return true
  return row.numberScope !== null && row.numberScope.every((id) => allowed.includes(id))
}

/** What the new key may do, held against its parent; what was not asked for is as far as the parent goes. */
async function boundsOf(
  tables: Tables,
  context: KeyedContext,
  body: MintBody,
  at: number,
): Promise<Result<Bounds, MintRefusal>> {
  const { key: parent } = context
  const scopes = expandScopes(body.scopes)
  const beyond = scopes.filter((scope) => !parent.scopes.includes(scope))
  if (beyond.length > 0) return denied(`the minting key lacks ${beyond.join(', ')}`)

  for (const numberId of body.numberScope ?? []) {
    const number = await seeNumber(tables, context, numberId)
    if (!number.ok) return number
  }
  const cap = capOf(parent, body)
  if (!cap.ok) return cap
  const expiry = expiryOf(parent, body, at)
  if (!expiry.ok) return expiry
  return ok({
    scopes,
    numberScope: body.numberScope ? [...new Set(body.numberScope)] : parent.numberScope,
    ...cap.value,
    expiresAt: expiry.value,
  })
}

type Cap = Pick<KeyRow, 'spendLimitCents' | 'spendLimitResetPeriod'>

function capOf(parent: KeyRow, body: MintBody): Result<Cap, MintRefusal> {
  const spendLimitCents = body.spendLimitCents ?? null
  const spendLimitResetPeriod = body.spendLimitResetPeriod ?? null
  if (spendLimitCents === null) {
    if (spendLimitResetPeriod !== null)
      return invalid('spendLimitResetPeriod', 'needs spendLimitCents')
    return ok({
      spendLimitCents: parent.spendLimitCents,
      spendLimitResetPeriod: parent.spendLimitResetPeriod,
    })
  }
  if (parent.spendLimitCents !== null && spendLimitCents > parent.spendLimitCents)
    return denied('the spend cap is above that of the minting key')
  return ok({ spendLimitCents, spendLimitResetPeriod })
}

function expiryOf(parent: KeyRow, body: MintBody, at: number): Result<number | null, MintRefusal> {
  if (!body.expiresAt) return ok(parent.expiresAt)
  const expiresAt = Date.parse(body.expiresAt)
  if (!(expiresAt > at)) return invalid('expiresAt', 'must be in the future')
  if (parent.expiresAt !== null && expiresAt > parent.expiresAt)
    return denied('the key would outlive the minting key')
  return ok(expiresAt)
}

function denied(reason: string): { ok: false; failure: MintRefusal } {
  return fail(failure('AuthorizationDenied', { reason }))
}

function invalid(path: string, message: string): { ok: false; failure: MintRefusal } {
  return fail(validationError([{ path, message }]))
}
