// What the ledger wrote for one call, hold by hold: the lines of its receipt.
import { columns } from './columns.ts'
import { OF_TENANT, tenantOf } from './lists.ts'
import type { HoldEntryRow, Tables } from './port.ts'
import type { Sql } from './sql.ts'

/** Entries of one call: four hours in slices of a minute for each of its legs, and room. */
const ENTRIES_MAX = 10_000

const FIELDS = [
  'id',
  'holdNo',
  'postedCents',
  'holdCents',
  'shortfallCents',
  'amountCents',
  'createdAt',
] as const satisfies readonly (keyof HoldEntryRow)[]

export function receipts(sql: Sql): Tables['receipts'] {
  return {
    entries: (tenant, callId) =>
      sql.rows<HoldEntryRow>(
        `select ${columns(FIELDS)}, kind as type from transfer
         where ${OF_TENANT} and call_id = $3 order by hold_no, seq limit ${ENTRIES_MAX}`,
        [...tenantOf(tenant), callId],
      ),
  }
}
