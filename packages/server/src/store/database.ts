// The connection to PostgreSQL: a bounded pool, transactions with bounded retries, and errors told apart in one place.
import { Bug, Fault, assert, type Log } from '@saperly/kernel'
import pg from 'pg'
import { camelRows, typeParsers } from './columns.ts'
import type { Row, Sql } from './sql.ts'

/** Where the database is: a URL, or the socket folder of the embedded one. */
export type DatabaseAddress =
  | { url: string }
  | { host: string; port: number; user: string; database: string }

const POOL_MAX = 8
const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 15_000
/** How long an answer is waited for: a server that is stopped, or behind a dead network, times nothing out itself. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 3_000
const HUNG = 'Query read timeout'
/** A process that has stopped in the middle of one keeps others from its rows no longer than its lease lasts. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 7_000
/** Retries of a transaction that the server gave up for another's sake. */
const MAX_RETRIES = 3

/** Serialisation failure and deadlock: rolled back whole, and worth doing again. */
const RETRIABLE = new Set(['40001', '40P01'])
/** Classes of SQLSTATE that say the server is away or overloaded: connection, resources, operator intervention. */
const AWAY = /^(08|25P03|53|57P0|57014|58)/

export function connectionConfig(address: DatabaseAddress): pg.ClientConfig {
  const where =
    'url' in address
      ? { connectionString: address.url }
      : { host: address.host, port: address.port, user: address.user, database: address.database }
  return {
    ...where,
    application_name: 'saperly',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types: typeParsers,
  }
}

/** Every error of the driver as one of ours: a Fault, retryable when the database is merely away. */
export function faultOf(error: unknown): Error {
  if (error instanceof Fault || error instanceof Bug) return error
  const code = sqlState(error)
  if (code === null || AWAY.test(code) || RETRIABLE.has(code)) {
    return new Fault('the database is away', { cause: error, retryable: true })
  }
  return new Fault(`the database refused a statement (${code})`, { cause: error, retryable: false })
}

/** The SQLSTATE of a driver's error, or null when it is none. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null
}

async function run<R extends object>(
  target: pg.Pool | pg.PoolClient,
  text: string,
  values: readonly unknown[],
): Promise<{ rows: R[]; count: number }> {
  // Arrays: the names of the columns are turned into fields once, and not once for a row.
  const query: pg.QueryArrayConfig = { text, values: [...values], rowMode: 'array' }
  const { fields, rows, rowCount } = await target.query<unknown[]>(query)
  const names = fields.map(({ name }) => name)
  return { rows: camelRows(names, rows) as R[], count: rowCount ?? 0 }
}

export interface DatabaseLimits {
  /** Connections at most; 8 by default. */
  connections?: number
  /** How long a statement waits for a lock; without one, as long as a statement may take at all. */
  lockTimeoutMs?: number
  /** How long an answer is waited for before its connection is given up; 18 s by default. */
  answerTimeoutMs?: number
}

export class Database implements Sql {
  readonly #pool: pg.Pool
  readonly #log: Log

  constructor(address: DatabaseAddress, log: Log, limits: DatabaseLimits = {}) {
    this.#log = log
    this.#pool = new pg.Pool({
      ...connectionConfig(address),
      max: limits.connections ?? POOL_MAX,
      ...(limits.lockTimeoutMs ? { lock_timeout: limits.lockTimeoutMs } : {}),
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: limits.answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    })
    const onLost = (error: Error): void =>
      this.#log.warn('database_connection_lost', { reason: error.message })
    this.#pool.on('error', onLost)
    // A client that breaks while it is checked out reports to itself, and without a listener ends the process.
    this.#pool.on('connect', (client) => client.on('error', onLost))
  }

  async rows<R extends object = Row>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.#single<R>(text, values)).rows
  }

  async count(text: string, values: readonly unknown[] = []): Promise<number> {
    return (await this.#single(text, values)).count
  }

  /**
   * One transaction, committed when `body` returns and rolled back when it throws; after a serialisation failure or a
   * deadlock done again, at most 3 times.
   * @throws Fault (retryable) when the database is away
   */
  async atomic<T>(body: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#retrying(() => this.#attempt(body))
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  #single<R extends object>(text: string, values: readonly unknown[]) {
    return this.#retrying(() => run<R>(this.#pool, text, values))
  }

  async #retrying<T>(work: () => Promise<T>): Promise<T> {
    for (let retries = 0; ; retries++) {
      try {
        return await work()
      } catch (error) {
        const state = sqlState(error instanceof Fault ? error.cause : error)
        if (state === null || !RETRIABLE.has(state) || retries === MAX_RETRIES) throw asOurs(error)
        this.#log.debug('transaction_retried', { state, retries })
      }
    }
  }

  async #attempt<T>(body: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw faultOf(error)
    })
    const transaction = new Transaction(client)
    let broken: Error | undefined
    try {
      await client.query('begin')
      const value = await body(transaction)
      transaction.end()
      await commit(client)
      return value
    } catch (error) {
      transaction.end()
      // A client that can't even roll back is thrown away with its connection; one that hangs isn't asked.
      if (hangs(error)) broken = error as Error
      else await client.query('rollback').catch((cause: Error) => (broken = cause))
      throw error
    } finally {
      client.release(broken)
    }
  }
}

/** Whether a connection did not answer in time: whatever it was asked, it may still do. */
function hangs(error: unknown): boolean {
  if (error instanceof Fault) return hangs(error.cause)
  return error instanceof Error && error.message === HUNG
}

/** How the driver says that a connection is gone: under a statement, before one, or before there was any. */
const LOST = /^(?:Connection terminated|Client has encountered a connection error|timeout exceeded)/

/** Driver errors become faults; what the body itself threw passes as it is. */
function asOurs(error: unknown): unknown {
  const fromDriver =
    error instanceof pg.DatabaseError || (error instanceof Error && 'syscall' in error)
  const lost = error instanceof Error && LOST.test(error.message)
  return fromDriver || lost || hangs(error) ? faultOf(error) : error
}

async function commit(client: pg.PoolClient): Promise<void> {
  try {
    const { command } = await client.query('commit')
    assert(command === 'COMMIT', 'a failed transaction was taken for a good one')
  } catch (error) {
    if (sqlState(error) !== null || error instanceof Bug) throw error
    // The connection broke between asking and hearing: nobody here knows whether it is committed.
    throw new Fault('the outcome of a commit is unknown', {
      cause: error,
      retryable: false,
      unsure: true,
    })
  }
}

/** The statements of one transaction, on its one client. Of no use after its end. */
class Transaction implements Sql {
  readonly #client: pg.PoolClient
  #ended = false

  constructor(client: pg.PoolClient) {
    this.#client = client
  }

  end(): void {
    this.#ended = true
  }

  async rows<R extends object = Row>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.#run<R>(text, values)).rows
  }

  async count(text: string, values: readonly unknown[] = []): Promise<number> {
    return (await this.#run(text, values)).count
  }

  async atomic<T>(body: (sql: Sql) => Promise<T>): Promise<T> {
    return body(this)
  }

  async #run<R extends object>(text: string, values: readonly unknown[]) {
    assert(!this.#ended, 'a transaction was used after its end')
    try {
      return await run<R>(this.#client, text, values)
    } catch (error) {
      throw faultOf(error)
    }
  }
}
