// The routes of webhooks: endpoints, their secrets, and what became of each delivery.
import {
  failure,
  isPlausibleId,
  MAX_REPLAYED,
  WEBHOOK_TEST_EVENT,
  type WebhookEnvelope,
} from '@saperly/contract'
import { fail, ok } from '@saperly/kernel'
import { audit } from '../consent/trail.ts'
import { sealedFor } from '../secrets/box.ts'
import { mintToken } from '../secrets/tokens.ts'
import type { DeliveryRow, Tables, WebhookRow } from '../store/port.ts'
import { seeWebhook } from './access.ts'
import type { HandlersFor, KeyedContext } from './context.ts'
import { OLD_SECRET_LIFE_MS } from './connections.ts'
import type { ApiDeps } from './deps.ts'
import { filteredPageOf, pageOf } from './page.ts'
import { deliveryWire, feedWire, iso, webhookWire } from './wire.ts'

type WebhookRoutes =
  | 'listWebhooks'
  | 'createWebhook'
  | 'deleteWebhook'
  | 'rotateWebhookSecret'
  | 'listDeliveries'
  | 'testWebhook'
  | 'replayDelivery'
  | 'replayDeliveries'
  | 'listEvents'

export function webhookHandlers(deps: ApiDeps): HandlersFor<WebhookRoutes> {
  const { store, clock, ids, random, secrets } = deps
  const { tables } = store

  const record = (within: Tables, { tenant, actor }: KeyedContext, verb: string, id: string) =>
    audit(within, ids, {
      tenant,
      eventType: `webhook.${verb}`,
      targetType: 'webhook',
      targetId: id,
      actor,
      data: {},
      at: clock.now(),
    })

  return {
    listWebhooks: async ({ query, context }) =>
      ok(
        await filteredPageOf(
          query,
          (page) => tables.webhooks.list(context.tenant, page),
          (row) => row.deletedAt === null && context.key.numberScope === null,
          (row) => webhookWire(row, { successRate: row.successRate, signingSecret: null }),
        ),
      ),

    createWebhook: async ({ body, context }) => {
      if (context.key.numberScope !== null)
        return fail(
          failure('AuthorizationDenied', {
            reason: 'events of every number go to a webhook, and the key has an allow-list',
          }),
        )
      const signingSecret = mintToken('whsec', random)
      const id = ids.next('whk')
      const row: WebhookRow = {
        ...context.tenant,
        id,
        url: body.url,
        events: [...new Set(body.events)],
        description: body.description ?? null,
        enabled: true,
        secret: secrets.seal(signingSecret, sealedFor.webhook(id)),
        previousSecret: null,
        previousSecretUntil: null,
        createdAt: clock.now(),
        deletedAt: null,
      }
      await store.transaction(async (within) => {
        await within.webhooks.insert(row)
        await record(within, context, 'created', id)
      })
      deps.afterCommit()
      return ok(webhookWire(row, { successRate: null, signingSecret }))
    },

    deleteWebhook: async ({ params, context }) => {
      const deleted = await store.transaction(async (within) => {
        const webhook = await seeWebhook(within, context, params.id)
        if (!webhook.ok) return webhook
        const at = clock.now()
        await within.webhooks.update({ ...webhook.value, enabled: false, deletedAt: at })
        await record(within, context, 'deleted', params.id)
        return ok({ status: 'deleted' as const })
      })
      if (deleted.ok) deps.afterCommit()
      return deleted
    },

    rotateWebhookSecret: async ({ params, context }) => {
      const signingSecret = mintToken('whsec', random)
      const rotated = await store.transaction(async (within) => {
        const webhook = await seeWebhook(within, context, params.id)
        if (!webhook.ok) return webhook
        const row: WebhookRow = {
          ...webhook.value,
          secret: secrets.seal(signingSecret, sealedFor.webhook(params.id)),
          previousSecret: webhook.value.secret,
          previousSecretUntil: clock.now() + OLD_SECRET_LIFE_MS,
        }
        await within.webhooks.update(row)
        await record(within, context, 'secret_rotated', params.id)
        return ok(row)
      })
      if (!rotated.ok) return rotated
      deps.afterCommit()
      return ok(webhookWire(rotated.value, { successRate: null, signingSecret }))
    },

    listDeliveries: async ({ params, query, context }) => {
      const webhook = await seeWebhook(tables, context, params.id)
      if (!webhook.ok) return webhook
      return ok(
        await pageOf(
          query,
          (page) => tables.outbox.list(context.tenant, params.id, query.status ?? null, page),
          deliveryWire,
        ),
      )
    },

    testWebhook: async ({ params, context }) => {
      const webhook = await seeWebhook(tables, context, params.id)
      if (!webhook.ok) return webhook
      const row = testDelivery(ids.next('dlv'), webhook.value, clock.now())
      await tables.outbox.insert(row)
      deps.afterCommit()
      return ok(deliveryWire(row))
    },

    replayDelivery: async ({ params, context }) => {
      const missing = fail(failure('NotFound', { path: context.path }))
      if (!isPlausibleId(params.id)) return missing
      const delivery = await tables.outbox.get(context.tenant, params.id)
      if (!delivery) return missing
      const webhook = await seeWebhook(tables, context, delivery.webhookId)
      if (!webhook.ok) return webhook
      // One that is still to be tried needs no replay.
      const replayed = await tables.outbox.replay(context.tenant, params.id, clock.now())
      deps.afterCommit()
      return ok(deliveryWire(replayed ?? delivery))
    },

    listEvents: async ({ query, context }) => {
      // Events of every number stand there, as they go to every webhook.
      if (context.key.numberScope !== null) return ok({ items: [], nextCursor: null })
      const after = query.cursor ?? query.after ?? 0
      const rows = await tables.feed.read(context.tenant, after, query.limit)
      const more = rows.length === query.limit
      return ok({
        items: rows.map(feedWire),
        nextCursor: more ? String(rows.at(-1)!.position) : null,
      })
    },

    replayDeliveries: async ({ params, body, context }) => {
      const replayed = await store.transaction(async (within) => {
        const webhook = await seeWebhook(within, context, params.id)
        if (!webhook.ok) return webhook
        const at = clock.now()
        const range = {
          since: Date.parse(body.since),
          until: body.until ? Date.parse(body.until) : at,
          statuses: body.statuses ?? ['dead' as const],
        }
        const done = await within.outbox.replayRange(
          context.tenant,
          params.id,
          range,
          MAX_REPLAYED,
          at,
        )
        await record(within, context, 'replayed', params.id)
        return ok(done)
      })
      if (!replayed.ok) return replayed
      deps.afterCommit()
      const { count, nextSince } = replayed.value
      return ok({ count, nextSince: nextSince === null ? null : iso(nextSince) })
    },
  }
}

function testDelivery(id: string, webhook: WebhookRow, at: number): DeliveryRow {
  const envelope: WebhookEnvelope<typeof WEBHOOK_TEST_EVENT> = {
    deliveryId: id,
    eventType: WEBHOOK_TEST_EVENT,
    createdAt: iso(at),
    payload: { webhookId: webhook.id },
  }
  return {
    workspaceId: webhook.workspaceId,
    environment: webhook.environment,
    id,
    webhookId: webhook.id,
    eventType: WEBHOOK_TEST_EVENT,
    body: JSON.stringify(envelope),
    status: 'pending',
    attempts: 0,
    responseStatus: null,
    lastAttemptAt: null,
    nextAttemptAt: at,
    createdAt: at,
  }
}
