// A webhook endpoint of a customer, and what became of each delivery to it.
import { z } from 'zod'
import { count, httpUrl, maybe, text, timestamp } from '../fields.ts'

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
