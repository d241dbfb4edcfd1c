// Phone numbers: reading, getting, giving back, and setting what they do.
import { endpoint, json, page } from '../endpoint.ts'
import {
  PhoneNumber,
  Released,
  bindConnectionBody,
  provisionNumberBody,
  setCallerIdBody,
  setNumberWebhookBody,
  setSmsSenderBody,
} from '../shapes/number.ts'
import { listQuery } from '../shapes/query.ts'

export const listNumbers = endpoint({
  name: 'listNumbers',
  resource: 'Numbers',
  method: 'GET',
  path: '/numbers',
  summary: 'List numbers',
  scope: 'numbers:read',
  query: listQuery,
  success: page(PhoneNumber),
  errors: [],
})

export const getNumber = endpoint({
  name: 'getNumber',
  resource: 'Numbers',
  method: 'GET',
  path: '/numbers/:id',
  summary: 'Read a number',
  scope: 'numbers:read',
  success: json(200, PhoneNumber),
  errors: ['NumberNotFound'],
})

export const provisionNumber = endpoint({
  name: 'provisionNumber',
  resource: 'Numbers',
  method: 'POST',
  path: '/numbers',
  summary: 'Get a number',
  description:
    'With a test key: a sandbox number, at once and for nothing. The body may be absent.',
  scope: 'numbers:provision',
  body: provisionNumberBody,
  success: json(201, PhoneNumber),
  errors: ['NoNumbersAvailable', 'PriceChanged', 'InsufficientFunds', 'SpendLimitExceeded'],
})

export const releaseNumber = endpoint({
  name: 'releaseNumber',
  resource: 'Numbers',
  method: 'POST',
  path: '/numbers/:id/release',
  summary: 'Give a number back',
  scope: 'numbers:release',
  success: json(200, Released),
  errors: ['NumberNotFound'],
})

export const bindConnection = endpoint({
  name: 'bindConnection',
  resource: 'Numbers',
  method: 'POST',
  path: '/numbers/:id/connection',
  summary: 'Bind a number to a connection',
  scope: 'connections:write',
  body: bindConnectionBody,
  success: json(200, PhoneNumber),
  errors: ['NumberNotFound', 'ConnectionNotFound'],
})

export const setNumberWebhook = endpoint({
  name: 'setNumberWebhook',
  resource: 'Numbers',
  method: 'POST',
  path: '/numbers/:id/webhook',
  summary: 'Set the address that answers for a number without a brain',
  scope: 'webhooks:write',
  body: setNumberWebhookBody,
  success: json(200, PhoneNumber),
  errors: ['NumberNotFound'],
})

export const setCallerId = endpoint({
  name: 'setCallerId',
  resource: 'Numbers',
  method: 'POST',
  path: '/numbers/:id/caller-id',
  summary: 'Set the name that a number shows',
  scope: 'numbers:write',
  body: setCallerIdBody,
  success: json(200, PhoneNumber),
  errors: ['NumberNotFound'],
})

export const setSmsSender = endpoint({
  name: 'setSmsSender',
  resource: 'Numbers',
  method: 'POST',
  path: '/numbers/:id/sms-sender',
  summary: 'Set the sender that texts show',
  scope: 'numbers:write',
  body: setSmsSenderBody,
  success: json(200, PhoneNumber),
  errors: ['NumberNotFound'],
})
