// Where the ledger is measured: a database of its own on the embedded server and on DATABASE_URL, with workspaces.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from '../../node_modules/pg/lib/index.js'
import { SystemClock, silentLog } from '../../packages/kernel/dist/index.js'
import { startEmbedded } from '../../packages/server/dist/store/embedded/supervisor.js'
import { openStore } from '../../packages/server/dist/store/postgres.js'

const NAME = 'saperly_bench_ledger'
const WORKSPACES = 100
const RICH_CENTS = 1_000_000_000
const CAP_CENTS = 1_000_000_000

export const environment = 'test'

/** The servers to measure on: ours, and the operator's if the environment names one. */
export async function openServers() {
  const dataDir = await mkdtemp(join(tmpdir(), 'saperly-bench-'))
  const embedded = await startEmbedded({ dataDir, clock: new SystemClock(), log: silentLog })
  const url = process.env.DATABASE_URL
  const own = {
    name: 'embedded',
    address: embedded.address,
    close: async () => {
      await embedded.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  return url ? [own, { name: 'DATABASE_URL', address: { url }, close: async () => {} }] : [own]
}

/** The address of another database on the same server. */
export function beside(address, database) {
  if (!address.url) return { ...address, database }
  const url = new URL(address.url)
  url.pathname = `/${database}`
  return { url: url.href }
}

export function connectionOf(address) {
  return address.url ? { connectionString: address.url } : address
}

export async function statement(address, text) {
  const client = new pg.Client(connectionOf(address))
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** A fresh database on the server: a store, a hundred rich workspaces each with a capped key, and a way to drop it. */
export async function openDatabase(server) {
  await statement(server.address, `drop database if exists ${NAME}`)
  await statement(server.address, `create database ${NAME}`)
  const address = beside(server.address, NAME)
  const store = await openStore({
    address,
    clock: new SystemClock(),
    log: silentLog,
    auditKey: 'bench',
    maxLiveCalls: 1_000_000,
  })
  const tenants = []
  for (let index = 0; index < WORKSPACES; index++) tenants.push(await furnish(store, index))
  const [version] = await statement(address, 'show server_version')
  const [fsync] = await statement(address, 'show fsync')
  return {
    address,
    store,
    tenants,
    about: `PostgreSQL ${version.server_version}, fsync ${fsync.fsync}`,
    close: async () => {
      await store.close()
      await statement(server.address, `drop database ${NAME}`)
    },
  }
}

async function furnish({ tables }, index) {
  const workspaceId = `ws_${index}`
  const keyId = `key_${index}`
  const at = Date.now()
  const tenant = { workspaceId, environment }
  await tables.workspaces.create({ id: workspaceId, name: workspaceId, createdAt: at })
  await tables.keys.insert({
    ...tenant,
    id: keyId,
    name: keyId,
    prefix: 'sk_test_bench',
    hash: String(index).padStart(64, '0'),
    scopes: ['calls:create'],
    numberScope: null,
    spendLimitCents: CAP_CENTS,
    spendLimitResetPeriod: 'monthly',
    mintedByTokenId: null,
    expiresAt: null,
    lastUsedAt: null,
    createdAt: at,
    revokedAt: null,
  })
  await tables.ledger.topUp(tenant, RICH_CENTS, 'bench', at)
  return { tenant, keyId }
}
