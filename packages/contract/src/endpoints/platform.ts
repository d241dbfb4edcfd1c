// The sandbox, the catalogues, and what the platform says about itself.
import { z } from 'zod'
import { endpoint, json, text } from '../endpoint.ts'
import { Call, placeSandboxCallBody } from '../shapes/call.ts'
import { Language, Quote, Voice } from '../shapes/number.ts'
import { quoteQuery, voicesQuery } from '../shapes/query.ts'

export const placeSandboxCall = endpoint({
  name: 'placeSandboxCall',
  resource: 'Sandbox',
  method: 'POST',
  path: '/sandbox/calls',
  summary: 'Let a sandbox phone call in',
  description: 'For test keys: one of the platform’s own phones calls a number of the workspace.',
  scope: 'calls:create',
  body: placeSandboxCallBody,
  success: json(201, Call),
  errors: ['NumberNotFound', 'NumberHasNoConnection', 'ConcurrencyLimited'],
})

export const getQuote = endpoint({
  name: 'getQuote',
  resource: 'Catalogue',
  method: 'GET',
  path: '/pricing/quote',
  summary: 'What a number would cost',
  scope: 'any',
  query: quoteQuery,
  success: json(200, Quote),
  errors: ['NoNumbersAvailable'],
})

export const listVoices = endpoint({
  name: 'listVoices',
  resource: 'Catalogue',
  method: 'GET',
  path: '/voices',
  summary: 'List voices',
  scope: 'any',
  query: voicesQuery,
  success: json(200, z.array(Voice)),
  errors: [],
})

export const listLanguages = endpoint({
  name: 'listLanguages',
  resource: 'Catalogue',
  method: 'GET',
  path: '/languages',
  summary: 'List languages',
  scope: 'any',
  success: json(200, z.array(Language)),
  errors: [],
})

export const getHealth = endpoint({
  name: 'getHealth',
  resource: 'Platform',
  method: 'GET',
  path: '/health',
  summary: 'Is the process alive?',
  scope: 'none',
  success: json(200, z.object({ status: z.literal('ok') })),
  errors: [],
})

export const getReady = endpoint({
  name: 'getReady',
  resource: 'Platform',
  method: 'GET',
  path: '/ready',
  summary: 'Can it take calls?',
  scope: 'none',
  success: json(200, z.object({ status: z.literal('ready') })),
  errors: ['Unavailable'],
})

export const getMetrics = endpoint({
  name: 'getMetrics',
  resource: 'Platform',
  method: 'GET',
  path: '/metrics',
  summary: 'Metrics for Prometheus',
  scope: 'none',
  success: text('text/plain; version=0.0.4; charset=utf-8'),
  errors: [],
})

export const getOpenapi = endpoint({
  name: 'getOpenapi',
  resource: 'Platform',
  method: 'GET',
  path: '/openapi.json',
  summary: 'This interface as an OpenAPI 3.1 document',
  scope: 'none',
  success: json(200, z.record(z.string(), z.unknown())),
  errors: [],
})

export const getDocs = endpoint({
  name: 'getDocs',
  resource: 'Platform',
  method: 'GET',
  path: '/docs',
  summary: 'This interface as a page to read',
  scope: 'none',
  success: text('text/html; charset=utf-8'),
  errors: [],
})
