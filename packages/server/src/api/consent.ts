// The routes of consent: what the customer records, ends and asks.
import { failure } from '@saperly/contract'
import { fail, ok } from '@saperly/kernel'
import { IMPLIED_CONSENT_MS, recordConsent, revokeConsent } from '../consent/consent.ts'
import { optOut } from '../consent/opt-out.ts'
import type { Page } from '../store/port.ts'
import { seeActiveNumber, seeNumber } from './access.ts'
import type { HandlersFor } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { pageOf } from './page.ts'
import { consentWire, iso, optOutWire } from './wire.ts'

type ConsentRoutes =
  | 'listConsent'
  | 'checkConsent'
  | 'recordConsent'
  | 'revokeConsent'
  | 'listOptOuts'
  | 'recordOptOut'

export function consentHandlers(deps: ApiDeps): HandlersFor<ConsentRoutes> {
  const { store, clock, ids } = deps
  const { tables } = store
  return {
    listConsent: async ({ query, context }) => {
      const filter = {
        numberId: query.numberId ?? null,
        peerNumber: query.peerNumber ?? null,
        numberIds: context.key.numberScope,
      }
      return ok(
        await pageOf(
          query,
          (page) => tables.consent.list(context.tenant, filter, page),
          consentWire,
        ),
      )
    },

    checkConsent: async ({ query: { numberId, peerNumber }, context }) => {
      const number = await seeNumber(tables, context, numberId)
      if (!number.ok) return number
      const { tenant } = context
      const consent = await tables.consent.active(tenant, numberId, peerNumber, clock.now())
      const optedOut = await tables.consent.isOptedOut(tenant, peerNumber)
      if (!consent || optedOut) return ok({ hasConsent: false, type: null })
      return ok({ hasConsent: true, type: consent.consentType })
    },

    recordConsent: async ({ body, context }) => {
      const { tenant, actor } = context
      const recorded = await store.transaction(async (within) => {
        const number = await seeActiveNumber(within, context, body.numberId)
        if (!number.ok) return number
        const row = await recordConsent(within, ids, {
          tenant,
          numberId: body.numberId,
          peerNumber: body.peerNumber,
          consentType: body.consentType,
          source: body.source,
          afterOptOut: body.afterOptOut ?? false,
          impliedMs: IMPLIED_CONSENT_MS,
          actor,
          at: clock.now(),
        })
        return ok(consentWire(row))
      })
      if (recorded.ok) deps.afterCommit()
      return recorded
    },

    revokeConsent: async ({ body, context }) => {
      const { tenant, actor, path } = context
      const { numberId, peerNumber } = body
      const optOut = body.optOut ?? false
      const at = clock.now()
      const revoked = await store.transaction(async (within) => {
        const number = await seeNumber(within, context, numberId)
        if (!number.ok) return number
        const end = { tenant, numberId, peerNumber, optOut, actor, at }
        const row = await revokeConsent(within, ids, end)
        if (row) return ok(consentWire(row))
        if (!optOut) return fail(failure('NotFound', { path }))
        // Nothing was granted, and yet something was said: the record shows the opt-out alone.
        const unset = { consentType: null, source: null, grantedAt: null }
        return ok({ id: ids.next('con'), numberId, peerNumber, ...unset, revokedAt: iso(at) })
      })
      if (revoked.ok) deps.afterCommit()
      return revoked
    },

    // An opt-out holds for the workspace as a whole, so that an allow-list of numbers hides none.
    listOptOuts: async ({ query, context }) => {
      const filter = { peerNumber: query.peerNumber ?? null }
      const read = (page: Page) => tables.consent.optOuts(context.tenant, filter, page)
      return ok(await pageOf(query, read, optOutWire))
    },

    recordOptOut: async ({ body, context }) => {
      const { tenant, actor } = context
      const { peerNumber } = body
      const reason = body.reason ?? null
      const change = { tenant, peerNumber, source: 'api', reason, actor, at: clock.now() }
      const row = await store.transaction((within) => optOut(within, ids, change))
      deps.afterCommit()
      return ok(optOutWire(row))
    },
  }
}
