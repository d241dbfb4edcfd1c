// Webhook endpoints and their deliveries.
import { endpoint, json, page } from '../endpoint.ts'
import { Deleted } from '../shapes/number.ts'
import { listDeliveriesQuery, listEventsQuery, listQuery } from '../shapes/query.ts'
import { FEED_KEPT_DAYS, FeedEvent } from '../shapes/feed.ts'
import {
  Delivery,
  MAX_REPLAYED,
  Replayed,
  WebhookEndpoint,
  createWebhookBody,
  replayRangeBody,
} from '../shapes/webhook.ts'

export const listWebhooks = endpoint({
  name: 'listWebhooks',
  resource: 'Webhooks',
  method: 'GET',
  path: '/webhooks',
  summary: 'List webhook endpoints',
  scope: 'webhooks:write',
  query: listQuery,
  success: page(WebhookEndpoint),
  errors: [],
})

export const createWebhook = endpoint({
  name: 'createWebhook',
  resource: 'Webhooks',
  method: 'POST',
  path: '/webhooks',
  summary: 'Create a webhook endpoint',
  description: 'The answer shows `signingSecret`, this once.',
  scope: 'webhooks:write',
  body: createWebhookBody,
  success: json(201, WebhookEndpoint),
  errors: [],
  secretFields: ['signingSecret'],
})

export const deleteWebhook = endpoint({
  name: 'deleteWebhook',
  resource: 'Webhooks',
  method: 'DELETE',
  path: '/webhooks/:id',
  summary: 'Delete a webhook endpoint',
  scope: 'webhooks:write',
  success: json(200, Deleted),
  errors: ['NotFound'],
})

export const rotateWebhookSecret = endpoint({
  name: 'rotateWebhookSecret',
  resource: 'Webhooks',
  method: 'POST',
  path: '/webhooks/:id/rotate-secret',
  summary: 'Get a new signing secret',
  description: 'The new secret is shown this once; both sign for 24 hours more.',
  scope: 'webhooks:write',
  success: json(200, WebhookEndpoint),
  errors: ['NotFound'],
  secretFields: ['signingSecret'],
})

export const listDeliveries = endpoint({
  name: 'listDeliveries',
  resource: 'Webhooks',
  method: 'GET',
  path: '/webhooks/:id/deliveries',
  summary: 'List deliveries to an endpoint',
  description: 'With `status=dead`, those that were given up and can be replayed.',
  scope: 'webhooks:write',
  query: listDeliveriesQuery,
  success: page(Delivery),
  errors: ['NotFound'],
})

export const testWebhook = endpoint({
  name: 'testWebhook',
  resource: 'Webhooks',
  method: 'POST',
  path: '/webhooks/:id/test',
  summary: 'Send a test event',
  scope: 'webhooks:write',
  success: json(200, Delivery),
  errors: ['NotFound'],
})

export const replayDelivery = endpoint({
  name: 'replayDelivery',
  resource: 'Webhooks',
  method: 'POST',
  path: '/deliveries/:id/replay',
  summary: 'Send a delivery again',
  scope: 'webhooks:write',
  success: json(200, Delivery),
  errors: ['NotFound'],
})

export const replayDeliveries = endpoint({
  name: 'replayDeliveries',
  resource: 'Webhooks',
  method: 'POST',
  path: '/webhooks/:id/replay',
  summary: 'Send the deliveries of a time range again',
  description: `Oldest first, with their ids and bodies, their attempts counted from zero; what is still to be tried is left as it is. One request takes ${MAX_REPLAYED} at most: with a \`nextSince\` in the answer, ask again from there.`,
  scope: 'webhooks:write',
  body: replayRangeBody,
  success: json(200, Replayed),
  errors: ['NotFound'],
})

export const listEvents = endpoint({
  name: 'listEvents',
  resource: 'Webhooks',
  method: 'GET',
  path: '/events',
  summary: 'Read the events that webhooks tell of, in order',
  description: `Oldest first, and whether an endpoint asked for them or not. Keep the \`position\` of the last event and ask with \`after\` for what came since: none is skipped, and those of one call stand in their order. Events are kept for ${FEED_KEPT_DAYS} days; a key with an allow-list of numbers sees none.`,
  scope: 'webhooks:write',
  query: listEventsQuery,
  success: page(FeedEvent),
  errors: [],
})
