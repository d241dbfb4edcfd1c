// Stores for tests: a real PostgreSQL in a folder of its own, and a fresh database for every store.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, type Log, type Random, SystemClock, silentLog } from '@saperly/kernel'
import pg from 'pg'
import { type DatabaseAddress, connectionConfig } from './database.ts'
import { type EmbeddedDatabase, startEmbedded } from './embedded/supervisor.ts'
import { migrate } from './migrate.ts'
import type { Store } from './port.ts'
import { openStore } from './postgres.ts'

const TEMPLATE = 'saperly_template'
const DEBIAN_BIN = '/usr/lib/postgresql/15/bin'

/** A PostgreSQL of another hand and age, or null; CI asks for it, elsewhere its absence is said. */
export const debianPostgres: string | null = existsSync(`${DEBIAN_BIN}/initdb`) ? DEBIAN_BIN : null
if (debianPostgres === null) {
  const missing = 'no PostgreSQL 15 (Debian: apt-get install postgresql-15)'
  if (process.env['SAPERLY_TEST_PEERS'] === 'required') throw new Error(missing)
  process.stderr.write(`the store is not tried on a second server: ${missing}\n`)
}

/** The servers that the store is proved on: the embedded one, and Debian's where the machine has it. */
export const serversUnderTest: readonly { name: string; binDir?: string }[] = [
  { name: 'the embedded PostgreSQL' },
  ...(debianPostgres === null ? [] : [{ name: 'PostgreSQL 15', binDir: debianPostgres }]),
]

export interface TestStoreOptions {
  clock?: Clock
  log?: Log
  random?: Random
  auditKey?: string
  maxLiveCalls?: number
}

export interface TestStore {
  store: Store
  address: DatabaseAddress
  /** One statement past the store, on a connection of its own: what an intruder, or a look behind the scenes, needs. */
  raw<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** A second store on the same database: another process of the same installation. */
  another(): Promise<Store>
  close(): Promise<void>
}

export interface TestServer {
  open(options?: TestStoreOptions): Promise<TestStore>
  stop(): Promise<void>
}

/** One server for all tests of a file: start it in `beforeAll`, stop it in `afterAll`. About a second. */
export async function startTestServer(options: { binDir?: string } = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'saperly-store-'))
  const embedded = await startEmbedded({
    dataDir: folder,
    clock: new SystemClock(),
    log: silentLog,
    ...options,
  })
  const at = (database: string): DatabaseAddress => ({ ...embedded.address, database })
  await statement(at('postgres'), `create database ${TEMPLATE}`)
  await migrate(at(TEMPLATE), silentLog)
  let count = 0
  return {
    async open(storeOptions = {}) {
      const name = `saperly_${++count}`
      await statement(at('postgres'), `create database ${name} template ${TEMPLATE}`)
      return openOn(at(name), storeOptions)
    },
    stop: () => stopAndRemove(embedded, folder),
  }
}

/** A store with a server of its own, which ends with it. For a file with a single test, or a whole world. */
export async function openTestStore(options: TestStoreOptions = {}): Promise<TestStore> {
  const server = await startTestServer()
  const opened = await server.open(options)
  return {
    ...opened,
    async close() {
      await opened.close()
      await server.stop()
    },
  }
}

async function openOn(address: DatabaseAddress, options: TestStoreOptions): Promise<TestStore> {
  const stores: Store[] = []
  const another = async (): Promise<Store> => {
    const store = await openStore({
      address,
      clock: new SystemClock(),
      log: silentLog,
      auditKey: 'audit key of the tests',
      ...options,
    })
    stores.push(store)
    return store
  }
  return {
    store: await another(),
    address,
    raw: (text, values) => statement(address, text, values),
    another,
    async close() {
      await Promise.all(stores.map((store) => store.close()))
    },
  }
}

async function statement<R extends pg.QueryResultRow>(
  address: DatabaseAddress,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client(connectionConfig(address))
  // A server that dies under the statement is told by its promise.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<R>(text, [...values])).rows
  } finally {
    await client.end()
  }
}

async function stopAndRemove(embedded: EmbeddedDatabase, folder: string): Promise<void> {
  await embedded.stop()
  await rm(folder, { recursive: true, force: true })
}
