// The embedded database: a real PostgreSQL of our own, started, found again after a crash, and stopped in order.
//
// It outlives this process when that is killed. The next start then finds it by its pid file and goes on with it. Who
// runs it is whoever holds an advisory lock on a connection kept open for that: the lock goes with its holder.
import { Cancelled, type Clock, Fault, type Log } from '@saperly/kernel'
import pg from 'pg'
import type { DatabaseAddress } from '../database.ts'
import { findBinaries } from './binaries.ts'
import { SOCKET_PORT, homeOf, prepareHome } from './places.ts'
import { until } from './postmaster.ts'
import { DATABASE, Server, USER, clientOf } from './server.ts'
import { unprivilegedUser } from './user.ts'

/** How long the server may take to notice that the last owner is gone. */
const OWNER_LIMIT_MS = 5_000
const OWNER_LOCK = 7_305_010
/**
 * How long a server that went away is left alone: the first time, and at most after it went away again and again. There
 * is no end to it: what keeps a server down (a full disk, say) is often put right from outside.
 */
const REVIVAL_PAUSE_MS = 1_000
const REVIVAL_PAUSE_MAX_MS = 15_000
/** One that stayed up for this long is as good as new. */
const SETTLED_MS = 60_000

export interface EmbeddedOptions {
  /** Folder of the installation; the database keeps to `postgres` in it. */
  dataDir: string
  /** The machine's own: a server in another process does not live in simulated time. */
  clock: Clock
  log: Log
  /** Binaries of a PostgreSQL of the operator's own, in place of the ones from npm. */
  binDir?: string
}

export interface EmbeddedDatabase {
  address: DatabaseAddress
  /** Stops the server. To be called after its last client has gone. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts the embedded database of `dataDir`, or goes on with the one that is running already.
 * @throws Fault which says what would be right: another process owns it, no binaries here, a folder out of reach
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const user = await unprivilegedUser(homeOf(options.dataDir))
  const home = await prepareHome(options.dataDir, user, options.log)
  const bin = options.binDir ?? (await findBinaries(home, user))
  const server = new Server({ home, bin, user, clock: options.clock, log: options.log })
  await server.create()
  const supervisor = new Supervisor(options, server)
  await supervisor.start()
  return supervisor
}

class Supervisor implements EmbeddedDatabase {
  readonly #clock: Clock
  readonly #log: Log
  readonly #server: Server
  readonly #closing = new AbortController()
  /** The connection that owns the server, and whose end says that the server is gone. */
  #owner: pg.Client | null = null
  #revival: Promise<void> = Promise.resolve()
  /** Times that it went away without having stayed up. */
  #revivals = 0
  #startedMs = 0
  #stopped: Promise<void> | null = null
  address: DatabaseAddress = { host: '', port: SOCKET_PORT, user: USER, database: DATABASE }

  constructor({ clock, log }: EmbeddedOptions, server: Server) {
    this.#clock = clock
    this.#log = log
    this.#server = server
  }

  async start(): Promise<void> {
    const { pid, socketFolder } = await this.#server.ready()
    this.address = { host: socketFolder, port: SOCKET_PORT, user: USER, database: DATABASE }
    const owner = await this.#own(socketFolder)
    this.#owner = owner
    this.#startedMs = this.#clock.monotonicMs()
    await createDatabase(owner)
    owner.once('end', () => this.#onLost())
    this.#log.info('database_ready', { pid })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#closing.abort()
    await this.#revival
    await this.#owner?.end()
    await this.#server.stop()
  }

  /** @throws Fault when another process holds the lock, and goes on holding it */
  async #own(socketFolder: string): Promise<pg.Client> {
    const client = clientOf(socketFolder)
    client.on('error', (error) =>
      this.#log.warn('database_connection_lost', { reason: error.message }),
    )
    await client.connect()
    const owned = await until(
      async () => {
        const { rows } = await client.query<{ owned: boolean }>(
          'select pg_try_advisory_lock($1) as owned',
          [OWNER_LOCK],
        )
        return rows[0]!.owned
      },
      this.#clock,
      OWNER_LIMIT_MS,
    )
    if (owned) return client
    await client.end()
    throw new Fault(
      'another process runs the embedded database of this data folder: stop it, or use another DATA_DIR',
      { retryable: false },
    )
  }

  /** The server went away under us (killed, out of memory, no room on its disk): it is brought back, until it stays. */
  #onLost(): void {
    if (this.#closing.signal.aborted) return
    if (this.#clock.monotonicMs() - this.#startedMs > SETTLED_MS) this.#revivals = 0
    this.#revivals++
    this.#log.error('database_lost', { revivals: this.#revivals })
    this.#revival = this.#revive()
  }

  async #revive(): Promise<void> {
    for (;;) {
      const pauseMs = Math.min(REVIVAL_PAUSE_MS * 2 ** (this.#revivals - 1), REVIVAL_PAUSE_MAX_MS)
      try {
        await this.#clock.sleep(pauseMs, this.#closing.signal)
        return await this.start()
      } catch (error) {
        if (error instanceof Cancelled) return
        this.#revivals++
        this.#log.error('database_not_revived', { revivals: this.#revivals }, error)
      }
    }
  }
}

async function createDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [
    DATABASE,
  ])
  if (rowCount === 0) await client.query(`create database ${DATABASE}`)
}
