// Examples that work: a value for every required field of a body, and the command that sends it.
import type { Endpoint } from '../endpoint.ts'
import { bodySchema, requiredOf, schemaOf } from '../json-schema.ts'
import type { Json, JsonObject } from '../json-schema.ts'

/** By name of a field, where its type alone doesn't make a telling value. */
const byName: JsonObject = {
  fromNumberId: 'num_0123',
  toNumberId: 'num_0123',
  numberId: 'num_0123',
  connectionId: 'conn_0123',
  to: '+15555550100',
  from: '+15555550100',
  peerNumber: '+15555550100',
  text: 'One moment, I am looking it up.',
  digits: '1w2#',
  url: 'https://example.com/saperly',
  callerIdName: 'Example Inc',
  smsSenderId: 'EXAMPLE',
  name: 'Front desk',
  scopes: ['calls:create', 'calls:read'],
  events: ['call.completed', 'call.failed'],
  source: 'signup form',
  consentType: 'explicit_outbound',
  since: '2026-01-01T00:00:00Z',
}

/** What shows an endpoint well beside the fields that it asks for. */
const besides: { [endpoint: string]: JsonObject } = {
  placeCall: { instructions: 'Ask whether Tuesday at ten still suits.' },
  createConnection: { mode: 'manual' },
  updateConnection: { recordingEnabled: true },
  endCall: { durationSec: 42 },
  provisionNumber: { country: 'US', areaCode: '415' },
}

/** A body that the endpoint takes, or null where it takes none. */
export function exampleBody(endpoint: Endpoint): JsonObject | null {
  const body = bodySchema(endpoint)
  if (!body) return null
  const fields = requiredOf(schemaOf(body)).map((name): [string, Json] => [
    name,
    byName[name] ?? null,
  ])
  return { ...Object.fromEntries(fields), ...besides[endpoint.name] }
}

/** The query that an endpoint can't do without, with its `?`; '' for none. */
export function exampleQuery(endpoint: Endpoint): string {
  if (!endpoint.query) return ''
  const query = new URLSearchParams()
  for (const name of requiredOf(schemaOf(endpoint.query))) {
    const value = byName[name]
    query.set(name, typeof value === 'string' ? value : '')
  }
  return query.size > 0 ? `?${query.toString()}` : ''
}

const idOf: { [segment: string]: string } = {
  calls: 'call_0123',
  numbers: 'num_0123',
  connections: 'conn_0123',
  'api-tokens': 'key_0123',
  webhooks: 'whk_0123',
  deliveries: 'dlv_0123',
}

export function examplePath(path: string): string {
  const segments = path.split('/')
  return segments
    .map((segment, i) =>
      segment.startsWith(':') ? (idOf[segments[i - 1] ?? ''] ?? 'id') : segment,
    )
    .join('/')
}

/** The command that calls an endpoint, with the key and address in shell variables. */
export function curl(endpoint: Endpoint): string {
  const url = `"$SAPERLY_URL${examplePath(endpoint.path)}${exampleQuery(endpoint)}"`
  const body = exampleBody(endpoint)
  const lines = [
    `curl ${endpoint.method === 'GET' ? '' : `-X ${endpoint.method} `}${url}`,
    ...(endpoint.scope === 'none' ? [] : ['-H "Authorization: Bearer $SAPERLY_API_KEY"']),
    ...(body ? ["-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`] : []),
  ]
  return lines.join(' \\\n  ')
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
