// Writes TypeScript types from JSON Schemas, as far as the contract's table uses them.

const PREFIX = '#/components/schemas/'

/** A type expression. Throws on a schema that it doesn't know, rather than writing `unknown`. */
export function typeOf(schema) {
  if (typeof schema.$ref === 'string') return schema.$ref.slice(PREFIX.length)
  if ('const' in schema) return literal(schema.const)
  if (schema.enum) return schema.enum.map(literal).join(' | ')
  const members = schema.anyOf ?? schema.oneOf
  if (members) return [...new Set(members.map(typeOf))].join(' | ')
  if (Array.isArray(schema.type)) {
    return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ')
  }
  switch (schema.type) {
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'null':
      return 'null'
    case 'array':
      return `readonly (${typeOf(schema.items)})[]`
    case 'object':
      return objectOf(schema)
    case undefined:
      if (Object.keys(schema).every((key) => key === 'description')) return 'unknown'
  }
  throw new Error(`no TypeScript for ${JSON.stringify(schema)}`)
}

function objectOf(schema) {
  if (schema.properties) return `{ ${fieldsOf(schema)} }`
  if (typeof schema.additionalProperties !== 'object') return 'Record<string, unknown>'
  return `Record<string, ${typeOf(schema.additionalProperties)}>`
}

/** The members of an object type, one a line, each with its description. */
export function fieldsOf(schema, modifier = '') {
  const required = schema.required ?? []
  return Object.entries(schema.properties)
    .map(([name, field]) => {
      const optional = required.includes(name) ? '' : '?'
      const absent = optional === '' ? '' : ' | undefined'
      return `${comment(field.description)}\n${modifier}${name}${optional}: ${typeOf(field)}${absent}`
    })
    .join('\n')
}

/** `export interface` for an object, `export type` for all else. */
export function declaration(name, schema) {
  const head = comment(schema.description)
  if (schema.type === 'object' && schema.properties) {
    return `${head}\nexport interface ${name} {\n${fieldsOf(schema)}\n}\n`
  }
  return `${head}\nexport type ${name} = ${typeOf(schema)}\n`
}

export function comment(description) {
  return description ? `/** ${description.replaceAll('*/', '*\\/')} */` : ''
}

/** The names that a type refers to. */
export function referencesOf(schema) {
  return [...JSON.stringify(schema).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
    (found) => found[1],
  )
}

function literal(value) {
  return typeof value === 'string' ? `'${value}'` : String(value)
}
