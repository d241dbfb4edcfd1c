// The table as an OpenAPI 3.1 document. A pure function: the same table gives the same document.
import { resources } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { deliveredEventTypes, standardWebhookHeaders, webhookHeaders } from './events.ts'
import { TOO_LARGE_STATUS, failures, retryAfterSec } from './failure.ts'
import type { FailureTag } from './failure.ts'
import { bodySchema, eventName, ref, requiredOf, schemaOf, schemasOf } from './json-schema.ts'
import type { Json, JsonObject, Schemas, Table } from './json-schema.ts'
import { scopes } from './scopes.ts'

export const MAX_IDEMPOTENCY_KEY_LENGTH = 255

export interface ApiInfo {
  version: string
  /** Where the API answers, without a trailing slash; absent: relative to the document. */
  serverUrl?: string
}

const DESCRIPTION = `A phone carrier for AI agents: calls, numbers, consent, money, and the brains that talk.

The same routes answer with and without the prefix \`/v2\`. All money is integer cents (USD), all times are ISO 8601 UTC.
Lists are bare arrays, newest first; the next page stands in a \`Link\` header. Request bodies refuse unknown fields, and
their optional fields accept \`null\`. Every error is \`{"_tag": …}\` with the fields of its tag.

Scopes: ${scopes.map((scope) => `\`${scope}\``).join(', ')}.`

/** Builds the document of a table. */
export function openapi(table: Table, info: ApiInfo): JsonObject {
  const schemas = schemasOf(table)
  const paths: { [path: string]: JsonObject } = {}
  for (const endpoint of Object.values(table)) {
    const path = templated(endpoint.path)
    paths[path] = {
      ...paths[path],
      [endpoint.method.toLowerCase()]: operation(endpoint, schemas),
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Saperly', version: info.version, description: DESCRIPTION },
    servers: [{ url: info.serverUrl ?? '/' }],
    tags: resources.map((name) => ({ name })),
    paths,
    webhooks: webhooks(),
    components: {
      schemas: schemas.components,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key of the platform, `sk_live_…` or `sk_test_…`.',
        },
      },
      headers,
      parameters: { idempotencyKey },
    },
  }
}

/** `/calls/{id}` for `/calls/:id`. */
export function templated(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}')
}

export function paramsOf(path: string): string[] {
  return [...path.matchAll(/:(\w+)/g)].map((found) => found[1] ?? '')
}

const headers: JsonObject = {
  requestId: { description: 'Names this request in logs and audit.', schema: { type: 'string' } },
  link: {
    description: 'The next page, as `<…>; rel="next"`; absent on the last one.',
    schema: { type: 'string' },
  },
  retryAfter: { description: 'Seconds.', schema: { type: 'integer', minimum: 1 } },
  idempotencyReplayed: {
    description: 'This is the first answer again; secrets are left out of it.',
    schema: { type: 'string', enum: ['true'] },
  },
  location: { description: 'Where to find it.', schema: { type: 'string', format: 'uri' } },
}

const idempotencyKey: JsonObject = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'The same key, route and body within 24 hours give the first answer again, and never a second call.',
  schema: { type: 'string', minLength: 1, maxLength: MAX_IDEMPOTENCY_KEY_LENGTH },
}

const header = (name: string): JsonObject => ({ $ref: `#/components/headers/${name}` })
const requestIdHeader = { 'x-request-id': header('requestId') }

function operation(endpoint: Endpoint, schemas: Schemas): JsonObject {
  const described = {
    operationId: endpoint.name,
    tags: [endpoint.resource],
    summary: endpoint.summary,
    description: [endpoint.description, access(endpoint)].filter(Boolean).join('\n\n'),
    'x-saperly-scope': endpoint.scope,
    security: endpoint.scope === 'none' ? [] : [{ bearer: [] }],
    parameters: parameters(endpoint),
    responses: { ...success(endpoint, schemas), ...errors(endpoint) },
  }
  const body = bodySchema(endpoint)
  if (!body) return described
  const required = !endpoint.body?.safeParse(undefined).success
  return { ...described, requestBody: { required, content: content(schemas.of(body)) } }
}

function access({ scope }: Endpoint): string {
  if (scope === 'none') return 'No key is needed.'
  return scope === 'any' ? 'Any valid key.' : `Scope: \`${scope}\`.`
}

function content(schema: JsonObject, type = 'application/json'): JsonObject {
  return { [type]: { schema } }
}

function parameters(endpoint: Endpoint): Json[] {
  const inPath = paramsOf(endpoint.path).map((name) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const idempotent = endpoint.mutating ? [{ $ref: '#/components/parameters/idempotencyKey' }] : []
  return [...inPath, ...queryParameters(endpoint), ...idempotent]
}

function queryParameters(endpoint: Endpoint): Json[] {
  if (!endpoint.query) return []
  const query = schemaOf(endpoint.query)
  const wanted = requiredOf(query)
  return Object.entries(query['properties'] as JsonObject).map(([name, schema]) => ({
    name,
    in: 'query',
    required: wanted.includes(name),
    schema,
  }))
}

function success(endpoint: Endpoint, schemas: Schemas): JsonObject {
  const replayed: JsonObject = endpoint.mutating
    ? { 'idempotency-replayed': header('idempotencyReplayed') }
    : {}
  const answer = (status: number, description: string, rest: JsonObject): JsonObject => {
    const { headers: own, ...body } = rest
    const all = { ...requestIdHeader, ...replayed, ...(own as JsonObject | undefined) }
    return { [String(status)]: { description, headers: all, ...body } }
  }
  const { success: kind } = endpoint
  switch (kind.kind) {
    case 'json':
      return answer(kind.status, kind.status === 201 ? 'Created.' : 'Done.', {
        content: content(schemas.of(kind.schema)),
      })
    case 'page': {
      const item = schemas.of(kind.schema)
      const live = kind.stream ? content({ type: 'string' }, 'text/event-stream') : {}
      return answer(kind.status, 'One page.', {
        headers: { link: header('link') },
        content: { ...content({ type: 'array', items: item }), ...live },
      })
    }
    case 'redirect':
      return answer(kind.status, 'It is at the address named.', {
        headers: { location: header('location') },
      })
    case 'file':
      return answer(kind.status, 'As asked for.', {
        content: Object.assign(
          {},
          ...kind.contentTypes.map((type) => content({ type: 'string' }, type.replace(/;.*/, ''))),
        ),
      })
    case 'text':
      return answer(kind.status, 'As text.', {
        content: content({ type: 'string' }, kind.contentType.replace(/;.*/, '')),
      })
  }
}

/** The errors of an endpoint by status; those that share one are told apart by `_tag`. */
function errors(endpoint: Endpoint): JsonObject {
  const byStatus = new Map<number, FailureTag[]>()
  const add = (status: number, tag: FailureTag) =>
    byStatus.set(status, [...(byStatus.get(status) ?? []), tag])
  for (const tag of endpoint.errors) add(failures[tag].status, tag)
  if (endpoint.mutating) add(TOO_LARGE_STATUS, 'MalformedRequest')
  const sorted = [...byStatus].toSorted(([a], [b]) => a - b)
  return Object.fromEntries(sorted.map(([status, tags]) => [String(status), errorAnswer(tags)]))
}

function errorAnswer(tags: readonly FailureTag[]): JsonObject {
  const retried = tags.some((tag) => Object.hasOwn(retryAfterSec, tag))
  return {
    description: tags.map((tag) => `\`${tag}\`: ${failures[tag].summary}`).join('\n\n'),
    headers: { ...requestIdHeader, ...(retried ? { 'retry-after': header('retryAfter') } : {}) },
    content: content(oneOf(tags)),
  }
}

function oneOf(tags: readonly FailureTag[]): JsonObject {
  const [only] = tags
  if (only && tags.length === 1) return ref(only)
  const mapping = Object.fromEntries(tags.map((tag) => [tag, `#/components/schemas/${tag}`]))
  return { oneOf: tags.map(ref), discriminator: { propertyName: '_tag', mapping } }
}

/** What the platform POSTs to a customer, in the place that OpenAPI 3.1 has for it. */
function webhooks(): JsonObject {
  const names = [...Object.values(webhookHeaders), ...Object.values(standardWebhookHeaders)]
  const signed = names.map((name) => ({
    name,
    in: 'header',
    required: true,
    schema: { type: 'string' },
  }))
  return Object.fromEntries(
    deliveredEventTypes.map((type) => [
      type,
      {
        post: {
          operationId: `on${eventName(type)}`,
          tags: ['Webhooks'],
          summary: `An event of type ${type}`,
          security: [],
          parameters: signed,
          requestBody: { required: true, content: content(ref(eventName(type))) },
          responses: { '2XX': { description: 'Taken; anything else is tried again.' } },
        },
      },
    ]),
  )
}
