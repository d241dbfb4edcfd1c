// Reads what a client sent against its schema: a value, or a ValidationError that says what is wrong where.
import type { z } from 'zod'
import { failure } from './failure.ts'
import type { FailureOf, Issue } from './failure.ts'
import type { Result } from './result.ts'

/** More than these are not told: the first few are enough to go on with. */
export const MAX_ISSUES = 50
/** Names that a client made up are cut to this length when they are told back. */
const MAX_PATH = 200

type RawIssue = z.core.$ZodRawIssue

/** Plain words for the common ones; where it returns undefined zod's own message stands. Never tells the value. */
function inWords(raw: RawIssue): string | undefined {
  switch (raw.code) {
    case 'invalid_type':
      if (raw.input === undefined) return 'is required'
      return `must be ${article(raw.expected)}`
    case 'too_small':
      return `must ${size(raw.origin)} at least ${raw.minimum}${unit(raw.origin)}`
    case 'too_big':
      return `must ${size(raw.origin)} at most ${raw.maximum}${unit(raw.origin)}`
    case 'invalid_value':
      return raw.input === undefined ? 'is required' : `must be ${oneOf(raw.values)}`
    case 'unrecognized_keys':
      return 'is not a known field'
    case 'invalid_union':
      if (raw.input === undefined) return 'is required'
      return Array.isArray(raw['options']) ? `must be ${oneOf(raw['options'])}` : undefined
    case 'invalid_format':
      return raw.input === undefined ? 'is required' : undefined
    case 'custom':
    case 'invalid_element':
    case 'invalid_key':
    case 'not_multiple_of':
      return undefined
  }
}

function article(expected: string): string {
  if (expected === 'int') return 'a whole number'
  const word = expected === 'record' ? 'object' : expected
  return `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`
}

function size(origin: string): string {
  return origin === 'string' || origin === 'array' ? 'have' : 'be'
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters'
  return origin === 'array' ? ' entries' : ''
}

function oneOf(values: readonly z.core.util.Primitive[]): string {
  const named = values.map((value) => (value === null ? 'null' : String(value)))
  return named.length === 1 ? named.join('') : `one of ${named.join(', ')}`
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join('.').slice(0, MAX_PATH)
}

/** Unknown keys are named one by one, so that every issue points at its own field. */
function spread(found: z.core.$ZodIssue): Issue[] {
  if (found.code !== 'unrecognized_keys') {
    return [{ path: dotted(found.path), message: found.message }]
  }
  return found.keys
    .slice(0, MAX_ISSUES)
    .map((key) => ({ path: dotted([...found.path, key]), message: found.message }))
}

/** Builds a `ValidationError` from issues of any origin; its message is the first of them. */
export function validationError(issues: readonly Issue[]): FailureOf<'ValidationError'> {
  const [first] = issues
  const message = `${first?.path || 'the body'} ${first?.message ?? 'is not valid'}`
  return failure('ValidationError', { message, issues: issues.slice(0, MAX_ISSUES) })
}

/** The value as the schema reads it, or every issue at once. Never throws, whatever was sent. */
export function validate<S extends z.ZodType>(
  schema: S,
  value: unknown,
): Result<z.output<S>, FailureOf<'ValidationError'>> {
  const read = schema.safeParse(value, { error: inWords, reportInput: false })
  if (read.success) return { ok: true, value: read.data }
  return { ok: false, failure: validationError(read.error.issues.flatMap(spread)) }
}
