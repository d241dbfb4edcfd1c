// The ledger of the model: the same moves, refusals and figures as the stored functions, over rows in memory.
import { assert, Bug, type Ids } from '@saperly/kernel'
import type {
  EntryType,
  KeyRow,
  LedgerRefusal,
  LedgerTable,
  Tenant,
  TransactionRow,
} from '../../../packages/server/src/store/port.ts'
import { pageOf } from './lists.ts'
import { type ModelTable, refused, type Transaction } from './rows.ts'

export interface AccountRow extends Tenant {
  postedCents: number
  heldCents: number
  openHolds: number
  maxOpenHolds: number
}

/** A transfer with what the port does not show of it. */
export interface TransferRow extends TransactionRow {
  seq: number
  hold: number
  postedCents: number
  holdCents: number
  shortfallCents: number
  capMonth: string | null
}

export interface PeriodRow {
  spentCents: number
  heldCents: number
}

export interface LedgerRows {
  accounts: ModelTable<AccountRow>
  /** Grouped by call; those of no call under `''`. */
  transfers: ModelTable<TransferRow>
  periods: ModelTable<PeriodRow>
  keys: ModelTable<KeyRow>
}

interface Move {
  type: EntryType
  tenant: Tenant
  callId: string | null
  messageId: string | null
  hold: number
  keyId: string | null
  capMonth: string | null
  /** What leaves the wallet for good; negative for what comes in. */
  takenCents: number
  holdCents: number
  shortfallCents: number
  at: number
}

export const accountKey = ({ workspaceId, environment }: Tenant): string =>
  `${workspaceId}/${environment}`

const RESOLVING: readonly EntryType[] = ['settle', 'release']
const SPENDING: readonly EntryType[] = ['settle', 'charge']

export function ledgerTable(
  tx: Transaction,
  rows: LedgerRows,
  ids: Ids,
  nextSeq: () => number,
): LedgerTable {
  const { accounts, transfers, periods, keys } = rows

  /** The key and its ancestors, nearest first, each with the key of its period and its cap. */
  const chainOf = (keyId: string | null, month: string | null) => {
    const chain: { period: string; keyId: string; capCents: number | null }[] = []
    for (let id = keyId; id !== null;) {
      const key: KeyRow | null = tx.get(keys, id)
      if (!key) break
      const period = key.spendLimitResetPeriod === 'monthly' ? month : 'life'
      chain.push({ period: `${id}/${period}`, keyId: id, capCents: key.spendLimitCents })
      id = key.mintedByTokenId
    }
    return chain
  }
  const used = (period: string): PeriodRow =>
    tx.get(periods, period) ?? { spentCents: 0, heldCents: 0 }

  const lockAll = async (tenant: Tenant, keyId: string | null, month: string | null) => {
    const sorted = chainOf(keyId, month).toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1))
    for (const { period } of sorted) await tx.lock(`key_period ${period}`)
    const account = await tx.forUpdate(accounts, accountKey(tenant))
    assert(account, 'every tenant has an account')
    return account
  }
  const available = (account: AccountRow): number => account.postedCents - account.heldCents

  /** The first constraint that the move would break, in the database's order: caps, concurrency, balance. */
  const refusalOf = (account: AccountRow, move: Move, cents: number): LedgerRefusal | null => {
    for (const { period, capCents } of chainOf(move.keyId, move.capMonth)) {
      const { spentCents, heldCents } = used(period)
      const priorSpendCents = spentCents + heldCents
      if (capCents !== null && priorSpendCents + cents > capCents) {
        return {
          reason: 'spend_limit',
          limitCents: capCents,
          priorSpendCents,
          requestedCents: cents,
        }
      }
    }
    const opens = move.type === 'reserve' && move.hold === 0
    if (opens && account.openHolds + 1 > account.maxOpenHolds) {
      return {
        reason: 'concurrency',
        limit: account.maxOpenHolds,
        active: account.openHolds,
      }
    }
    if (available(account) < cents) {
      return {
        reason: 'insufficient_funds',
        balanceCents: available(account),
        requestedCents: cents,
      }
    }
    return null
  }

  const post = (account: AccountRow, move: Move, id = ids.next('txn')): number => {
    const { type, tenant, callId, messageId, hold, keyId, takenCents, holdCents } = move
    if (callId !== null) checkHold(callId, move)
    for (const { period } of chainOf(keyId, move.capMonth)) {
      const { spentCents, heldCents } = used(period)
      tx.put(periods, period, {
        spentCents: spentCents + (SPENDING.includes(type) ? takenCents : 0),
        heldCents: heldCents + holdCents,
      })
    }
    const opened = hold > 0 ? 0 : type === 'reserve' ? 1 : RESOLVING.includes(type) ? -1 : 0
    const after = {
      ...account,
      postedCents: account.postedCents - takenCents,
      heldCents: account.heldCents + holdCents,
      openHolds: account.openHolds + opened,
    }
    if (available(after) < 0) throw refused('23514 wallet_no_overspend')
    tx.put(accounts, accountKey(tenant), after)
    tx.put(transfers, id, {
      id,
      ...tenant,
      type,
      amountCents: -takenCents - holdCents,
      balanceAfterCents: available(after),
      callId,
      messageId,
      keyId,
      createdAt: move.at,
      seq: nextSeq(),
      hold,
      postedCents: Math.abs(takenCents),
      holdCents,
      shortfallCents: move.shortfallCents,
      capMonth: move.capMonth,
    })
    return available(after)
  }

  const ofHold = (callId: string, hold: number): TransferRow[] =>
    tx.group(transfers, callId).filter((row) => row.hold === hold)

  /** A hold is opened once and first, that of a target beside one of its call under the same key, and resolved once. */
  const checkHold = (callId: string, { type, hold, keyId }: Move): void => {
    const its = ofHold(callId, hold)
    if (type === 'reserve' && its.length > 0) throw refused('23505 one_hold_per_leg')
    if (RESOLVING.includes(type) && its.some((row) => RESOLVING.includes(row.type))) {
      throw refused('23505 one_resolution_per_hold')
    }
    const own = ofHold(callId, 0).find((row) => row.type === 'reserve')
    if (hold > 0 && (!own || own.keyId !== keyId)) throw refused('23000 hold_agrees')
  }

  /** The opening row of a hold and what it holds, under its locks; null when there is none open. */
  const lockHold = async (callId: string, hold: number) => {
    const opening = ofHold(callId, hold).find((row) => row.type === 'reserve')
    if (!opening) return null
    const account = await lockAll(opening, opening.keyId, opening.capMonth)
    const its = ofHold(callId, hold)
    if (its.some((row) => RESOLVING.includes(row.type))) return null
    return { opening, account, heldCents: its.reduce((sum, row) => sum + row.holdCents, 0) }
  }

  const resolve = async (
    type: 'settle' | 'release',
    { callId, hold }: { callId: string; hold: number },
    costCents: number,
    at: number,
  ) => {
    const open = await lockHold(callId, hold)
    if (!open) return null
    const { opening, account, heldCents } = open
    const rooms = chainOf(opening.keyId, opening.capMonth).flatMap(({ period, capCents }) => {
      const { spentCents, heldCents: held } = used(period)
      return capCents === null ? [] : [capCents - spentCents - held]
    })
    const beyond = Math.min(available(account), ...rooms)
    const takenCents = Math.min(costCents, heldCents + beyond)
    const shortfallCents = costCents - takenCents
    const balanceCents = post(account, {
      ...opening,
      type,
      tenant: tenantIn(opening),
      takenCents,
      holdCents: -heldCents,
      shortfallCents,
      at,
    })
    return { takenCents, shortfallCents, balanceCents }
  }

  return {
    async reserve({ tenant, callId, hold = 0, keyId, amountCents, at }) {
      const capMonth = keyId === null ? null : monthOf(at)
      const account = await lockAll(tenant, keyId, capMonth)
      const move: Move = {
        type: 'reserve',
        tenant: tenantIn(tenant),
        callId,
        messageId: null,
        hold,
        keyId,
        capMonth,
        takenCents: 0,
        holdCents: amountCents,
        shortfallCents: 0,
        at,
      }
      // The unique index speaks before the trigger that knows the balance.
      checkReserved(ofHold(callId, hold))
      const refusal = refusalOf(account, move, amountCents)
      if (refusal) return { ok: false, refusal }
      return { ok: true, value: { balanceCents: post(account, move) } }
    },
    async extend(callId, amountCents, at, hold = 0, txnId = ids.next('txn')) {
      const open = await lockHold(callId, hold)
      if (!open) throw new Bug('a hold was extended that is not open')
      const { opening, account, heldCents } = open
      if (tx.get(transfers, txnId)) {
        return { ok: true, value: { heldCents, balanceCents: available(account) } }
      }
      const move: Move = {
        ...opening,
        type: 'extend',
        tenant: tenantIn(opening),
        takenCents: 0,
        holdCents: amountCents,
        shortfallCents: 0,
        at,
      }
      const refusal = refusalOf(account, move, amountCents)
      if (refusal) return { ok: false, refusal }
      const balanceCents = post(account, move, txnId)
      return { ok: true, value: { heldCents: heldCents + amountCents, balanceCents } }
    },
    settle: (callId, costCents, at, hold = 0) => resolve('settle', { callId, hold }, costCents, at),
    async release(callId, at, hold = 0) {
      return (await resolve('release', { callId, hold }, 0, at)) !== null
    },
    async held(callId, hold = 0) {
      const its = ofHold(callId, hold)
      if (its.length === 0 || its.some((row) => RESOLVING.includes(row.type))) return null
      return its.reduce((sum, row) => sum + row.holdCents, 0)
    },
    async charge({ tenant, messageId, keyId, amountCents, at }) {
      const capMonth = keyId === null ? null : monthOf(at)
      const account = await lockAll(tenant, keyId, capMonth)
      const move: Move = {
        type: 'charge',
        tenant: tenantIn(tenant),
        callId: null,
        messageId,
        hold: 0,
        keyId,
        capMonth,
        takenCents: amountCents,
        holdCents: 0,
        shortfallCents: 0,
        at,
      }
      const refusal = refusalOf(account, move, amountCents)
      if (refusal) return { ok: false, refusal }
      return { ok: true, value: { balanceCents: post(account, move) } }
    },
    async topUp(tenant, amountCents, _note, at) {
      const account = await lockAll(tenant, null, null)
      const move: Move = {
        type: 'topup',
        tenant: tenantIn(tenant),
        callId: null,
        messageId: null,
        hold: 0,
        keyId: null,
        capMonth: null,
        takenCents: -amountCents,
        holdCents: 0,
        shortfallCents: 0,
        at,
      }
      return { balanceCents: post(account, move) }
    },
    async balance(tenant) {
      const account = tx.get(accounts, accountKey(tenant))
      assert(account, 'every tenant has an account')
      return available(account)
    },
    async posted(tenant) {
      const account = tx.get(accounts, accountKey(tenant))
      assert(account, 'every tenant has an account')
      return account.postedCents
    },
    async list(tenant, page) {
      const own = tx.all(transfers).filter((row) => accountKey(row) === accountKey(tenant))
      const before = own.find(({ id }) => id === page.cursor)?.seq ?? Infinity
      const older = page.cursor === null ? own : own.filter(({ seq }) => seq < before)
      return pageOf(older, page, ({ seq }) => seq).map(shown)
    },
    verify: async () => verifyModel(tx, rows),
  }
}

function checkReserved(its: readonly TransferRow[]): void {
  if (its.length > 0) throw refused('23505 one_hold_per_leg')
}

function tenantIn({ workspaceId, environment }: Tenant): Tenant {
  return { workspaceId, environment }
}

function monthOf(at: number): string {
  return new Date(at).toISOString().slice(0, 7)
}

function shown(row: TransferRow): TransactionRow {
  const { id, workspaceId, environment, type, amountCents, balanceAfterCents } = row
  const { callId, messageId, keyId, createdAt } = row
  return {
    id,
    workspaceId,
    environment,
    type,
    amountCents,
    balanceAfterCents,
    callId,
    messageId,
    keyId,
    createdAt,
  }
}

/** Accounts and caps against the sum of their postings. */
function verifyModel(tx: Transaction, { accounts, transfers }: LedgerRows) {
  const problems: { tenant: Tenant; problem: string }[] = []
  const sums = new Map<string, { available: number; held: number }>()
  for (const row of tx.all(transfers)) {
    const sum = sums.get(accountKey(row)) ?? { available: 0, held: 0 }
    sum.available += row.amountCents
    sum.held += row.holdCents
    sums.set(accountKey(row), sum)
  }
  for (const account of tx.all(accounts)) {
    const { available, held } = sums.get(accountKey(account)) ?? { available: 0, held: 0 }
    const agrees =
      account.postedCents - account.heldCents === available && account.heldCents === held
    if (!agrees || available < 0) {
      problems.push({
        tenant: tenantIn(account),
        problem: 'the account differs from the sum of its postings',
      })
    }
  }
  return problems
}
