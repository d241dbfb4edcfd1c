// The named shapes of a table as JSON Schema, each once, pointing at each other by name.
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
import { noBody } from './endpoint.ts'
import { webhookEnvelopes } from './events.ts'
import { failureSchemas } from './failure.ts'
import { shapes } from './shapes/index.ts'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }
export type Table = Readonly<Record<string, Endpoint>>

const PREFIX = '#/components/schemas/'

/** Requests are closed, answers are open: an answer may gain a field without breaking a client. */
const OPTIONS = {
  io: 'input',
  unrepresentable: 'throw',
  target: 'draft-2020-12',
  override: ({ jsonSchema }) => withoutNoise(jsonSchema),
} as const satisfies z.core.ToJSONSchemaParams

/** What only says again that a time is a time and a whole number is one. */
function withoutNoise(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.format === 'date-time') delete schema.pattern
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
}

/** `PlaceCallBody` for `placeCall`. */
export function bodyName(endpoint: Endpoint): string {
  return `${endpoint.name.charAt(0).toUpperCase()}${endpoint.name.slice(1)}Body`
}

/** `CallCompletedEvent` for `call.completed`. */
export function eventName(eventType: string): string {
  const words = eventType
    .split('.')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
  return `${words.join('')}Event`
}

/** What a body holds when it is there; null for an endpoint that takes none. */
export function bodySchema(endpoint: Endpoint): z.ZodType | null {
  if (endpoint.body === undefined || endpoint.body === noBody) return null
  return unwrapped(endpoint.body)
}

function unwrapped(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) {
    return unwrapped(schema.unwrap() as z.ZodType)
  }
  return schema
}

export interface Schemas {
  /** By name, as they stand under `components.schemas`. */
  components: { [name: string]: JsonObject }
  /** A reference where the schema has a name, the schema itself where it has none. */
  of: (schema: z.ZodType) => JsonObject
}

export function ref(name: string): JsonObject {
  return { $ref: `${PREFIX}${name}` }
}

/** The name that a reference points at, or null where it is none. */
export function referenced(schema: JsonObject): string | null {
  const target = schema['$ref']
  return typeof target === 'string' && target.startsWith(PREFIX)
    ? target.slice(PREFIX.length)
    : null
}

/** Every named schema of the table: shapes, bodies, webhook events, errors. */
export function schemasOf(table: Table): Schemas {
  const names = new Map<z.ZodType, string>()
  for (const [name, schema] of Object.entries(shapes)) names.set(schema, name)
  for (const endpoint of Object.values(table)) {
    const body = bodySchema(endpoint)
    if (body) names.set(body, bodyName(endpoint))
  }
  for (const [type, schema] of Object.entries(webhookEnvelopes)) names.set(schema, eventName(type))
  for (const [tag, schema] of Object.entries(failureSchemas)) names.set(schema, tag)

  const registry = z.registry<{ id: string }>()
  for (const [schema, id] of names) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { ...OPTIONS, uri: (id) => `${PREFIX}${id}` })
  const components = Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, bare(schema)]),
  )
  return {
    components,
    of(schema) {
      const name = names.get(schema)
      if (name) return ref(name)
      if (schema instanceof z.ZodArray)
        return { type: 'array', items: this.of(schema.element as z.ZodType) }
      return schemaOf(schema)
    },
  }
}

/** The fields that an object's schema asks for. */
export function requiredOf({ required }: JsonObject): string[] {
  return Array.isArray(required) ? required.filter((name) => typeof name === 'string') : []
}

/** One schema by itself. */
export function schemaOf(schema: z.ZodType): JsonObject {
  return bare(z.toJSONSchema(schema, OPTIONS))
}

/** Without the marks that stand only at the top of a document of its own. */
function bare(schema: object): JsonObject {
  const { $schema: _schema, $id: _id, '~standard': _standard, ...rest } = schema as JsonObject
  return rest
}
