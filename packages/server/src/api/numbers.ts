// The routes of phone numbers: reading, getting, giving back, and setting what they do.
import { DEFAULT_COUNTRY, DEFAULT_NUMBER_TYPE, failure } from '@saperly/contract'
import type { FailureOf, PhoneNumber } from '@saperly/contract'
import { fail, ok, type Result } from '@saperly/kernel'
import { audit } from '../consent/trail.ts'
import type { NumberRow, Tables } from '../store/port.ts'
import { seeActiveNumber, seeConnection, seeNumber } from './access.ts'
import type { HandlersFor, KeyedContext } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { pageOf } from './page.ts'
import { numberWire } from './wire.ts'

type NumberRoutes =
  | 'listNumbers'
  | 'getNumber'
  | 'provisionNumber'
  | 'releaseNumber'
  | 'bindConnection'
  | 'setNumberWebhook'
  | 'setCallerId'
  | 'setSmsSender'

type Patch = Parameters<Tables['numbers']['update']>[2]

export function numberHandlers(deps: ApiDeps): HandlersFor<NumberRoutes> {
  const { store, inventory, clock, ids } = deps
  const { tables } = store
  const change = changer(deps)
  return {
    listNumbers: async ({ query, context }) =>
      ok(
        await pageOf(
          query,
          (page) => tables.numbers.list(context.tenant, context.key.numberScope, page),
          numberWire,
        ),
      ),

    getNumber: async ({ params, context }) => {
      const number = await seeNumber(tables, context, params.id)
      return number.ok ? ok(numberWire(number.value)) : number
    },

    provisionNumber: async ({ body, context }) => {
      const { key, tenant, actor } = context
      if (key.numberScope !== null)
        return fail(
          failure('AuthorizationDenied', {
            reason: 'a new number is outside the key’s allow-list',
          }),
        )
      const wish = {
        tenant,
        keyId: key.id,
        country: body?.country ?? DEFAULT_COUNTRY,
        numberType: body?.numberType ?? DEFAULT_NUMBER_TYPE,
        areaCode: body?.areaCode ?? null,
        phoneNumber: body?.phoneNumber ?? null,
        expectedMonthlyPriceCents: body?.expectedMonthlyPriceCents ?? null,
        approveHigherPrice: body?.approveHigherPrice ?? false,
        at: clock.now(),
      }
      const taken = await store.transaction(async (within) => {
        const number = await inventory.take(within, wish)
        if (number.ok)
          await audit(within, ids, {
            tenant,
            eventType: 'number.provisioned',
            targetType: 'number',
            targetId: number.value.id,
            actor,
            data: { phoneNumber: number.value.phoneNumber },
            at: wish.at,
          })
        return number
      })
      if (!taken.ok) return taken
      deps.afterCommit()
      return ok(numberWire(taken.value))
    },

    releaseNumber: async ({ params, context }) => {
      const patch = { releasedAt: clock.now(), connectionId: null }
      const released = await change(context, params.id, 'number.released', patch)
      return released.ok ? ok({ status: 'released' as const }) : released
    },

    bindConnection: async ({ params, body, context }) => {
      const number = await seeActiveNumber(tables, context, params.id)
      if (!number.ok) return number
      if (body.connectionId !== null) {
        const connection = await seeConnection(tables, context, body.connectionId)
        if (!connection.ok) return connection
      }
      return change(context, params.id, 'number.bound', { connectionId: body.connectionId })
    },

    setNumberWebhook: ({ params, body, context }) =>
      change(context, params.id, 'number.webhook_set', { webhookUrl: body.url }),

    setCallerId: ({ params, body, context }) =>
      change(context, params.id, 'number.caller_id_set', { callerIdName: body.callerIdName }),

    setSmsSender: ({ params, body, context }) =>
      change(context, params.id, 'number.sms_sender_set', { smsSenderId: body.smsSenderId }),
  }
}

/** Changes an active number that the key can see, with its audit row. */
function changer({ store, clock, ids, afterCommit }: ApiDeps) {
  return async (
    context: KeyedContext,
    numberId: string,
    eventType: string,
    patch: Patch,
  ): Promise<Result<PhoneNumber, FailureOf<'NumberNotFound'>>> => {
    const { tenant, actor } = context
    const changed = await store.transaction(async (tables) => {
      const number = await seeActiveNumber(tables, context, numberId)
      if (!number.ok) return number
      const row: NumberRow | null = await tables.numbers.update(tenant, numberId, patch)
      if (!row) return fail(failure('NumberNotFound', { numberId }))
      await audit(tables, ids, {
        tenant,
        eventType,
        targetType: 'number',
        targetId: numberId,
        actor,
        data: { ...patch },
        at: clock.now(),
      })
      return ok(row)
    })
    if (!changed.ok) return changed
    afterCommit()
    return ok(numberWire(changed.value))
  }
}
