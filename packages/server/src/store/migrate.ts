// Brings the schema up to date: numbered SQL files, each applied once and never changed afterwards.
import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { Fault, type Log } from '@saperly/kernel'
import pg from 'pg'
import { type DatabaseAddress, connectionConfig, faultOf } from './database.ts'

/** Beside package.json, so that sources and built output find the same files. */
const FOLDER = new URL('../../migrations/', import.meta.url)
const NAME = /^\d{4}-[a-z-]+\.sql$/
/** Any number will do as long as nobody else in the database uses it. */
const LOCK = 7_305_011
/** The oldest major version of PostgreSQL that the tests run against. */
const OLDEST_SERVER = 15

interface Migration {
  name: string
  text: string
  checksum: string
}

/** The migrations of this program, in order: what a backup may have been made from. */
export async function knownMigrations(): Promise<{ name: string; checksum: string }[]> {
  return (await readMigrations()).map(({ name, checksum }) => ({ name, checksum }))
}

/**
 * Applies what is missing, each file in a transaction of its own, one process at a time. Returns the names applied now.
 * With `upTo`, the schema stays at its first so many files, for a backup of that day.
 * @throws Fault when an applied file has changed, or the database is newer than this program
 */
export async function migrate(
  address: DatabaseAddress,
  log: Log,
  upTo = Infinity,
): Promise<string[]> {
  const client = new pg.Client(connectionConfig(address))
  client.on('error', (error) => log.warn('database_connection_lost', { reason: error.message }))
  try {
    await client.connect()
    await checkVersion(client)
    await client.query('select pg_advisory_lock($1)', [LOCK])
    return await applyMissing(client, await readMigrations(), upTo, log)
  } catch (error) {
    throw faultOf(error)
  } finally {
    // Ending the session frees the lock.
    await client.end()
  }
}

async function checkVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string }>(
    `select current_setting('server_version_num') as version`,
  )
  const major = Math.floor(Number(rows[0]!.version) / 10_000)
  if (major < OLDEST_SERVER) {
    throw new Fault(`PostgreSQL ${major} is too old: ${OLDEST_SERVER} or newer is needed`, {
      retryable: false,
    })
  }
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => NAME.test(name)).sort()
  return Promise.all(
    names.map(async (name) => {
      const text = (await readFile(new URL(name, FOLDER), 'utf8')).replaceAll('\r\n', '\n')
      return { name, text, checksum: createHash('sha256').update(text).digest('hex') }
    }),
  )
}

async function applyMissing(
  client: pg.Client,
  migrations: readonly Migration[],
  upTo: number,
  log: Log,
): Promise<string[]> {
  await client.query(`create table if not exists migration (
    name text primary key, checksum text not null, applied_at timestamptz not null default now())`)
  const { rows: applied } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from migration order by name',
  )
  for (const [index, { name, checksum }] of applied.entries()) {
    const known = migrations[index]
    if (known?.name !== name) {
      throw new Fault(`the database has migration ${name}, which this program does not know`, {
        retryable: false,
      })
    }
    if (known.checksum !== checksum) {
      throw new Fault(`migration ${name} was changed after it had been applied`, {
        retryable: false,
      })
    }
  }
  const missing = migrations.slice(applied.length, upTo)
  for (const migration of missing) await apply(client, migration, log)
  return missing.map(({ name }) => name)
}

async function apply(client: pg.Client, migration: Migration, log: Log): Promise<void> {
  try {
    await client.query('begin')
    await client.query(migration.text)
    await client.query('insert into migration (name, checksum) values ($1, $2)', [
      migration.name,
      migration.checksum,
    ])
    await client.query('commit')
    log.info('migration_applied', { name: migration.name })
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}
