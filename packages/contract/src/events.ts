// Webhooks: the envelope, and what each type of event says.
import { z } from 'zod'
import { cents, count, timestamp } from './fields.ts'
import { callStatuses, directions, hangupCauses } from './shapes/call.ts'
import { WEBHOOK_TEST_EVENT } from './shapes/webhook.ts'
import type { WebhookEventType } from './shapes/webhook.ts'

const parties = { from: z.string(), to: z.string() }
const callOfNumber = {
  callId: z.string(),
  numberId: z.string(),
  connectionId: z.string().nullable(),
}
const final = {
  ...parties,
  callId: z.string(),
  hangupCause: z.enum(hangupCauses),
}
const message = { messageId: z.string(), numberId: z.string(), ...parties }

/** The `payload` of each type of event. */
export const webhookPayloads = {
  'call.received': z.object({ ...callOfNumber, ...parties }),
  'call.answered': z.object({
    ...callOfNumber,
    ...parties,
    direction: z.enum(directions),
    answeredAt: timestamp,
  }),
  'call.completed': z.object({
    ...final,
    status: z.enum(callStatuses).extract(['completed']),
    durationSec: count,
    costCents: cents,
  }),
  'call.failed': z.object({
    ...final,
    status: z.enum(callStatuses).extract(['no_answer', 'failed', 'rejected']),
    durationSec: z.literal(0),
    costCents: z.literal(0),
  }),
  'call.recording.saved': z.object({
    callId: z.string(),
    numberId: z.string(),
    durationSec: z.number(),
  }),
  'call.transcript.ready': z.object({
    callId: z.string(),
    numberId: z.string(),
    turns: count.describe('How many turns it has.'),
  }),
  'message.received': z.object({ ...message, body: z.string() }),
  'message.sent': z.object({ ...message, segments: count }),
  'message.failed': z.object({ ...message, reason: z.string() }),
  'balance.low': z.object({ balanceCents: cents, thresholdCents: cents }),
  [WEBHOOK_TEST_EVENT]: z.object({ webhookId: z.string() }),
} as const satisfies Record<WebhookEventType | typeof WEBHOOK_TEST_EVENT, z.ZodObject>

/** Every type that is ever delivered, the test event included. */
export type DeliveredEventType = keyof typeof webhookPayloads
export const deliveredEventTypes = Object.keys(webhookPayloads) as DeliveredEventType[]

export type WebhookPayload<T extends DeliveredEventType> = z.output<(typeof webhookPayloads)[T]>

/** The body of a delivery, of one type of event or of any. */
export type WebhookEnvelope<T extends DeliveredEventType = DeliveredEventType> = {
  [K in T]: { deliveryId: string; eventType: K; createdAt: string; payload: WebhookPayload<K> }
}[T]

/** The schema of a delivery's body, by type of event. */
export const webhookEnvelopes = Object.fromEntries(
  deliveredEventTypes.map((eventType) => [
    eventType,
    z.object({
      deliveryId: z.string().describe('Stable across retries.'),
      eventType: z.literal(eventType),
      createdAt: timestamp,
      payload: webhookPayloads[eventType],
    }),
  ]),
) as unknown as { [T in DeliveredEventType]: z.ZodType<WebhookEnvelope<T>> }

/** Headers of every delivery, and of every event POSTed to a manual brain. */
export const webhookHeaders = {
  timestamp: 'x-saperly-timestamp',
  deliveryId: 'x-saperly-delivery-id',
  attempt: 'x-saperly-delivery-attempt',
  signature: 'x-saperly-signature',
} as const

/** Headers of the second set of signatures beside them: that of Standard Webhooks 1.0. */
export const standardWebhookHeaders = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
} as const
