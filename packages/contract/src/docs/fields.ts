// JSON Schema as a table of fields that a person can read.
import { referenced, requiredOf } from '../json-schema.ts'
import type { Json, JsonObject } from '../json-schema.ts'
import { html, prose } from './html.ts'
import type { Content, Html } from './html.ts'

/** Deeper than this an object is only called an object. */
const MAX_DEPTH = 4

interface Row {
  path: string
  schema: JsonObject
  required: boolean
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function listOf(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** A schema without the `null` that it also takes. */
function withoutNull(schema: JsonObject): { schema: JsonObject; nullable: boolean } {
  const choices = listOf(schema['anyOf'])
  const others = choices.filter((choice) => choice['type'] !== 'null')
  const [only] = others
  if (only && others.length === 1 && choices.length === 2) return { schema: only, nullable: true }
  if (Array.isArray(schema['type']) && schema['type'].includes('null')) {
    const [type] = schema['type'].filter((name) => name !== 'null')
    return { schema: { ...schema, type: type ?? 'null' }, nullable: true }
  }
  return { schema, nullable: false }
}

/** One row for each field, inner ones after their parent, `[]` for the items of a list. */
function rows(schema: JsonObject, prefix = '', depth = 0): Row[] {
  if (depth > MAX_DEPTH || !isObject(schema['properties'])) return []
  const wanted = requiredOf(schema)
  return Object.entries(schema['properties']).flatMap(([name, value]) => {
    if (!isObject(value)) return []
    const path = `${prefix}${name}`
    const row = { path, schema: value, required: wanted.includes(name) }
    return [row, ...inner(withoutNull(value).schema, path, depth + 1)]
  })
}

function inner(schema: JsonObject, path: string, depth: number): Row[] {
  if (isObject(schema['items']))
    return inner(withoutNull(schema['items']).schema, `${path}[]`, depth)
  return [schema, ...listOf(schema['oneOf'])].flatMap((one) => rows(one, `${path}.`, depth))
}

/** The type of a field, in words and links. */
export function typeOf(given: JsonObject): Html {
  const { schema, nullable } = withoutNull(given)
  return html`${named(schema)}${nullable ? html`<span class="or"> or null</span>` : null}`
}

function named(schema: JsonObject): Content {
  const name = referenced(schema)
  if (name) return html`<a href="#shape-${name}">${name}</a>`
  if (schema['const'] !== undefined) return html`<code>${JSON.stringify(schema['const'])}</code>`
  if (Array.isArray(schema['enum'])) {
    const values = schema['enum'].map((value) => html`<code>${JSON.stringify(value)}</code>`)
    return html`<span class="enum"
      >${values.flatMap((value, i) => (i ? [' ', value] : [value]))}</span
    >`
  }
  const choices = listOf(schema['oneOf'] ?? schema['anyOf'])
  if (choices.length > 0 && choices.every((one) => isObject(one['properties']))) {
    return html`one of ${choices.length} kinds of object`
  }
  if (choices.length > 0) {
    return choices.flatMap((one, i) => (i ? [' or ', named(one)] : [named(one)]))
  }
  if (isObject(schema['items'])) return html`list${bounds(schema)} of ${typeOf(schema['items'])}`
  const values = schema['additionalProperties']
  if (isObject(values) && !schema['properties']) return html`map of ${typeOf(values)}`
  const type = schema['format'] === 'date-time' ? 'time' : schema['type']
  return html`${typeof type === 'string' ? type : 'any'}${bounds(schema)}`
}

/** Lengths and sizes, where they are bounded. */
function bounds(schema: JsonObject): Html | null {
  const least = schema['minimum'] ?? schema['minLength'] ?? schema['minItems'] ?? 0
  const most = schema['maximum'] ?? schema['maxLength'] ?? schema['maxItems']
  const over = schema['exclusiveMinimum']
  const range = [
    typeof over === 'number' ? `over ${over}` : null,
    typeof most === 'number' && typeof least === 'number' ? rangeOf(least, most) : null,
    typeof most !== 'number' && typeof least === 'number' && least > 0 ? `at least ${least}` : null,
  ].filter((part) => part !== null)
  if (range.length === 0) return null
  const unit = schema['type'] === 'string' ? ' characters' : ''
  return html` <span class="bounds">${range.join(', ')}${unit}</span>`
}

function rangeOf(least: number, most: number): string {
  return least === 0 ? `up to ${most}` : `${least} to ${most}`
}

/** A table of every field of an object. */
export function fieldTable(schema: JsonObject, kind: 'request' | 'answer'): Html | null {
  const found = rows(schema)
  if (found.length === 0) return null
  return html`<table>
    <tbody>
      ${found.map((row) => fieldRow(row, kind))}
    </tbody>
  </table>`
}

function fieldRow({ path, schema, required }: Row, kind: 'request' | 'answer'): Html {
  const note = typeof schema['description'] === 'string' ? prose(schema['description']) : null
  const optional =
    kind === 'request' && !required ? html`<span class="optional">optional</span>` : null
  return html`<tr>
    <th scope="row"><code>${path}</code>${optional}</th>
    <td class="type">${typeOf(schema)}</td>
    <td>${note}</td>
  </tr>`
}
