// Keys, consent, money and the audit trail of a workspace.
import { z } from 'zod'
import {
  cents,
  centsInput,
  count,
  e164,
  idField,
  maybe,
  text,
  timeInput,
  timestamp,
} from '../fields.ts'
import { scopeWords, scopes } from '../scopes.ts'

const resetPeriods = ['monthly'] as const

export const Key = z.object({
  id: z.string(),
  name: z.string(),
  prefix: z.string().describe('The first characters of the token, to tell keys apart.'),
  scopes: z.array(z.enum(scopes)),
  numberScope: z.array(z.string()).nullable().describe('null: every number.'),
  spendLimitCents: cents.nullable(),
  spendLimitResetPeriod: z.enum(resetPeriods).nullable(),
  spentThisPeriodCents: cents,
  mintedByTokenId: z.string().nullable(),
  expiresAt: timestamp.nullable(),
  lastUsedAt: timestamp.nullable(),
  createdAt: timestamp,
  revokedAt: timestamp.nullable(),
})
export type Key = z.output<typeof Key>

/** The answer to minting: the only time the token is shown. */
export const KeyWithToken = Key.extend({
  token: z.string().optional().describe('`sk_live_…` or `sk_test_…`; shown this once.'),
})
export type KeyWithToken = z.output<typeof KeyWithToken>

const MAX_SCOPED_NUMBERS = 1000

export const mintKeyBody = z.strictObject({
  name: text(1, 200),
  scopes: z
    .array(z.enum(scopeWords))
    .min(1)
    .max(scopeWords.length)
    .describe('Scopes, or `read`, `write`, `admin` for bundles of them.'),
  numberScope: maybe(z.array(idField).min(1).max(MAX_SCOPED_NUMBERS)).describe(
    'The only numbers that the key can see. Absent: every one that its parent can.',
  ),
  spendLimitCents: maybe(centsInput),
  spendLimitResetPeriod: maybe(z.enum(resetPeriods)).describe('Absent: for the key’s life.'),
  expiresAt: maybe(timeInput),
})

export const consentTypes = ['explicit_outbound', 'implied_inbound'] as const
export type ConsentType = (typeof consentTypes)[number]

export const ConsentRecord = z.object({
  id: z.string(),
  numberId: z.string(),
  peerNumber: z.string(),
  consentType: z.enum(consentTypes).nullable().describe('null: an opt-out without prior consent.'),
  source: z.string().nullable(),
  grantedAt: timestamp.nullable(),
  revokedAt: timestamp.nullable(),
})
export type ConsentRecord = z.output<typeof ConsentRecord>

export const ConsentCheck = z.object({
  hasConsent: z.boolean(),
  type: z.enum(consentTypes).nullable(),
})
export type ConsentCheck = z.output<typeof ConsentCheck>

export const recordConsentBody = z.strictObject({
  numberId: idField,
  peerNumber: e164.describe('E.164.'),
  consentType: z.literal('explicit_outbound', {
    error:
      'must be explicit_outbound; implied_inbound is recorded by the platform when a peer calls',
  }),
  source: text(1, 500).describe('Where the consent comes from, such as `signup form`.'),
  afterOptOut: maybe(z.boolean()).describe(
    'The peer opted out before, and has agreed again. Default false.',
  ),
})

export const revokeConsentBody = z.strictObject({
  numberId: idField,
  peerNumber: e164.describe('E.164.'),
  optOut: maybe(z.boolean()).describe(
    'No number of the workspace may reach this peer any more. Default false: ends this pair’s consent.',
  ),
})

/** How a peer opted out; `import`: a do-not-call file of the operator. */
export const OptOut = z.object({
  id: z.string(),
  peerNumber: z
    .string()
    .nullable()
    .describe('null: the person was erased; a keyed hash of the number is left, and blocks.'),
  source: z.string().describe('`digit`, `speech`, `sms`, `api` or `import`.'),
  reason: z.string().nullable(),
  optedOutAt: timestamp,
})
export type OptOut = z.output<typeof OptOut>

export const recordOptOutBody = z.strictObject({
  peerNumber: e164.describe('E.164.'),
  reason: maybe(text(1, 500)).describe('For your own records, such as `asked by e-mail`.'),
})

export const Usage = z.object({
  calls: z.object({ count, totalCostCents: cents, totalDurationSec: count }),
  messages: z.object({ count }),
  balanceCents: cents.describe('Available: the balance less what is held.'),
})
export type Usage = z.output<typeof Usage>

export const transactionTypes = [
  'topup',
  'reserve',
  'extend',
  'settle',
  'release',
  'charge',
  'adjust',
] as const
export type TransactionType = (typeof transactionTypes)[number]

export const Transaction = z.object({
  id: z.string(),
  type: z.enum(transactionTypes),
  amountCents: cents.describe('Signed change of what is available.'),
  balanceAfterCents: cents,
  callId: z.string().nullable(),
  messageId: z.string().nullable(),
  keyId: z.string().nullable(),
  createdAt: timestamp,
})
export type Transaction = z.output<typeof Transaction>

export const AuditEvent = z.object({
  id: z.string(),
  eventType: z.string(),
  targetType: z.string(),
  targetId: z.string(),
  actor: z.string().describe('The id of a key, or the part of the platform that acted.'),
  data: z.record(z.string(), z.unknown()),
  hash: z.string().nullable().describe('null until chained, right after it was written.'),
  previousHash: z.string().nullable(),
  createdAt: timestamp,
})
export type AuditEvent = z.output<typeof AuditEvent>

export const messageStatuses = ['queued', 'sent', 'delivered', 'failed', 'received'] as const

export const Message = z.object({
  id: z.string(),
  numberId: z.string(),
  direction: z.enum(['inbound', 'outbound']),
  to: z.string(),
  from: z.string(),
  body: z.string(),
  segments: count,
  status: z.enum(messageStatuses),
  createdAt: timestamp,
})
export type Message = z.output<typeof Message>
