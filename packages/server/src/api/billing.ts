// The routes of money: what was used, what is left, and every posting. What a number would cost is in catalogue.ts.
import { ok } from '@saperly/kernel'
import type { HandlersFor } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { receiptOf } from '../ledger/receipt.ts'
import { seeCall } from './access.ts'
import { pageOf } from './page.ts'
import { receiptWire, transactionWire } from './wire.ts'

export function billingHandlers({
  store: { tables },
}: ApiDeps): HandlersFor<'getUsage' | 'listTransactions' | 'getReceipt'> {
  return {
    getUsage: async ({ query, context }) => {
      const since = query.since === undefined ? null : Date.parse(query.since)
      const calls = await tables.calls.usage(context.tenant, since)
      const balanceCents = await tables.ledger.balance(context.tenant)
      // No text can be sent or received yet, so none is ever counted.
      return ok({ calls, messages: { count: 0 }, balanceCents })
    },

    getReceipt: async ({ params, context }) => {
      const call = await seeCall(tables, context, params.id)
      if (!call.ok) return call
      const entries = await tables.receipts.entries(context.tenant, params.id)
      return ok(receiptWire(params.id, receiptOf(call.value, entries)))
    },

    listTransactions: async ({ query, context }) =>
      ok(await pageOf(query, (page) => tables.ledger.list(context.tenant, page), transactionWire)),
  }
}
