// The small schemas that the shapes are made of: ids, texts, numbers to call, addresses, times, money.
import { z } from 'zod'

/** Matches what no database or JSON reader takes: NUL and unpaired surrogates. */
const UNCLEAN = /\0|\p{Surrogate}/u

/** False for text with a NUL or an unpaired surrogate, which must not reach the store. */
export function isCleanText(text: string): boolean {
  return !UNCLEAN.test(text)
}

/** A string of `min` to `max` UTF-16 units without NUL or unpaired surrogates. */
export function text(min: number, max: number) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine(isCleanText, 'must not contain NUL characters or unpaired surrogates')
}

/** An optional field of a request: absent and `null` mean the same. */
export function maybe<S extends z.ZodType>(schema: S) {
  return schema.nullish()
}

export const MAX_ID_LENGTH = 128

/** An id as a request names it; whether it exists is not the schema's business. */
export const idField = text(1, MAX_ID_LENGTH)

/** False for a path segment that no id of this platform can be: answer as for one that does not exist. */
export function isPlausibleId(segment: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(segment)
}

export const E164_PATTERN = /^\+[1-9]\d{6,14}$/
const E164_MESSAGE = 'must be an E.164 number such as +15551234567'

export const e164 = z.string().regex(E164_PATTERN, E164_MESSAGE)

/** `sip:` or `sips:`, optional user, host, optional port and parameters. */
export const SIP_URI_PATTERN =
  /^sips?:(?:[^@\s<>"]{1,128}@)?[A-Za-z0-9.\-[\]:]{1,255}(?:;[^\s<>"]{1,255})?$/

/** Where a call can be sent on to: a number or a SIP address. */
export const transferTarget = z
  .string()
  .max(600)
  .regex(
    new RegExp(`${E164_PATTERN.source}|${SIP_URI_PATTERN.source}`),
    'must be an E.164 number such as +15551234567, or a sip: or sips: address',
  )

/** Digits to press; `w` waits 500 ms. */
export const MAX_DTMF_DIGITS = 64
export const dtmfDigits = z
  .string()
  .regex(/^[0-9*#A-Dw]{1,64}$/, 'must be 1 to 64 of 0-9 * # A-D, and w for a pause of 500 ms')

export const MAX_URL_LENGTH = 2048

/** An http or https address without credentials in it. */
export const httpUrl = text(1, MAX_URL_LENGTH).refine(isHttpUrl, {
  message: 'must be an http:// or https:// address',
})

function isHttpUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const url = new URL(value)
  const named = url.username === '' && url.password === ''
  return (url.protocol === 'http:' || url.protocol === 'https:') && named
}

/** BCP-47, such as `en` or `en-US`. */
export const languageTag = z
  .string()
  .max(35)
  .regex(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/, 'must be a BCP-47 language tag such as en-US')

/** ISO 3166-1 alpha-2. */
export const countryCode = z
  .string()
  .regex(/^[A-Z]{2}$/, 'must be a two-letter country code such as US')

/** `local`, `mobile`, `toll_free`; what can be had is the inventory's business. */
export const numberType = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,31}$/, 'must be a number type such as local')

/** ISO 8601 in UTC, as every answer writes it. */
export const timestamp = z.iso.datetime()

/** ISO 8601 with `Z` or an offset, as a body may write it. */
export const timeInput = z.iso.datetime({
  offset: true,
  error: 'must be an ISO 8601 time such as 2026-01-31T12:00:00Z',
})

const MAX_CENTS = 1_000_000_000

/** An amount that a request names: 0 to 10 million dollars, in cents. */
export const centsInput = z.int().min(0).max(MAX_CENTS)
/** An amount that an answer states, in cents; signed. */
export const cents = z.int()
export const count = z.int().min(0)

/** A SIP response code, or null where there was none. */
export const sipCode = z.int().nullable()
