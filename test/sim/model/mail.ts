// The model's outbox, endpoints, idempotency records and audit trail.
import { type Random, randomHex } from '@saperly/kernel'
import { CHAIN_START, digestOf, linkHash } from '../../../packages/server/src/audit/chain.ts'
import type {
  AuditRow,
  DeliveryRow,
  IdempotencyBegin,
  Tables,
  Tenant,
  WebhookRow,
} from '../../../packages/server/src/store/port.ts'
import { REMEMBERED_MS } from '../../../packages/server/src/store/idempotency.ts'
import { accountKey } from './ledger.ts'
import { pageById, sameTenant, without } from './lists.ts'
import type { ModelTable, Transaction } from './rows.ts'

const CLAIM_MAX = 1000
const RATED_DELIVERIES = 100
const ANY = { perEndpoint: CLAIM_MAX, except: [] as readonly string[] }

export interface IdempotencyRow extends Tenant {
  requestHash: string
  callId: string | null
  startedAt: number
  answer: { status: number; body: string } | null
}

export interface StoredAudit extends AuditRow {
  seq: number
  salt: string
}

export interface StoredDelivery extends DeliveryRow {
  dueAt: number | null
  callId: string | null
  seq: number
}

export interface MailRows {
  webhooks: ModelTable<WebhookRow>
  deliveries: ModelTable<StoredDelivery>
  idempotency: ModelTable<IdempotencyRow>
  /** Grouped by `${tenant}` once chained, by `${tenant} new` before. */
  audits: ModelTable<StoredAudit>
  chains: ModelTable<Tenant & { position: number; hash: string }>
}

export function auditGroup(row: AuditRow): string {
  return row.hash === null ? 'new' : accountKey(row)
}

export function mailTables(
  tx: Transaction,
  rows: MailRows,
  nextSeq: () => number,
): Pick<Tables, 'webhooks' | 'outbox' | 'idempotency'> {
  const { webhooks, deliveries, idempotency } = rows
  const present = (row: WebhookRow | null) => (row && row.deletedAt === null ? row : null)
  const endpoints = (tenant: Tenant): WebhookRow[] =>
    tx
      .group(webhooks)
      .filter((row) => sameTenant(row, tenant) && present(row))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const shown = (row: StoredDelivery): DeliveryRow =>
    without(without(without(row, 'dueAt'), 'callId'), 'seq')
  const due = () => tx.group(deliveries, 'due')
  /** Where no former event of the same call still waits for its first attempt at this endpoint. */
  const mayGo = (row: StoredDelivery): boolean =>
    row.callId === null ||
    !tx
      .all(deliveries)
      .some(
        ({ webhookId, callId, status, seq }) =>
          webhookId === row.webhookId &&
          callId === row.callId &&
          status === 'pending' &&
          seq < row.seq,
      )
  const mayGoTo = (except: readonly string[]) =>
    due().filter((row) => !except.includes(row.webhookId) && mayGo(row))
  return {
    webhooks: {
      insert: (row) => tx.insert(webhooks, row.id, row),
      async get(tenant, id) {
        const row = present(tx.get(webhooks, id))
        return row && sameTenant(row, tenant) ? row : null
      },
      list: async (tenant, page) =>
        pageById(endpoints(tenant), page).map((row) => ({
          ...row,
          successRate: successRate(tx.all(deliveries).filter((d) => d.webhookId === row.id)),
        })),
      async update(row) {
        const old = await tx.forUpdate(webhooks, row.id)
        if (!old || !sameTenant(old, row) || !present(old)) return
        tx.put(webhooks, row.id, { ...row, createdAt: old.createdAt })
        if (row.deletedAt === null) return
        for (const waiting of due().filter(({ webhookId }) => webhookId === row.id)) {
          const dead = { status: 'dead' as const, nextAttemptAt: null, dueAt: null }
          tx.put(deliveries, waiting.id, { ...waiting, ...dead })
        }
      },
    },
    outbox: {
      async emit({ tenant, eventType, payload, at, nextId }) {
        const wanted = endpoints(tenant).filter(
          ({ enabled, events }) => enabled && events.includes(eventType),
        )
        const createdAt = new Date(at).toISOString()
        for (const { id: webhookId } of wanted) {
          const id = nextId()
          await tx.insert(deliveries, id, {
            workspaceId: tenant.workspaceId,
            environment: tenant.environment,
            id,
            webhookId,
            eventType,
            status: 'pending',
            attempts: 0,
            responseStatus: null,
            body: JSON.stringify({ deliveryId: id, eventType, createdAt, payload }),
            lastAttemptAt: null,
            nextAttemptAt: at,
            dueAt: at,
            createdAt: at,
            callId: (payload['callId'] ?? null) as string | null,
            seq: nextSeq(),
          })
        }
        return wanted.length
      },
      insert: (row) =>
        tx.insert(deliveries, row.id, {
          ...row,
          dueAt: row.nextAttemptAt,
          callId: null,
          seq: nextSeq(),
        }),
      async claim(limit, at, leaseMs, { perEndpoint, except } = ANY) {
        const each = new Map<string, number>()
        const taken = mayGoTo(except)
          .filter(({ dueAt }) => dueAt! <= at)
          .toSorted((a, b) => a.dueAt! - b.dueAt! || a.seq - b.seq)
          .filter(({ webhookId }) => {
            const count = (each.get(webhookId) ?? 0) + 1
            each.set(webhookId, count)
            return count <= perEndpoint
          })
          .slice(0, Math.min(limit, CLAIM_MAX))
        for (const row of taken) tx.put(deliveries, row.id, { ...row, dueAt: at + leaseMs })
        return taken
          .toSorted((a, b) => a.nextAttemptAt! - b.nextAttemptAt! || a.seq - b.seq)
          .map((row) => ({ ...shown(row), webhook: tx.get(webhooks, row.webhookId)! }))
      },
      async settle(id, { status, responseStatus, at, nextAttemptAt }) {
        const row = await tx.forUpdate(deliveries, id)
        if (!row || row.dueAt === null) return
        tx.put(deliveries, id, {
          ...row,
          status,
          responseStatus,
          lastAttemptAt: at,
          nextAttemptAt,
          dueAt: nextAttemptAt,
          attempts: row.attempts + 1,
        })
      },
      async get(tenant, id) {
        const row = tx.get(deliveries, id)
        return row && sameTenant(row, tenant) ? shown(row) : null
      },
      list: async (tenant, webhookId, status, page) =>
        pageById(
          tx
            .all(deliveries)
            .filter(
              (row) =>
                sameTenant(row, tenant) &&
                row.webhookId === webhookId &&
                (status === null || row.status === status),
            ),
          page,
        ).map(shown),
      async replay(tenant, id, at) {
        const row = await tx.forUpdate(deliveries, id)
        if (!row || !sameTenant(row, tenant)) return null
        if (row.dueAt !== null) return shown(row)
        const again = { ...row, status: 'pending' as const, attempts: 0 }
        tx.put(deliveries, id, { ...again, nextAttemptAt: at, dueAt: at })
        return shown({ ...again, nextAttemptAt: at, dueAt: at })
      },
      async replayRange(tenant, webhookId, { since, until, statuses }, limit, at) {
        const inRange = () =>
          tx
            .all(deliveries)
            .filter(
              (row) =>
                sameTenant(row, tenant) &&
                row.webhookId === webhookId &&
                row.createdAt >= since &&
                row.createdAt < until &&
                statuses.includes(row.status) &&
                row.dueAt === null,
            )
            .toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
        const chosen = inRange().slice(0, limit)
        for (const row of chosen) {
          const again = { ...row, status: 'pending' as const, attempts: 0 }
          tx.put(deliveries, row.id, { ...again, nextAttemptAt: at, dueAt: at })
        }
        const nextSince = chosen.length < limit ? null : (inRange()[0]?.createdAt ?? null)
        return { count: chosen.length, nextSince }
      },
      async nextDueAt(except = []) {
        const times = mayGoTo(except).map(({ dueAt }) => dueAt!)
        return times.length === 0 ? null : times.reduce((least, one) => Math.min(least, one))
      },
    },
    idempotency: {
      async begin({ tenant, keyId, key, requestHash, at }) {
        const name = `${keyId} ${key}`
        const found = await tx.forUpdate(idempotency, name)
        if (found && found.startedAt > at - REMEMBERED_MS) return stateOf(found, requestHash)
        const { workspaceId, environment } = tenant
        const fresh = { workspaceId, environment, requestHash, callId: null, startedAt: at }
        tx.put(idempotency, name, { ...fresh, answer: null })
        return { state: 'fresh' }
      },
      async nameCall(keyId, key, callId) {
        const row = await tx.forUpdate(idempotency, `${keyId} ${key}`)
        if (!row || (row.callId !== null && row.callId !== callId)) return false
        tx.put(idempotency, `${keyId} ${key}`, { ...row, callId })
        return true
      },
      async complete(keyId, key, { status, body }) {
        const row = await tx.forUpdate(idempotency, `${keyId} ${key}`)
        if (row) tx.put(idempotency, `${keyId} ${key}`, { ...row, answer: { status, body } })
      },
      async free(keyId, key) {
        if (await tx.forUpdate(idempotency, `${keyId} ${key}`)) {
          tx.put(idempotency, `${keyId} ${key}`, null)
        }
      },
    },
  }
}

function stateOf(found: IdempotencyRow, requestHash: string): IdempotencyBegin {
  if (found.requestHash !== requestHash) return { state: 'mismatch' }
  if (found.answer) return { state: 'done', ...found.answer }
  return { state: 'running', callId: found.callId, startedAt: found.startedAt }
}

function successRate(its: readonly DeliveryRow[]): number | null {
  const rated = its
    .filter(({ status }) => status !== 'pending')
    .toSorted((a, b) => (a.id < b.id ? 1 : -1))
    .slice(0, RATED_DELIVERIES)
  if (rated.length === 0) return null
  return rated.filter(({ status }) => status === 'delivered').length / rated.length
}

export function auditTable(
  tx: Transaction,
  { audits, chains }: MailRows,
  from: { random: Random; auditKey: string; nextSeq: () => number },
): Omit<Tables['audit'], 'ends' | 'links'> {
  const { random, auditKey, nextSeq } = from
  return {
    async append(row) {
      const salt = randomHex(random, 16)
      const data = JSON.parse(JSON.stringify(row.data)) as Record<string, unknown>
      await tx.insert(audits, row.id, {
        ...row,
        data,
        salt,
        dataDigest: digestOf(auditKey, salt, data),
        seq: nextSeq(),
        hash: null,
        previousHash: null,
      })
    },
    list: async (tenant, page) =>
      pageById(
        tx.all(audits).filter((row) => sameTenant(row, tenant)),
        page,
      ).map((row) => without(without(row, 'seq'), 'salt')),
    async chain() {
      const fresh = tx.group(audits, 'new').toSorted((a, b) => a.seq - b.seq)
      for (const row of fresh) {
        const { workspaceId, environment } = row
        const end = (await tx.forUpdate(chains, accountKey(row))) ?? {
          workspaceId,
          environment,
          position: 0,
          hash: CHAIN_START,
        }
        const hash = linkHash(end.hash, row)
        tx.put(audits, row.id, { ...row, hash, previousHash: end.hash })
        tx.put(chains, accountKey(row), { ...end, position: end.position + 1, hash })
      }
      return fresh.length
    },
    async verify() {
      const problems: { workspaceId: string; auditId: string; problem: string }[] = []
      for (const { workspaceId, environment, hash: last } of tx.group(chains)) {
        const next = new Map(
          tx
            .group(audits, accountKey({ workspaceId, environment }))
            .map((row) => [row.previousHash, row]),
        )
        let hash = CHAIN_START
        for (let row = next.get(hash); row; row = next.get(hash)) {
          if (linkHash(hash, row) !== row.hash) {
            problems.push({ workspaceId, auditId: row.id, problem: 'was changed' })
          }
          hash = row.hash!
        }
        if (hash !== last) {
          const problem = 'the end of the chain is missing'
          problems.push({ workspaceId, auditId: '', problem })
        }
      }
      return problems
    },
  }
}
