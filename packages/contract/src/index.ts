// The wire of Saperly as one table, and everything that is said on it.
export type {
  Access,
  BodyOf,
  Endpoint,
  FileBody,
  ErrorsOf,
  Handler,
  Handlers,
  Input,
  Method,
  Page,
  ParamsOf,
  Resource,
  Success,
  SuccessOf,
} from './endpoint.ts'
export {
  endpoint,
  file,
  json,
  page,
  redirect,
  resources,
  stream,
  withoutSecrets,
} from './endpoint.ts'
export * from './directive.ts'
export { docs } from './docs/page.ts'
export type { DocsInfo } from './docs/chapters.ts'
export * from './events.ts'
export * from './failure.ts'
export { E164_PATTERN, SIP_URI_PATTERN, isCleanText, isPlausibleId } from './fields.ts'
export * from './json-schema.ts'
export * from './manual.ts'
export * from './openapi.ts'
export type { Result } from './result.ts'
export * from './scopes.ts'
export * from './shapes/account.ts'
export * from './shapes/call-event.ts'
export * from './shapes/call.ts'
export * from './shapes/connection.ts'
export * from './shapes/feed.ts'
export * from './shapes/index.ts'
export * from './shapes/number.ts'
export * from './shapes/query.ts'
export * from './shapes/receipt.ts'
export * from './shapes/webhook.ts'
export * from './table.ts'
export * from './validate.ts'
