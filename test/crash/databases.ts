// The database under a server that is killed: the embedded one, or a PostgreSQL 15 behind DATABASE_URL. It can be killed too.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog, SystemClock } from '@saperly/kernel'
import pg from 'pg'
import { connectionConfig, type DatabaseAddress } from '../../packages/server/src/store/database.ts'
import { SOCKET_PORT } from '../../packages/server/src/store/embedded/places.ts'
import { DATABASE, USER } from '../../packages/server/src/store/embedded/server.ts'
import {
  type EmbeddedDatabase,
  startEmbedded,
} from '../../packages/server/src/store/embedded/supervisor.ts'
import { debianPostgres } from '../../packages/server/src/store/testing.ts'

export const DATABASES = ['embedded', 'postgres'] as const
export type DatabaseKind = (typeof DATABASES)[number]

type SocketAddress = Extract<DatabaseAddress, { host: string }>

/** A supervisor brings its server back ten times; before that, between two rounds, it is replaced. */
const KILLS_EACH = 8
const ASK_LIMIT_MS = 120_000
const ASK_AGAIN_MS = 100
const CONNECTIONS = 4

/** Lines of `postmaster.pid` (PostgreSQL's documentation of the file): the process and the folder of its socket. */
const PID_LINE = 0
const SOCKET_LINE = 4

export class CrashDatabase {
  readonly #folder: string
  #own: EmbeddedDatabase | null
  #kills = 0
  #pool: pg.Pool | null = null

  private constructor(folder: string, own: EmbeddedDatabase | null) {
    this.#folder = folder
    this.#own = own
  }

  /** `folder`: of the installation. */
  static async open(kind: DatabaseKind, folder: string): Promise<CrashDatabase> {
    if (kind === 'embedded') return new CrashDatabase(folder, null)
    if (debianPostgres === null) throw new Error('there is no PostgreSQL 15 on this machine')
    const own = join(folder, 'postgresql-15')
    return new CrashDatabase(own, await supervise(own))
  }

  /** What the server is told of it. */
  get environment(): Record<string, string> {
    if (this.#own === null) return {}
    const { address } = this.#own
    if (!('host' in address)) throw new Error('a started server listens on a socket')
    return { DATABASE_URL: urlOf(address, DATABASE) }
  }

  /** Another database of the same PostgreSQL. */
  async url(database: string): Promise<string> {
    return urlOf(await this.address(), database)
  }

  /** One statement, asked again while the database is away. */
  async rows<R extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<R[]> {
    const deadline = Date.now() + ASK_LIMIT_MS
    for (;;) {
      try {
        this.#pool ??= poolAt(await this.address())
        return (await this.#pool.query<R>(text, [...values])).rows
      } catch (error) {
        await this.leave()
        if (Date.now() > deadline) throw error
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
      }
    }
  }

  async address(): Promise<SocketAddress> {
    const host = (await this.#pidFile())[SOCKET_LINE]!
    return { host, port: SOCKET_PORT, user: USER, database: DATABASE }
  }

  /** The postmaster, without a word; whoever supervises it brings it back. */
  async kill(): Promise<void> {
    this.#kills++
    process.kill(Number((await this.#pidFile())[PID_LINE]), 'SIGKILL')
  }

  /** Between two rounds, when no server works with it. */
  async rest(): Promise<void> {
    if (this.#own === null || this.#kills < KILLS_EACH) return
    await this.leave()
    await this.#own.stop()
    this.#own = await supervise(this.#folder)
    this.#kills = 0
  }

  /** Gives the connections back, such as those to a server that is about to end. */
  async leave(): Promise<void> {
    const pool = this.#pool
    this.#pool = null
    await pool?.end()
  }

  /** Ends what this process runs; the embedded database ends with its server. */
  async stop(): Promise<void> {
    await this.#own?.stop()
  }

  async #pidFile(): Promise<string[]> {
    const file = join(this.#folder, 'postgres', 'cluster', 'postmaster.pid')
    return (await readFile(file, 'utf8')).split('\n')
  }
}

function urlOf({ host, port, user }: SocketAddress, database: string): string {
  return `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
}

function supervise(dataDir: string): Promise<EmbeddedDatabase> {
  const clock = new SystemClock()
  return startEmbedded({ dataDir, clock, log: silentLog, binDir: debianPostgres! })
}

function poolAt(address: DatabaseAddress): pg.Pool {
  const pool = new pg.Pool({ ...connectionConfig(address), max: CONNECTIONS })
  // A server that dies is told by the statement that it breaks.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}
