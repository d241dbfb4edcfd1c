// The receipt of a call: what was held, what was taken, and for which seconds.
import { z } from 'zod'
import { cents, count, timestamp } from '../fields.ts'

export const receiptEntryTypes = ['reserve', 'extend', 'settle', 'release'] as const

const entry = z.object({
  transactionId: z.string(),
  type: z.enum(receiptEntryTypes),
  amountCents: cents.describe('Signed change of what is available, as in the transaction.'),
  at: timestamp,
})

export const ReceiptItem = z.object({
  leg: z.enum(['call', 'target']).describe('The call itself, or a target that it was joined with.'),
  to: z.string().nullable().describe('null: a target that never answered.'),
  rateCentsPerMin: count.nullable(),
  billedSec: count.nullable().describe('null: not known yet, or to a target that never answered.'),
  priceCents: cents.nullable().describe('Of the seconds at the rate, rounded up to a cent.'),
  heldCents: cents.describe('All that was held for it, slice by slice.'),
  takenCents: cents.nullable().describe('null: the hold is open.'),
  shortfallCents: cents.describe('What the price had beyond the hold, the balance and the caps.'),
  entries: z.array(entry).describe('Oldest first.'),
})
export type ReceiptItem = z.output<typeof ReceiptItem>

export const Receipt = z.object({
  callId: z.string(),
  currency: z.string(),
  final: z.boolean().describe('Nothing is held any more.'),
  takenCents: cents.describe('So far; of a final receipt, what the call cost.'),
  shortfallCents: cents,
  items: z.array(ReceiptItem),
})
export type Receipt = z.output<typeof Receipt>
