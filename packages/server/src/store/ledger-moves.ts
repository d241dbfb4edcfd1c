// The moves of the ledger as the database knows them: one alone by its stored function, or many in one statement.
import { Fault, assert } from '@saperly/kernel'
import type { LedgerAnswer } from '../ledger/refusal.ts'
import { arrayLiteral, instant, instants } from './columns.ts'
import type { Tenant } from './port.ts'
import type { Sql } from './sql.ts'

/** A move of one call's money. `cents`: what is held, or what a settled call costs. */
export type LedgerMove = {
  txnId: string
  callId: string
  hold: number
  cents: number
  at: number
} & (
  | { kind: 'reserve'; tenant: Tenant; keyId: string | null }
  /** Tenant and key are those of the hold. */
  | { kind: 'extend' | 'settle' | 'release' }
)

/** Makes a move: in its own time, but before the promise resolves it is as durable as what is around it. */
export type MoveLedger = (move: LedgerMove) => Promise<LedgerAnswer>

function callOf(move: LedgerMove): [name: string, values: unknown[]] {
  const { txnId, callId, hold, cents, at } = move
  switch (move.kind) {
    case 'reserve': {
      const { workspaceId, environment } = move.tenant
      const owner = [workspaceId, environment, txnId, callId, hold, move.keyId]
      return ['ledger_reserve', [...owner, cents, instant(at)]]
    }
    case 'extend':
      return ['ledger_extend', [txnId, callId, hold, cents, instant(at)]]
    case 'settle':
    case 'release':
      return ['ledger_resolve', [txnId, callId, hold, move.kind, cents, instant(at)]]
  }
}

/** Each move by its own statement: in a transaction a part of it, outside of one a commit of its own. */
export function moveAlone(sql: Sql): MoveLedger {
  return async (move) => {
    const [name, values] = callOf(move)
    const slots = values.map((_, index) => `$${index + 1}`).join(', ')
    const answers = await sql.rows<LedgerAnswer>(`select * from ${name}(${slots})`, values)
    return answers[0]!
  }
}

type Outcome = LedgerAnswer & { position: number; error: string | null }

/**
 * Many moves, at most one of each call, in one transaction. What the database holds against one of them comes back in
 * its place as a Fault; the others are made.
 * @throws Fault when none of them was made
 */
export async function moveTogether(
  sql: Sql,
  moves: readonly LedgerMove[],
): Promise<(LedgerAnswer | Fault)[]> {
  const reserved = moves.map((move) => (move.kind === 'reserve' ? move : null))
  const outcomes = await sql.rows<Outcome>(
    'select * from unnest(ledger_batch($1, $2, $3, $4, $5, $6, $7, $8, $9))',
    [
      moves.map((move) => move.kind),
      moves.map((move) => move.txnId),
      reserved.map((move) => move?.tenant.workspaceId ?? null),
      reserved.map((move) => move?.tenant.environment ?? null),
      moves.map((move) => move.callId),
      moves.map((move) => move.hold),
      reserved.map((move) => move?.keyId ?? null),
      moves.map((move) => move.cents),
      instants(moves.map((move) => move.at)),
    ].map(arrayLiteral),
  )
  assert(outcomes.length === moves.length, 'each move of a batch has its outcome')
  const inOrder: (LedgerAnswer | Fault)[] = []
  for (const outcome of outcomes) {
    const { position, error } = outcome
    inOrder[position - 1] =
      error === null
        ? outcome
        : new Fault(`the database refused a statement (${error})`, { retryable: false })
  }
  return inOrder
}
