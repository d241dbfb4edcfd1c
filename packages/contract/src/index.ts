// The wire of Saperly as one table, and everything that is said on it.
export * from './endpoint.ts'
export * from './failure.ts'
export * from './result.ts'
export * from './scopes.ts'
export { E164_PATTERN, SIP_URI_PATTERN, isCleanText, isPlausibleId } from './fields.ts'
