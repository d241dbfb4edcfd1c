// From an answer of the API that is no success to the class of its `_tag`.
import { ApiError, type ErrorContext } from './errors.ts'
import { type ErrorTag, errorClasses, renamedFields } from './generated/errors.ts'

/** Longest piece of a foreign answer that stands in a message. */
const MAX_EXCERPT = 200

/** The error that an answer stands for. `body` is its text. */
export function apiError(body: string, context: ErrorContext): ApiError {
  const parsed = parse(body)
  const tag = isRecord(parsed) ? parsed['_tag'] : undefined
  if (!isRecord(parsed) || typeof tag !== 'string') {
    const excerpt = body.slice(0, MAX_EXCERPT)
    const message = `HTTP ${context.status}${excerpt === '' ? '' : `: ${excerpt}`}`
    return new ApiError('UnexpectedAnswer', message, parsed ?? body, context)
  }
  if (!isErrorTag(tag)) return new ApiError(tag, wording(tag, parsed), parsed, context)
  const error = new errorClasses[tag](tag, wording(tag, parsed), parsed, context)
  return Object.assign(error, fieldsOf(tag, parsed))
}

function isErrorTag(tag: string): tag is ErrorTag {
  return Object.hasOwn(errorClasses, tag)
}

function fieldsOf(tag: ErrorTag, body: Record<string, unknown>): object {
  const { _tag, message: _message, ...fields } = body
  const renamed = renamedFields[tag] ?? {}
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [renamed[name] ?? name, value]),
  )
}

/** The tag and what it says of itself; the texts of a call or a message never stand in an error of the API. */
function wording(
  tag: string,
  { _tag, message, reason, ...fields }: Record<string, unknown>,
): string {
  const said = message ?? reason ?? named(fields)
  return typeof said === 'string' && said !== '' ? `${tag}: ${said}` : tag
}

function named(fields: Record<string, unknown>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join(', ')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
