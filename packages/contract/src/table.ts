// The wire as one table. Routes, SDK types, OpenAPI and documentation are functions of it.
import * as account from './endpoints/account.ts'
import * as calls from './endpoints/calls.ts'
import * as connections from './endpoints/connections.ts'
import * as numbers from './endpoints/numbers.ts'
import * as platform from './endpoints/platform.ts'
import * as webhooks from './endpoints/webhooks.ts'

export const endpoints = {
  ...calls,
  ...numbers,
  ...connections,
  ...account,
  ...webhooks,
  ...platform,
} as const

export type Endpoints = typeof endpoints
export type EndpointName = keyof Endpoints
