// A webhook endpoint of a customer, and what became of each delivery to it.
import { z } from 'zod'
import { count, httpUrl, maybe, text, timeInput, timestamp } from '../fields.ts'

/** What an endpoint can subscribe to. */
export const webhookEventTypes = [
  'call.received',
  'call.answered',
  'call.completed',
  'call.failed',
  'call.recording.saved',
  'call.transcript.ready',
  'message.received',
  'message.sent',
  'message.failed',
  'balance.low',
] as const
export type WebhookEventType = (typeof webhookEventTypes)[number]

/** Sent by `POST /webhooks/:id/test` alone, whatever the endpoint subscribes to. */
export const WEBHOOK_TEST_EVENT = 'webhook.test'

export const deliveryStatuses = ['delivered', 'failed', 'pending', 'dead'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

export const WebhookEndpoint = z.object({
  id: z.string(),
  url: z.string(),
  events: z.array(z.enum(webhookEventTypes)),
  description: z.string().nullable(),
  enabled: z.boolean(),
  successRate: z.number().min(0).max(1).nullable().describe('null: nothing was sent yet.'),
  signingSecret: z
    .string()
    .nullable()
    .describe('`whsec_…`; null but in the answers to creating and rotating.'),
  createdAt: timestamp,
})
export type WebhookEndpoint = z.output<typeof WebhookEndpoint>

export const createWebhookBody = z.strictObject({
  url: httpUrl,
  events: z.array(z.enum(webhookEventTypes)).min(1).max(webhookEventTypes.length),
  description: maybe(text(0, 500)),
})

/** Deliveries that one request replays at most; the answer says where the next one goes on. */
export const MAX_REPLAYED = 10_000

/** What has come to its end, and so can be sent again. */
export const replayableStatuses = ['delivered', 'dead'] as const

export const replayRangeBody = z.strictObject({
  since: timeInput.describe('Deliveries made at this time or later.'),
  until: maybe(timeInput).describe('And before this one. Default: now.'),
  statuses: maybe(
    z.array(z.enum(replayableStatuses)).min(1).max(replayableStatuses.length),
  ).describe('Default `["dead"]`.'),
})

export const Replayed = z.object({
  count: count.describe('How many are sent again.'),
  nextSince: timestamp
    .nullable()
    .describe('`since` for what is left of the range, or null when that was all.'),
})
export type Replayed = z.output<typeof Replayed>

export const Delivery = z.object({
  id: z.string(),
  eventType: z.enum([...webhookEventTypes, WEBHOOK_TEST_EVENT]),
  status: z
    .enum(deliveryStatuses)
    .describe('`failed`: will be tried again. `dead`: can be replayed.'),
  attempts: count,
  responseStatus: z.int().nullable(),
  lastAttemptAt: timestamp.nullable(),
  nextAttemptAt: timestamp.nullable(),
})
export type Delivery = z.output<typeof Delivery>
