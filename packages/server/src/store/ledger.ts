// The ledger: every move is an immutable transfer, made alone or with others, refused by the database alone.
import { assert, type Ids } from '@saperly/kernel'
import { type LedgerAnswer, refusalIn } from '../ledger/refusal.ts'
import { columns, instant } from './columns.ts'
import { type MoveLedger, moveAlone } from './ledger-moves.ts'
import { verifyLedger } from './ledger-verify.ts'
import { OF_TENANT, limit, tenantOf } from './lists.ts'
import { CALL_HOLD, type LedgerResult, type LedgerTable, type TransactionRow } from './port.ts'
import { type Sql, first } from './sql.ts'

const FIELDS = [
  'id',
  'workspaceId',
  'environment',
  'amountCents',
  'balanceAfterCents',
  'callId',
  'messageId',
  'keyId',
  'createdAt',
] as const satisfies readonly (keyof TransactionRow)[]

/** Moves are of whole cents; a fraction is a bug of whoever computed it. */
function assertCents(cents: number, least: number): void {
  assert(Number.isSafeInteger(cents) && cents >= least, `cents must be whole and at least ${least}`)
}

function resultOf<T>(
  answer: LedgerAnswer,
  requestedCents: number,
  value: (answer: LedgerAnswer) => T,
): LedgerResult<T> {
  const refusal = refusalIn(answer, requestedCents)
  return refusal ? { ok: false, refusal } : { ok: true, value: value(answer) }
}

/** `move`: how the moves of calls are made; by default each by its own statement of `sql`. */
export function ledger(sql: Sql, ids: Ids, move: MoveLedger = moveAlone(sql)): LedgerTable {
  const resolve = (
    { callId, hold }: { callId: string; hold: number },
    kind: 'settle' | 'release',
    cents: number,
    at: number,
  ) => move({ kind, txnId: ids.next('txn'), callId, hold, cents, at })

  return {
    async reserve({ tenant, callId, hold = CALL_HOLD, keyId, amountCents: cents, at }) {
      assertCents(cents, 0)
      const txnId = ids.next('txn')
      const answer = await move({ kind: 'reserve', tenant, txnId, callId, hold, keyId, cents, at })
      return resultOf(answer, cents, ({ balanceCents }) => ({ balanceCents }))
    },
    async extend(callId, amountCents, at, hold = CALL_HOLD, txnId = ids.next('txn')) {
      assertCents(amountCents, 1)
      const answer = await move({ kind: 'extend', txnId, callId, hold, cents: amountCents, at })
      return resultOf(answer, amountCents, ({ heldCents, balanceCents }) => ({
        heldCents,
        balanceCents,
      }))
    },
    async settle(callId, costCents, at, hold = CALL_HOLD) {
      assertCents(costCents, 0)
      const { takenCents, shortfallCents, balanceCents } = await resolve(
        { callId, hold },
        'settle',
        costCents,
        at,
      )
      return takenCents === null ? null : { takenCents, shortfallCents, balanceCents }
    },
    async release(callId, at, hold = CALL_HOLD) {
      return (await resolve({ callId, hold }, 'release', 0, at)).takenCents !== null
    },
    async held(callId, hold = CALL_HOLD) {
      const [sum] = await sql.rows<{ held: number | null }>(
        `select case when bool_or(kind in ('settle', 'release')) then null
           else sum(hold_cents)::bigint end as held
         from transfer where call_id = $1 and hold_no = $2`,
        [callId, hold],
      )
      return sum!.held
    },
    async charge({ tenant, messageId, keyId, amountCents, note, at }) {
      assertCents(amountCents, 1)
      const answers = await sql.rows<LedgerAnswer>(
        'select * from ledger_charge($1, $2, $3, $4, $5, $6, $7, $8)',
        [...tenantOf(tenant), ids.next('txn'), messageId, keyId, amountCents, note, instant(at)],
      )
      return resultOf(answers[0]!, amountCents, ({ balanceCents }) => ({ balanceCents }))
    },
    async topUp(tenant, amountCents, note, at) {
      assertCents(amountCents, 1)
      const rows = await sql.rows<{ balanceCents: number }>(
        'select ledger_top_up($1, $2, $3, $4, $5, $6) as balance_cents',
        [...tenantOf(tenant), ids.next('txn'), amountCents, note, instant(at)],
      )
      return rows[0]!
    },
    async balance(tenant) {
      const account = first(
        await sql.rows<{ balance: number }>(
          `select posted_cents - held_cents as balance from account where ${OF_TENANT}`,
          tenantOf(tenant),
        ),
      )
      assert(account, 'every tenant has an account')
      return account.balance
    },
    async posted(tenant) {
      const account = first(
        await sql.rows<{ posted: number }>(
          `select posted_cents as posted from account where ${OF_TENANT}`,
          tenantOf(tenant),
        ),
      )
      assert(account, 'every tenant has an account')
      return account.posted
    },
    // By `seq`, the order in which the account was locked, so that each balance follows from the one below it.
    list: (tenant, page) =>
      sql.rows<TransactionRow>(
        `select ${columns(FIELDS)}, kind as type from transfer
         where ${OF_TENANT} and ($3::text is null or seq <
           (select seq from transfer where ${OF_TENANT} and id = $3))
         order by seq desc ${limit(page)}`,
        [...tenantOf(tenant), page.cursor],
      ),
    verify: () => verifyLedger(sql),
  }
}
