// The aggregates of the model apart from money and mail: tenants, numbers, consent, calls and what happened in them.
import { assert, type Ids } from '@saperly/kernel'
import type { TracedMessage } from '@saperly/network'
import { peerHash } from '../../../packages/server/src/audit/peer-hash.ts'
import type {
  CallRow,
  ConnectionRow,
  ConsentRow,
  EventRow,
  KeyRow,
  NumberRow,
  Tables,
  Tenant,
  TurnRow,
  WorkspaceRow,
} from '../../../packages/server/src/store/port.ts'
import { PSEUDONYM_LENGTH } from '../../../packages/server/src/store/consent.ts'
import { accountKey, type AccountRow, type LedgerRows } from './ledger.ts'
import { pageById, pageByTime, sameTenant, without } from './lists.ts'
import { ownershipOf, type ProcessRows } from './processes.ts'
import { type ModelTable, refused, type Transaction } from './rows.ts'

/** Credit of a new workspace in each environment. */
const WELCOME_CREDIT_CENTS = 500
const SIGNALLING_KEPT_MS = 30 * 24 * 3_600_000
const TOUCH_EVERY_MS = 60_000
const EVENTS_MAX = 10_000

export interface OptOutRow extends Tenant {
  id: string
  peerNumber: string
  source: string
  reason: string | null
  optedOutAt: number
  liftedAt: number | null
}

export interface PlaceRows extends LedgerRows, ProcessRows {
  workspaces: ModelTable<WorkspaceRow>
  numbers: ModelTable<NumberRow>
  connections: ModelTable<ConnectionRow>
  /** Grouped by {@link pairOf}. */
  consents: ModelTable<ConsentRow>
  /** Grouped by {@link peerOf}; the key of the one in force is the group itself. */
  optOuts: ModelTable<OptOutRow>
  /** Grouped by call. */
  events: ModelTable<EventRow & { seq: number }>
  turns: ModelTable<TurnRow>
  signalling: ModelTable<{ messages: readonly TracedMessage[]; at: number }>
}

export function pairOf(row: Tenant & { numberId: string; peerNumber: string }): string {
  return `${accountKey(row)}/${row.numberId}/${row.peerNumber}`
}

export function peerOf(row: Tenant & { peerNumber: string }): string {
  return `${accountKey(row)}/${row.peerNumber}`
}

/** Whether a row of consent is in force at `at`. */
export function inForce(row: ConsentRow, at: number): boolean {
  return row.revokedAt === null && (row.expiresAt === null || row.expiresAt > at)
}

export function tenantTables(
  tx: Transaction,
  rows: PlaceRows,
  money: Tables['ledger'],
  maxLiveCalls: number,
): Pick<Tables, 'workspaces' | 'keys' | 'numbers' | 'connections'> {
  const { workspaces, keys, numbers, connections, accounts, periods } = rows
  const spending = (key: KeyRow, at: number) => {
    const month = new Date(at).toISOString().slice(0, 7)
    const period = key.spendLimitResetPeriod === 'monthly' ? month : 'life'
    const { spentCents, heldCents } = tx.get(periods, `${key.id}/${period}`) ?? {
      spentCents: 0,
      heldCents: 0,
    }
    return { ...key, spentThisPeriodCents: spentCents + heldCents }
  }
  const ofTenant = <R extends Tenant & { id: string }>(
    table: ModelTable<R>,
    tenant: Tenant,
    id: string,
  ): R | null => {
    const row = tx.get(table, id)
    return row && sameTenant(row, tenant) ? row : null
  }
  const present = (row: ConnectionRow | null) => (row && row.deletedAt === null ? row : null)
  const activeKey = (row: Pick<NumberRow, 'environment' | 'phoneNumber'>): string =>
    `number in use ${row.environment} ${row.phoneNumber}`
  const active = (environment: string, phoneNumber: string): NumberRow | null =>
    tx
      .group(numbers)
      .find(
        (row) =>
          row.environment === environment &&
          row.phoneNumber === phoneNumber &&
          row.releasedAt === null,
      ) ?? null
  return {
    workspaces: {
      async create(row) {
        await tx.insert(workspaces, row.id, row)
        for (const environment of ['test', 'live'] as const) {
          const tenant = { workspaceId: row.id, environment }
          const account: AccountRow = {
            ...tenant,
            postedCents: 0,
            heldCents: 0,
            openHolds: 0,
            maxOpenHolds: maxLiveCalls,
          }
          await tx.insert(accounts, accountKey(tenant), account)
          await money.topUp(tenant, WELCOME_CREDIT_CENTS, 'welcome credit', row.createdAt)
        }
      },
      get: async (id) => tx.get(workspaces, id),
      list: async () => tx.group(workspaces).toSorted((a, b) => (a.id < b.id ? 1 : -1)),
    },
    keys: {
      async insert(row) {
        const parent = row.mintedByTokenId === null ? null : tx.get(keys, row.mintedByTokenId)
        await tx.insert(keys, row.id, {
          ...row,
          revokedAt: row.revokedAt ?? parent?.revokedAt ?? null,
        })
      },
      findByHash: async (hash) => tx.group(keys).find((row) => row.hash === hash) ?? null,
      async get(tenant, id, at) {
        const key = ofTenant(keys, tenant, id)
        return key && spending(key, at)
      },
      async list(tenant, page, at) {
        const own = tx.group(keys).filter((row) => sameTenant(row, tenant))
        return pageById(own, page).map((key) => spending(key, at))
      },
      async revokeTree(tenant, id, at) {
        const revoked: string[] = []
        const below = [id]
        for (let next = below.shift(); next !== undefined; next = below.shift()) {
          const key = await tx.forUpdate(keys, next)
          if (!key || !sameTenant(key, tenant)) continue
          below.push(...tx.group(keys).flatMap((k) => (k.mintedByTokenId === key.id ? k.id : [])))
          if (key.revokedAt !== null) continue
          tx.put(keys, key.id, { ...key, revokedAt: at })
          revoked.push(key.id)
        }
        return revoked
      },
      async touch(id, at) {
        const key = await tx.forUpdate(keys, id)
        if (!key || (key.lastUsedAt !== null && key.lastUsedAt > at - TOUCH_EVERY_MS)) return
        tx.put(keys, id, { ...key, lastUsedAt: at })
      },
    },
    numbers: {
      async insert(row) {
        await tx.lock(activeKey(row))
        if (row.releasedAt === null && active(row.environment, row.phoneNumber)) return false
        await tx.insert(numbers, row.id, row)
        return true
      },
      get: async (tenant, id) => ofTenant(numbers, tenant, id),
      findActive: async (environment, phoneNumber) => active(environment, phoneNumber),
      list: async (tenant, numberIds, page) =>
        pageById(
          tx
            .group(numbers)
            .filter((row) => sameTenant(row, tenant) && (numberIds?.includes(row.id) ?? true)),
          page,
        ),
      async update(tenant, id, patch) {
        const row = await tx.forUpdate(numbers, id)
        if (!row || !sameTenant(row, tenant)) return null
        const changed = { ...row, ...given(patch) }
        tx.put(numbers, id, changed)
        return changed
      },
    },
    connections: {
      insert: (row) => tx.insert(connections, row.id, row),
      get: async (tenant, id) => present(ofTenant(connections, tenant, id)),
      findById: async (id) => present(tx.get(connections, id)),
      list: async (tenant, page) =>
        pageById(
          tx.group(connections).filter((row) => sameTenant(row, tenant) && present(row)),
          page,
        ),
      async update(row) {
        const old = await tx.forUpdate(connections, row.id)
        if (!old || !sameTenant(old, row) || !present(old)) return
        tx.put(connections, row.id, { ...row, createdAt: old.createdAt })
      },
    },
  }
}

export function consentTable(
  tx: Transaction,
  rows: PlaceRows,
  { ids, auditKey }: { ids: Ids; auditKey: string },
): Tables['consent'] {
  const { consents, optOuts } = rows
  const shownOptOut = ({ id, peerNumber, source, reason, optedOutAt }: OptOutRow) => ({
    id,
    peerNumber,
    source,
    reason,
    optedOutAt,
  })
  const optOut = async (
    tenant: Tenant,
    peerNumber: string,
    source: string,
    at: number,
    reason: string | null = null,
  ) => {
    const { workspaceId, environment } = tenant
    const about = { workspaceId, environment, peerNumber, source, reason }
    const row = { ...about, id: ids.next('opt'), optedOutAt: at, liftedAt: null }
    if (await tx.forUpdate(optOuts, peerOf(row))) return 0
    tx.put(optOuts, peerOf(row), row)
    return 1
  }
  const inForceOf = (tenant: Tenant, numberId: string, peerNumber: string, at: number) =>
    tx
      .group(consents, pairOf({ ...tenant, numberId, peerNumber }))
      .filter((row) => inForce(row, at))
      .toSorted((a, b) => b.grantedAt - a.grantedAt || (a.id < b.id ? 1 : -1))
  const isOptedOut = (tenant: Tenant, peerNumber: string): boolean =>
    tx.get(optOuts, peerOf({ ...tenant, peerNumber })) !== null
  return {
    grant: (row) => tx.insert(consents, row.id, row),
    async revoke(tenant, numberId, peerNumber, at) {
      let strongest: ConsentRow | null = null
      for (const { id } of inForceOf(tenant, numberId, peerNumber, at)) {
        const row = await tx.forUpdate(consents, id)
        if (!row || !inForce(row, at)) continue
        const ended = { ...row, revokedAt: at }
        tx.put(consents, id, ended)
        strongest ??= ended
      }
      return strongest
    },
    async active(tenant, numberId, peerNumber, at) {
      const found = inForceOf(tenant, numberId, peerNumber, at)
      return found.find((row) => row.consentType === 'explicit_outbound') ?? found[0] ?? null
    },
    list: async (tenant, { numberId, peerNumber, numberIds }, page) =>
      pageById(
        tx
          .all(consents)
          .filter(
            (row) =>
              sameTenant(row, tenant) &&
              (numberId === null || row.numberId === numberId) &&
              (peerNumber === null || row.peerNumber === peerNumber) &&
              (numberIds?.includes(row.numberId) ?? true),
          ),
        page,
      ),
    async optOut(tenant, peerNumber, source, at, reason = null) {
      await optOut(tenant, peerNumber, source, at, reason)
      return shownOptOut(tx.get(optOuts, peerOf({ ...tenant, peerNumber }))!)
    },
    async optOutAll(tenant, peerNumbers, source, at) {
      let count = 0
      for (const peerNumber of peerNumbers) count += await optOut(tenant, peerNumber, source, at)
      return count
    },
    optOuts: async (tenant, { peerNumber }, page) =>
      pageById(
        tx
          .all(optOuts)
          .filter(
            (row) =>
              sameTenant(row, tenant) &&
              row.liftedAt === null &&
              (peerNumber === null || row.peerNumber === peerNumber),
          ),
        page,
      ).map(shownOptOut),
    async liftOptOut(tenant, peerNumber, _source, at) {
      const key = peerOf({ ...tenant, peerNumber })
      const row = await tx.forUpdate(optOuts, key)
      if (!row) return false
      tx.put(optOuts, key, null)
      tx.put(optOuts, `${key} lifted ${at}`, { ...row, liftedAt: at })
      return true
    },
    isOptedOut: async (tenant, peerNumber) => isOptedOut(tenant, peerNumber),
    pseudonym: (tenant, peerNumber) =>
      `peer_${peerHash(auditKey, tenant, peerNumber).slice(0, PSEUDONYM_LENGTH)}`,
    standing: async (tenant, numberId, peerNumber, at) => ({
      optedOut: isOptedOut(tenant, peerNumber),
      consented: inForceOf(tenant, numberId, peerNumber, at).length > 0,
    }),
  }
}

export function callTables(
  tx: Transaction,
  rows: PlaceRows,
  nextSeq: () => number,
): Pick<Tables, 'calls' | 'events' | 'transcripts' | 'signalling'> {
  const { calls, events, turns, signalling, numbers, connections } = rows
  const isRunBy = async (callId: string, processId: string | null): Promise<boolean> =>
    (await tx.forUpdate(calls, callId))?.processId === processId
  return {
    calls: {
      async insert(row) {
        if (!tx.get(numbers, row.numberId) || !tx.get(connections, row.connectionId)) {
          throw refused('23503 call')
        }
        await tx.insert(calls, row.id, row)
      },
      async get(tenant, id) {
        const row = tx.get(calls, id)
        return row && sameTenant(row, tenant) ? row : null
      },
      async list(tenant, { status, numberId, numberIds, to, since, until }, page) {
        const own = tx.group(calls).filter((row) => sameTenant(row, tenant))
        const wanted = (row: CallRow): boolean =>
          (status === null || row.status === status) &&
          (numberId === null || row.numberId === numberId) &&
          (numberIds?.includes(row.numberId) ?? true) &&
          (to === null || row.to === to) &&
          (since === null || row.createdAt >= since) &&
          (until === null || row.createdAt < until)
        return pageByTime(own, wanted, page)
      },
      async change({ id, processId }, from, patch) {
        const row = await tx.forUpdate(calls, id)
        if (!row || row.processId !== processId || !from.includes(row.state)) return null
        const changed = { ...row, ...given(patch) }
        guardCall(row, changed)
        tx.put(calls, id, changed)
        return changed
      },
      ...ownershipOf(tx, rows),
      async usage(tenant, since) {
        const counted = tx
          .group(calls)
          .filter((row) => sameTenant(row, tenant) && row.createdAt >= (since ?? -Infinity))
        return {
          count: counted.length,
          totalCostCents: counted.reduce((sum, row) => sum + (row.costCents ?? 0), 0),
          totalDurationSec: counted.reduce((sum, row) => sum + (row.durationSec ?? 0), 0),
        }
      },
    },
    events: {
      async append(row, runBy) {
        if (runBy !== undefined && !(await isRunBy(row.callId, runBy))) return
        assert(tx.get(calls, row.callId), 'an event belongs to a call that exists')
        const data = JSON.parse(JSON.stringify(row.data)) as Record<string, unknown>
        if (await tx.forUpdate(events, row.id)) return
        tx.put(events, row.id, { ...row, data, seq: nextSeq() })
      },
      async list(callId, afterId) {
        const after = afterId === null ? 0 : (tx.get(events, afterId)?.seq ?? 0)
        return tx
          .group(events, callId)
          .filter(({ seq }) => seq > after)
          .toSorted((a, b) => a.seq - b.seq)
          .slice(0, EVENTS_MAX)
          .map((row) => without(row, 'seq'))
      },
    },
    transcripts: {
      async append(row, runBy) {
        if (runBy !== undefined && !(await isRunBy(row.callId, runBy))) return
        assert(tx.get(calls, row.callId), 'a turn belongs to a call that exists')
        const key = `${row.callId}/${row.position}`
        if (!(await tx.forUpdate(turns, key))) tx.put(turns, key, row)
      },
      count: async (callId) => tx.group(turns, callId).length,
      list: async (callId) => tx.group(turns, callId).toSorted((a, b) => a.position - b.position),
    },
    signalling: {
      async keep(callId, messages, at) {
        if (!(await tx.forUpdate(signalling, callId))) tx.put(signalling, callId, { messages, at })
      },
      async get(callId, at) {
        const kept = tx.get(signalling, callId)
        return kept && kept.at >= at - SIGNALLING_KEPT_MS ? kept.messages : []
      },
    },
  }
}

/** What the database's trigger and constraint on calls refuse. */
function guardCall(old: CallRow, changed: CallRow): void {
  const final = old.status !== 'initiated' && changed.status !== old.status
  const revived = old.state === 'ended' && changed.state !== 'ended'
  if (final || revived) throw refused('23001 guard_call')
  if (changed.state === 'ended' && (changed.status === 'initiated' || changed.endedAt === null)) {
    throw refused('23514 ended_is_final')
  }
}

/** The fields that a patch has. */
function given<P extends object>(patch: P): P {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as P
}
