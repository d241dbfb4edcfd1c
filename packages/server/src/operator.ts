// What only the operator of a platform can do: directly on its database, also while a server is running on it.
import { type Clock, Ids, systemRandom, SystemClock, countryOf } from '@saperly/kernel'
import type { Environment } from '@saperly/network'
import { importOptOuts } from './consent/opt-out-import.ts'
import { openDatabase } from './operator-database.ts'
import { OperatorError } from './operator-error.ts'
import { exportTrail, verifyExport } from './audit/export.ts'
import { createWorkspace, DEFAULT_WORKSPACE } from './bootstrap.ts'
import type { Config } from './config.ts'
import { openLog } from './log.ts'
import { erasePerson, type Erased } from './privacy/erase.ts'
import { openKey, storedKey } from './secrets/box.ts'
import { auditKey } from './secrets/derive.ts'
import type { Store, Tables, Tenant, WorkspaceRow } from './store/port.ts'
import { openStore } from './store/postgres.ts'

export interface Operator {
  /** A new workspace with a key for each environment; the only time that the keys are shown. */
  createWorkspace(name: string): Promise<{ workspaceId: string; keys: Record<Environment, string> }>
  workspaces(): Promise<(WorkspaceRow & { balanceCents: Record<Environment, number> })[]>
  /** @throws OperatorError when there is no such workspace */
  topUp(tenant: Tenant, amountCents: number): Promise<{ balanceCents: number }>
  /**
   * Makes a number of the operator's own carrier one of the workspace.
   * @throws OperatorError when there is no such workspace, or the number is in use
   */
  importNumber(tenant: Tenant, phoneNumber: string): Promise<{ numberId: string }>
  /**
   * Opts every number of a do-not-call file out of the workspace: all of them, or none.
   * @throws OperatorError when there is no such workspace, or with every fault of the file
   */
  importOptOuts(tenant: Tenant, file: string): Promise<{ added: number; known: number }>
  /**
   * Erases the person with this number from both environments of the workspace.
   * @throws OperatorError when there is no such workspace, or a call with the person is live
   */
  erasePerson(workspaceId: string, peerNumber: string): Promise<Record<Environment, Erased>>
  /** What is wrong with the ledger, in words; empty when every balance is the sum of its postings. */
  verifyLedger(): Promise<string[]>
  /** What is wrong with the audit trail, in words; empty when every chain is whole. */
  verifyAudit(): Promise<string[]>
  /** The trail of one workspace, or of all, as lines that `verifyAuditFile` proves; what was not chained is first. */
  exportAudit(workspaceId: string | null): AsyncIterable<string>
  close(): Promise<void>
}

/**
 * Opens the platform's database: that of `DATABASE_URL`, else the embedded one, whether a server runs it or not.
 * @throws Fault when it is away
 */
export async function openOperator(config: Config): Promise<Operator> {
  const clock = new SystemClock()
  const log = openLog(config.logLevel)
  const random = systemRandom
  const { dataDir, secretKey } = config
  const key = await openKey({ fromEnvironment: secretKey, dataDir, random })
  const database = await openDatabase(config, clock, log)
  try {
    const { address } = database
    const maxLiveCalls = config.limits.liveCalls
    const store = await openStore({
      address,
      clock,
      log,
      auditKey: auditKey(key),
      random,
      maxLiveCalls,
    })
    return operatorOver(store, auditKey(key), clock, async () => {
      await store.close()
      await database.stop()
    })
  } catch (error) {
    await database.stop()
    throw error
  }
}

/**
 * What is wrong with an export of the trail, in words. Needs the installation's key, but not its database.
 * @throws OperatorError when there is no key
 */
export async function verifyAuditFile(
  config: Config,
  lines: AsyncIterable<string>,
): Promise<string[]> {
  const key = await storedKey({ fromEnvironment: config.secretKey, dataDir: config.dataDir })
  if (!key) throw new OperatorError('the secret key is missing: set SAPERLY_SECRET_KEY or DATA_DIR')
  return verifyExport(lines, auditKey(key))
}

function operatorOver(
  store: Store,
  trailKey: string,
  clock: Clock,
  close: () => Promise<void>,
): Operator {
  const random = systemRandom
  const ids = new Ids(clock, random)
  const deps = { store, clock, ids, random }
  return {
    close,
    createWorkspace: (name) => createWorkspace(deps, name),
    workspaces: async () => {
      const rows = await store.tables.workspaces.list()
      return Promise.all(
        rows.map(async (row) => ({ ...row, balanceCents: await balances(store.tables, row.id) })),
      )
    },
    topUp: (tenant, amountCents) =>
      store.transaction(async (tables) => {
        await checkWorkspace(tables, tenant.workspaceId)
        const at = clock.now()
        await tables.recharges.pardon(tenant, at)
        const topped = await tables.ledger.topUp(tenant, amountCents, 'operator', at)
        await noted(tables, ids, tenant, 'balance.topped_up', 'workspace', tenant.workspaceId, at, {
          amountCents,
        })
        return topped
      }),
    importNumber: (tenant, phoneNumber) =>
      store.transaction(async (tables) => {
        await checkWorkspace(tables, tenant.workspaceId)
        const numberId = ids.next('num')
        const at = clock.now()
        const inserted = await tables.numbers.insert({
          ...tenant,
          ...importedNumber,
          id: numberId,
          phoneNumber,
          country: countryOf(phoneNumber) ?? 'US',
          createdAt: at,
        })
        if (!inserted) throw new OperatorError('the number is in use already')
        await noted(tables, ids, tenant, 'number.imported', 'number', numberId, at, {})
        return { numberId }
      }),
    importOptOuts: (tenant, file) =>
      store.transaction(async (tables) => {
        await checkWorkspace(tables, tenant.workspaceId)
        const imported = await importOptOuts(tables, ids, { tenant, file, at: clock.now() })
        if (imported.ok) return imported.value
        throw new OperatorError(['nothing was imported:', ...imported.failure].join('\n  '))
      }),
    erasePerson: async (workspaceId, peerNumber) => {
      await checkWorkspace(store.tables, workspaceId)
      const erase = async (environment: Environment): Promise<Erased> => {
        const tenant = { workspaceId, environment }
        const erased = await erasePerson(store, ids, { tenant, peerNumber, at: clock.now() })
        if (erased.ok) return erased.value
        throw new OperatorError(`a ${environment} call with this number is live: end it first`)
      }
      return { test: await erase('test'), live: await erase('live') }
    },
    verifyLedger: async () => {
      const problems = await store.tables.ledger.verify()
      return problems.map(
        ({ tenant, problem }) => `${tenant.workspaceId} (${tenant.environment}): ${problem}`,
      )
    },
    exportAudit: async function* (workspaceId) {
      if (workspaceId !== null) await checkWorkspace(store.tables, workspaceId)
      await store.tables.audit.chain()
      yield* exportTrail(store.tables.audit, trailKey, workspaceId)
    },
    verifyAudit: async () => {
      await store.tables.audit.chain()
      const problems = await store.tables.audit.verify()
      return problems.map(
        ({ workspaceId, auditId, problem }) => `${workspaceId}, entry ${auditId}: ${problem}`,
      )
    },
  }
}

/** The carrier bills the operator for such a number, so that it costs the workspace nothing here. */
const importedNumber = {
  connectionId: null,
  webhookUrl: null,
  smsSenderId: null,
  callerIdName: null,
  numberType: 'local',
  monthlyPriceCents: 0,
  nextChargeAt: null,
  releasedAt: null,
} as const

async function balances(tables: Tables, workspaceId: string): Promise<Record<Environment, number>> {
  const balance = (environment: Environment): Promise<number> =>
    tables.ledger.balance({ workspaceId, environment })
  return { test: await balance('test'), live: await balance('live') }
}

async function checkWorkspace(tables: Tables, id: string): Promise<void> {
  if (await tables.workspaces.get(id)) return
  const known = id === DEFAULT_WORKSPACE ? '; start the server once, to make the first' : ''
  throw new OperatorError(`there is no workspace ${id}${known}`)
}

function noted(
  tables: Tables,
  ids: Ids,
  tenant: Tenant,
  eventType: string,
  targetType: string,
  targetId: string,
  createdAt: number,
  data: Record<string, unknown>,
): Promise<void> {
  const id = ids.next('aud')
  const actor = 'operator'
  return tables.audit.append({
    ...tenant,
    id,
    eventType,
    targetType,
    targetId,
    actor,
    data,
    createdAt,
  })
}
