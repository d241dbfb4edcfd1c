// The processes of the model, and the calls that none of them runs, judged by the clock of the database.
import type { Clock } from '@saperly/kernel'
import type { CallRow, ProcessRow, Tables } from '../../../packages/server/src/store/port.ts'
import { type ModelTable, refused, type Transaction } from './rows.ts'

const UNFINISHED_MAX = 1_000

export interface ProcessRows {
  processes: ModelTable<ProcessRow>
  calls: ModelTable<CallRow>
}

function unfinishedOf(tx: Transaction, { calls }: ProcessRows): CallRow[] {
  return tx
    .group(calls)
    .filter(({ state }) => state !== 'ended')
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

export function processTable(
  tx: Transaction,
  rows: ProcessRows,
  clock: Clock,
): Tables['processes'] {
  const { processes } = rows
  const byId = (): ProcessRow[] => tx.group(processes).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const runsACall = (id: string): boolean =>
    unfinishedOf(tx, rows).some(({ processId }) => processId === id)
  return {
    async join({ id, role, at }, leaseMs) {
      if (await tx.forUpdate(processes, id)) throw refused('23505 process')
      const leaseUntil = clock.now() + leaseMs
      tx.put(processes, id, { id, role, startedAt: at, beatAt: at, leaseUntil, lostAt: null })
    },
    async beat(id, at, leaseMs) {
      const row = await tx.forUpdate(processes, id)
      if (!row || row.lostAt !== null) return false
      tx.put(processes, id, { ...row, beatAt: at, leaseUntil: clock.now() + leaseMs })
      return true
    },
    async leave(id) {
      const row = await tx.forUpdate(processes, id)
      if (!row) return
      tx.put(processes, id, runsACall(id) ? { ...row, lostAt: clock.now() } : null)
    },
    async declareLost(by, whom) {
      const lost: string[] = []
      const now = clock.now()
      for (const { id } of byId()) {
        const row = await tx.forUpdate(processes, id)
        if (!row || row.lostAt !== null || id === by) continue
        if (whom === 'lapsed' && row.leaseUntil >= now) continue
        tx.put(processes, id, { ...row, lostAt: now })
        lost.push(id)
      }
      return lost
    },
    async forget() {
      for (const { id, lostAt } of byId()) {
        if (lostAt === null || runsACall(id)) continue
        if (await tx.forUpdate(processes, id)) tx.put(processes, id, null)
      }
    },
    list: async () => byId(),
  }
}

/** The part of the calls that asks who runs them. */
export function ownershipOf(
  tx: Transaction,
  rows: ProcessRows,
): Pick<Tables['calls'], 'unfinished' | 'takeOver'> {
  const { calls, processes } = rows
  const isAlive = (id: string | null): boolean =>
    id !== null && tx.get(processes, id)?.lostAt === null
  return {
    unfinished: async (processId, except = []) =>
      unfinishedOf(tx, rows)
        .filter((row) => row.processId === processId && !except.includes(row.id))
        .slice(0, UNFINISHED_MAX),
    async takeOver(processId, limit) {
      const taken: CallRow[] = []
      if (!isAlive(processId)) return taken
      for (const { id, processId: former } of unfinishedOf(tx, rows)) {
        if (taken.length === limit) break
        if (isAlive(former) || !tx.takeFree(calls, id)) continue
        const row = tx.get(calls, id)
        if (!row || row.state === 'ended' || isAlive(row.processId)) continue
        const beatAt = (row.processId && tx.get(processes, row.processId)?.beatAt) || 0
        const heartbeatAt = Math.max(row.heartbeatAt, beatAt)
        const mine = { ...row, processId, heartbeatAt }
        tx.put(calls, id, mine)
        taken.push(mine)
      }
      return taken
    },
  }
}
