// A phone number of a workspace, how one is got, and what it would cost.
import { z } from 'zod'
import {
  cents,
  centsInput,
  countryCode,
  e164,
  httpUrl,
  idField,
  maybe,
  numberType,
  text,
  timestamp,
} from '../fields.ts'

export const DEFAULT_COUNTRY = 'US'
export const DEFAULT_NUMBER_TYPE = 'local'

export const PhoneNumber = z.object({
  id: z.string(),
  phoneNumber: z.string(),
  connectionId: z.string().nullable(),
  webhookUrl: z.string().nullable(),
  smsSenderId: z.string().nullable(),
  callerIdName: z.string().nullable(),
  country: z.string(),
  numberType: z.string(),
  monthlyPriceCents: cents,
  currency: z.string(),
  nextChargeAt: timestamp.nullable(),
  releasedAt: timestamp.nullable(),
  createdAt: timestamp,
})
export type PhoneNumber = z.output<typeof PhoneNumber>

/** A body that may be absent: any local number of the default country then. */
export const provisionNumberBody = z
  .strictObject({
    country: maybe(countryCode).describe(`Default ${DEFAULT_COUNTRY}.`),
    numberType: maybe(numberType).describe(`Default ${DEFAULT_NUMBER_TYPE}.`),
    areaCode: maybe(z.string().regex(/^\d{1,6}$/, 'must be 1 to 6 digits')),
    phoneNumber: maybe(e164).describe('This very number.'),
    expectedMonthlyPriceCents: maybe(centsInput).describe(
      'Refused with `PriceChanged` when the number costs more.',
    ),
    approveHigherPrice: maybe(z.boolean()).describe('Take it all the same. Default false.'),
  })
  .nullish()

export const bindConnectionBody = z.strictObject({
  connectionId: idField.nullable().describe('null unbinds.'),
})

export const setNumberWebhookBody = z.strictObject({
  url: httpUrl.nullable().describe('null takes it away.'),
})

export const setCallerIdBody = z.strictObject({
  callerIdName: text(1, 64).nullable().describe('null takes it away.'),
})

export const setSmsSenderBody = z.strictObject({
  smsSenderId: text(1, 64).nullable().describe('null takes it away.'),
})

export const Released = z.object({ status: z.literal('released') })
export const Deleted = z.object({ status: z.literal('deleted') })

export const Quote = z.object({
  country: z.string(),
  numberType: z.string(),
  monthlyPriceCents: cents,
  currency: z.string(),
})
export type Quote = z.output<typeof Quote>

export const Voice = z.object({
  id: z.string(),
  name: z.string(),
  gender: z.string().nullable(),
  language: z.string(),
})
export type Voice = z.output<typeof Voice>

export const Language = z.object({ code: z.string(), name: z.string() })
export type Language = z.output<typeof Language>
