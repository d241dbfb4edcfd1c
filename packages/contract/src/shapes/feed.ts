// The feed: the events that webhooks tell of, as they are read in their order.
import { z } from 'zod'
import { timestamp } from '../fields.ts'
import { type WebhookPayload, webhookPayloads } from '../events.ts'
import { type WebhookEventType, webhookEventTypes } from './webhook.ts'

/** How long an event stays in the feed. */
export const FEED_KEPT_DAYS = 30

/** One event, of one type or of any. */
export type FeedEvent<T extends WebhookEventType = WebhookEventType> = {
  [K in T]: { position: number; eventType: K; createdAt: string; payload: WebhookPayload<K> }
}[T]

function eventOf(eventType: WebhookEventType) {
  return z.object({
    position: z.int().min(1).describe('From 1, without gaps. `after` takes it.'),
    eventType: z.literal(eventType),
    createdAt: timestamp,
    payload: webhookPayloads[eventType],
  })
}

const [first, ...rest] = webhookEventTypes.map(eventOf)
if (!first) throw new Error('there are events')

export const FeedEvent = z.discriminatedUnion('eventType', [
  first,
  ...rest,
]) as unknown as z.ZodType<FeedEvent>
