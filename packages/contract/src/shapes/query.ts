// What stands after the `?`: query values arrive as strings, and are read here.
import { z } from 'zod'
import { E164_PATTERN, countryCode, idField, languageTag, numberType, text } from '../fields.ts'
import { callStatuses } from './call.ts'
import { deliveryStatuses } from './webhook.ts'

export const MAX_PAGE = 1000
export const DEFAULT_PAGE = 100

/** An unescaped `+` in a query arrives as a space. */
function plusBack(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll(' ', '+') : value
}

const integer = (value: unknown): unknown =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value

const limit = z
  .preprocess(
    integer,
    z
      .int({ error: `must be a whole number from 1 to ${MAX_PAGE}` })
      .min(1)
      .max(MAX_PAGE),
  )
  .default(DEFAULT_PAGE)
  .describe(`How many at most. Default ${DEFAULT_PAGE}.`)

const cursor = text(1, 512).optional().describe('From the `Link` header of the page before.')

const writtenTime = z.union([z.iso.datetime({ offset: true }), z.iso.date()])

/** Any ISO 8601 time or date becomes the canonical UTC form; what is none is left for the schema to refuse. */
function canonicalTime(value: unknown): unknown {
  const read = writtenTime.safeParse(plusBack(value))
  return read.success ? new Date(read.data).toISOString() : value
}

const time = z
  .preprocess(
    canonicalTime,
    z.iso.datetime({ error: 'must be an ISO 8601 time such as 2026-01-31T12:00:00Z' }),
  )
  .optional()

const phone = z.preprocess(
  plusBack,
  z.string().regex(E164_PATTERN, 'must be an E.164 number such as +15551234567'),
)

const paging = { limit, cursor }

export const listQuery = z.object(paging)

export const listCallsQuery = z.object({
  ...paging,
  status: z.enum(callStatuses).optional(),
  numberId: idField.optional(),
  to: phone.optional(),
  since: time,
  until: time,
})

export const listConsentQuery = z.object({
  ...paging,
  numberId: idField.optional(),
  peerNumber: phone.optional(),
})

export const listOptOutsQuery = z.object({ ...paging, peerNumber: phone.optional() })

export const checkConsentQuery = z.object({ numberId: idField, peerNumber: phone })

export const usageQuery = z.object({ since: time })

export const listAuditQuery = z.object({
  ...paging,
  eventType: text(1, 100).optional(),
  targetId: idField.optional(),
  since: time,
  until: time,
})

export const listDeliveriesQuery = z.object({
  ...paging,
  status: z.enum(deliveryStatuses).optional(),
})

/** A place in the feed. */
const position = z.preprocess(
  (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
  z.int({ error: 'must be the `position` of an event, or 0' }).min(0).optional(),
)

export const listEventsQuery = z.object({
  limit,
  after: position.describe(
    'The `position` of the last event that was read. Default 0: from the oldest.',
  ),
  cursor: position.describe('From the `Link` header of the page before; stands above `after`.'),
})

export const quoteQuery = z.object({
  country: countryCode.optional(),
  numberType: numberType.optional(),
})

export const voicesQuery = z.object({ language: languageTag.optional() })

export const callSipQuery = z.object({
  format: z.enum(['text', 'pcap']).optional().describe('Default `text`.'),
})
