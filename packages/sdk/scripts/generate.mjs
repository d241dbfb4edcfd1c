// Writes src/generated from the contract: `npx tsc -b packages/contract && node packages/sdk/scripts/generate.mjs`.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { format } from 'oxfmt'
import { declaration, fieldsOf, typeOf } from './typescript.mjs'

const FOLDER = new URL('../src/generated/', import.meta.url)
const CONFIG = new URL('../../../.oxfmtrc.json', import.meta.url)

/** Long ones have a file of their own. */
const CONNECTIONS = ['Connection', 'ConnectionWithSecret']

/** A field that would hide one that every error has. */
const RENAMED = { CallNotActive: { status: 'callStatus' } }

/** File name → content, of everything that is generated. `contract` is the module `@saperly/contract`. */
export async function generate(contract) {
  const schemas = contract.schemasOf(contract.endpoints)
  const endpoints = Object.values(contract.endpoints).filter(isClientSide)
  const files = {
    'answers.ts': answers(contract, schemas),
    'call-event.ts': file('The timeline of a call.', pick(schemas, ['CallEvent'])),
    'feed-event.ts': file('What webhooks tell of, in order.', pick(schemas, ['FeedEvent'])),
    'connection.ts': file('Who talks.', pick(schemas, CONNECTIONS)),
    'bodies.ts': bodies(schemas),
    'webhook-events.ts': webhookEvents(contract, schemas),
    'manual.ts': manual(contract),
    'queries.ts': queries(contract, endpoints),
    'operations.ts': operations(contract, schemas, endpoints),
    'errors.ts': errors(contract, schemas),
  }
  const options = JSON.parse(await readFile(CONFIG, 'utf8'))
  return Object.fromEntries(
    await Promise.all(
      Object.entries(files).map(async ([name, text]) => [
        name,
        await formatted(name, text, options),
      ]),
    ),
  )
}

/** Texts for people and machines (docs, metrics) are no business of a client. */
function isClientSide({ success, name }) {
  return success.kind !== 'text' && name !== 'getOpenapi'
}

async function formatted(name, text, { ignorePatterns: _ignored, ...options }) {
  const { code, errors: problems } = await format(name, text, options)
  if (problems.length > 0) throw new Error(`${name}: ${problems[0].message}`)
  return code
}

function file(title, parts) {
  const mark = 'Generated from the contract by scripts/generate.mjs: change that, never this.'
  const text = parts
    .filter(Boolean)
    .join('\n')
    .replace(/\n\s*\n/g, '\n')
  return `// ${title} ${mark}\n${text.replace(/^(?=export |\/\*\*.*\*\/\nexport )(?<!\*\/\n)/gm, '\n')}`
}

function pick(schemas, names) {
  return names.map((name) => declaration(name, schemas.components[name]))
}

function answers(contract, schemas) {
  const elsewhere = ['CallEvent', 'FeedEvent', ...CONNECTIONS]
  const names = Object.keys(contract.shapes).filter((name) => !elsewhere.includes(name))
  return file('What the API answers with.', [
    `export type { CallEvent } from './call-event.ts'`,
    `export type { FeedEvent } from './feed-event.ts'`,
    `export type { ${CONNECTIONS.join(', ')} } from './connection.ts'`,
    ...pick(schemas, names),
  ])
}

function bodies(schemas) {
  const names = Object.keys(schemas.components).filter((name) => name.endsWith('Body'))
  return file('What requests carry.', pick(schemas, names))
}

function webhookEvents(contract, schemas) {
  const names = contract.deliveredEventTypes.map(contract.eventName)
  return file('What webhooks deliver.', [
    ...pick(schemas, names),
    '/** Any delivery; `eventType` tells them apart. */',
    `export type WebhookEvent = ${names.join(' | ')}`,
  ])
}

function manual(contract) {
  const names = contract.manualEventTypes.map((type) => [type, `Manual${pascal(type)}`])
  return file('The frames of saperly.manual.v1.', [
    ...names.map(([type, name]) =>
      declaration(name, contract.schemaOf(contract.manualEvents[type])),
    ),
    '/** By `type`. */',
    `export interface ManualEvents {\n${names.map(([type, name]) => `${type}: ${name}`).join('\n')}\n}`,
    'export type ManualEventType = keyof ManualEvents',
    '/** Any event; `type` tells them apart. */',
    'export type ManualEvent = ManualEvents[ManualEventType]',
    '/** The events that ask for an answer. */',
    `export const answerableEventTypes = [${contract.answerableEventTypes.map(quoted)}] as const`,
    'export type AnswerableEventType = (typeof answerableEventTypes)[number]',
    declaration('Directive', contract.schemaOf(contract.DirectiveSchema)),
    declaration('ReadyFrame', contract.schemaOf(contract.ReadyFrame)),
    declaration('ErrorFrame', contract.schemaOf(contract.ErrorFrame)),
    `export const MANUAL_PROTOCOL = '${contract.MANUAL_PROTOCOL}'`,
    `export const BEARER_SUBPROTOCOL_PREFIX = '${contract.BEARER_SUBPROTOCOL_PREFIX}'`,
  ])
}

function queryName(endpoint) {
  return `${pascal(endpoint.name)}Query`
}

function queries(contract, endpoints) {
  const asking = endpoints.filter((endpoint) => endpoint.query)
  return file(
    'What stands after the question mark.',
    asking.map((endpoint) => declaration(queryName(endpoint), contract.schemaOf(endpoint.query))),
  )
}

function operations(contract, schemas, endpoints) {
  const used = { answers: new Set(), bodies: new Set(), queries: new Set() }
  const types = endpoints.map((endpoint) => {
    const body = contract.bodySchema(endpoint) ? contract.bodyName(endpoint) : null
    if (body) used.bodies.add(body)
    if (endpoint.query) used.queries.add(queryName(endpoint))
    const optional = endpoint.body?.safeParse(undefined).success ? ' | null | undefined' : ''
    return `${endpoint.name}: {
        body: ${body ? body + optional : 'undefined'}
        query: ${endpoint.query ? queryName(endpoint) : 'undefined'}
        answer: ${answerOf(schemas, endpoint, used.answers)}
      }`
  })
  const routes = endpoints.map(
    ({ name, method, path }) => `${name}: { method: '${method}', path: '${path}' },`,
  )
  return file('The routes, and what each takes and gives.', [
    ...Object.entries(used).map(
      ([module, names]) =>
        `import type { ${[...names].toSorted((a, b) => a.localeCompare(b)).join(', ')} } from './${module}.ts'`,
    ),
    `export interface Operations {\n${types.join('\n')}\n}`,
    'export type OperationName = keyof Operations',
    `export const routes = {\n${routes.join('\n')}\n} as const satisfies Record<OperationName, { method: string; path: string }>`,
  ])
}

/** A page's answer is one of its items. */
function answerOf(schemas, { success }, used) {
  if (success.kind === 'redirect' || success.kind === 'file') return 'undefined'
  const schema = schemas.of(success.schema)
  const named = schema.items ?? schema
  if (named.$ref) used.add(typeOf(named))
  return typeOf(schema)
}

function errors(contract, schemas) {
  const tags = contract.failureTags
  const classes = tags.map((tag) => {
    const { properties } = schemas.components[tag]
    const fields = Object.entries(properties)
      .filter(([name]) => name !== '_tag' && name !== 'message')
      .map(([name, field]) => [RENAMED[tag]?.[name] ?? name, field])
    const own = { properties: Object.fromEntries(fields), required: fields.map(([name]) => name) }
    const { status, summary } = contract.failures[tag]
    return `/** ${status}. ${summary} */
      export class ${tag} extends ApiError {
        declare readonly _tag: '${tag}'
        ${fieldsOf(own, 'declare readonly ')}
      }`
  })
  return file('One class for every error of the API.', [
    `import { ApiError } from '../errors.ts'`,
    ...classes,
    '/** By `_tag`. */',
    `export const errorClasses = { ${tags.join(', ')} } as const`,
    'export type ErrorTag = keyof typeof errorClasses',
    '/** Fields that are called otherwise on the class than on the wire. */',
    `export const renamedFields: Partial<Record<ErrorTag, Record<string, string>>> = ${JSON.stringify(RENAMED)}`,
  ])
}

function pascal(name) {
  return name.replace(/(?:^|_)(\w)/g, (_, letter) => letter.toUpperCase())
}

function quoted(word) {
  return `'${word}'`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await generate(await import('@saperly/contract'))
  await mkdir(FOLDER, { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(new URL(name, FOLDER), text)
}
