// The routes of money: what was used, what is left, and every posting. What a number would cost is in catalogue.ts.
import { ok } from '@saperly/kernel'
import type { HandlersFor } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { pageOf } from './page.ts'
import { transactionWire } from './wire.ts'

export function billingHandlers({
  store: { tables },
}: ApiDeps): HandlersFor<'getUsage' | 'listTransactions'> {
  return {
    getUsage: async ({ query, context }) => {
      const since = query.since === undefined ? null : Date.parse(query.since)
      const calls = await tables.calls.usage(context.tenant, since)
      const balanceCents = await tables.ledger.balance(context.tenant)
      // No text can be sent or received yet, so none is ever counted.
      return ok({ calls, messages: { count: 0 }, balanceCents })
    },

    listTransactions: async ({ query, context }) =>
      ok(await pageOf(query, (page) => tables.ledger.list(context.tenant, page), transactionWire)),
  }
}
