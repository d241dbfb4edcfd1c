// One cluster and the server on it: made once, found running or started.
import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, Fault, type Log } from '@saperly/kernel'
import pg from 'pg'
import { connectionConfig, sqlState } from '../database.ts'
import { runCommand } from './command.ts'
import { SOCKET_PORT, prepareSocketFolder, removeSocketFolder } from './places.ts'
import {
  type Postmaster,
  runningPostmaster,
  spawnPostmaster,
  stopPostmaster,
  strayPostmaster,
  until,
} from './postmaster.ts'
import type { RunAs } from './user.ts'

/** The superuser of the cluster, and its only user. */
export const USER = 'saperly'
export const DATABASE = 'saperly'
const STOP_LIMIT_MS = 60_000
/** Recovery after a power cut replays the log, and may take its time. */
const READY_LIMIT_MS = 120_000
/** SQLSTATE of a server that is there, but takes no connections yet, or no more. */
const CANNOT_CONNECT_NOW = '57P03'
/** How much of the server's log goes into the cause of a Fault. */
const LOG_TAIL_CHARS = 2_000

export interface ServerPlace {
  /** Folder of the database's user. */
  home: string
  /** Folder with `postgres` and `initdb`. */
  bin: string
  user: RunAs
  clock: Clock
  log: Log
}

/** A client of the cluster's own database, which is there whatever else is. */
export function clientOf(socketFolder: string): pg.Client {
  return new pg.Client(
    connectionConfig({ host: socketFolder, port: SOCKET_PORT, user: USER, database: 'postgres' }),
  )
}

export class Server {
  readonly #place: ServerPlace
  readonly #cluster: string

  constructor(place: ServerPlace) {
    this.#place = place
    this.#cluster = join(place.home, 'cluster')
  }

  /** initdb, once: under another name and then renamed, so that one cut short is never taken for a database. */
  async create(): Promise<void> {
    const version = await readFile(join(this.#cluster, 'PG_VERSION'), 'utf8').catch(() => null)
    if (version !== null) return
    const { bin, user } = this.#place
    await this.#vacantSocketFolder()
    const unfinished = `${this.#cluster}.unfinished-${process.pid}`
    await rm(unfinished, { recursive: true, force: true })
    const { code, output } = await runCommand(
      join(bin, 'initdb'),
      // Only who may enter the socket's folder reaches the server at all; hence no passwords.
      ['-D', unfinished, '-U', USER, '--auth=trust', '-E', 'UTF8', '--locale=C', '-k'],
      user,
    )
    if (code !== 0) {
      throw new Fault(
        'the embedded PostgreSQL could not create its database (for one, it needs a user that /etc/passwd ' +
          'knows): start as another user, or set DATABASE_URL',
        { cause: new Error(output), retryable: false },
      )
    }
    await rename(unfinished, this.#cluster)
  }

  /**
   * The running server: the one that outlived its parent, or a new one.
   * @throws Fault when it does not start
   */
  async ready(): Promise<Postmaster> {
    const running = await this.#whenReady(() => false)
    if (running) {
      if (await answers(running, this.#place.clock)) {
        this.#place.log.info('database_found_running', { pid: running.pid })
        return running
      }
      // Its socket was swept away, perhaps: nobody can reach it any more, so that a new one must take over.
      if (running.certain) await this.#end(running.pid, 'SIGINT')
    }
    return this.#spawn()
  }

  /**
   * Ends the server, if it runs, and takes its socket's folder away.
   * @throws Fault when it does not end in time
   */
  async stop(): Promise<void> {
    const running = await runningPostmaster(this.#cluster)
    if (!running) return
    await this.#end(running.pid, 'SIGINT')
    await removeSocketFolder(running.socketFolder)
  }

  async #end(pid: number, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    if (await stopPostmaster(pid, signal, this.#place.clock, STOP_LIMIT_MS)) return
    throw new Fault('the embedded PostgreSQL does not stop', { retryable: true })
  }

  /**
   * The socket's folder, with nobody on it. A server whose cluster was removed under it must be gone before there is a
   * new one of the same name, or its last checkpoint would overwrite the new one's control file.
   */
  async #vacantSocketFolder(): Promise<string> {
    const folder = await prepareSocketFolder(this.#place.home, this.#place.user)
    const stray = await strayPostmaster(folder, this.#cluster)
    if (stray?.certain) await this.#end(stray.pid, 'SIGQUIT')
    return folder
  }

  async #spawn(): Promise<Postmaster> {
    const { home, bin, user } = this.#place
    const socketFolder = await this.#vacantSocketFolder()
    const ended = await spawnPostmaster(bin, home, socketFolder, user)
    const started = await this.#whenReady(() => !ended())
    if (started && (await answers(started, this.#place.clock))) return started
    throw new Fault('the embedded PostgreSQL does not start; its postgres.log says why', {
      cause: new Error(await this.#logTail()),
      retryable: false,
    })
  }

  /** The server once it says that it is ready; null when there is none and `mayCome` says that none will come. */
  async #whenReady(mayCome: () => boolean): Promise<Postmaster | null> {
    let found: Postmaster | null = null
    await until(
      async () => {
        const over = !mayCome()
        found = await runningPostmaster(this.#cluster)
        return found ? found.ready : over
      },
      this.#place.clock,
      READY_LIMIT_MS,
    )
    return found
  }

  async #logTail(): Promise<string> {
    const text = await readFile(join(this.#place.home, 'postgres.log'), 'utf8').catch(() => '')
    return text.slice(-LOG_TAIL_CHARS)
  }
}

/** Whether the server can be reached by its socket; one that says that it recovers is waited for. */
async function answers(server: Postmaster, clock: Clock): Promise<boolean> {
  const settled = async (): Promise<boolean> => (await answerOf(server)) !== 'not yet'
  return (await until(settled, clock, READY_LIMIT_MS)) && (await answerOf(server)) === 'yes'
}

type Answer = 'yes' | 'not yet' | 'none'

/** `not yet`: it is there, but starts, stops, or recovers from the loss of one of its processes. */
async function answerOf({ socketFolder }: Postmaster): Promise<Answer> {
  const client = clientOf(socketFolder)
  client.on('error', () => undefined)
  try {
    await client.connect()
    return 'yes'
  } catch (error) {
    return sqlState(error) === CANNOT_CONNECT_NOW ? 'not yet' : 'none'
  } finally {
    await client.end()
  }
}
