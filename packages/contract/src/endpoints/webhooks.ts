// Webhook endpoints and their deliveries.
import { endpoint, json, page } from '../endpoint.ts'
import { Deleted } from '../shapes/number.ts'
import { listQuery } from '../shapes/query.ts'
import { Delivery, WebhookEndpoint, createWebhookBody } from '../shapes/webhook.ts'

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
  scope: 'webhooks:write',
  query: listQuery,
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
