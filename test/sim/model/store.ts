// The store in memory: the same port as over PostgreSQL, with transactions that roll back and a process that can die.
import { type Clock, Fault, Ids, type Random } from '@saperly/kernel'
import type { ConsentRow, Store, Tables } from '../../../packages/server/src/store/port.ts'
import { ledgerTable } from './ledger.ts'
import { auditGroup, auditTable, type MailRows, mailTables, type StoredAudit } from './mail.ts'
import { processTable } from './processes.ts'
import { ModelDatabase, ModelTable, Serialisation, Transaction } from './rows.ts'
import {
  callTables,
  consentTable,
  type OptOutRow,
  pairOf,
  peerOf,
  type PlaceRows,
  tenantTables,
} from './tables.ts'

/** Retries of a transaction that was given up for another's sake, as over PostgreSQL. */
const MAX_RETRIES = 3

/** What surrounds each statement: it may wait, refuse, or never return. */
export type Around = <T>(
  name: string,
  args: readonly unknown[],
  run: () => Promise<T>,
) => Promise<T>

/** Asks nothing of the database. */
const NO_STATEMENT = 'pseudonym'

/** Tables whose every method runs inside of `around`. */
export function surround(tables: Tables, around: Around): Tables {
  const wrapped = new Map<string, object>()
  return new Proxy(tables, {
    get(_, aggregate: keyof Tables) {
      const known = wrapped.get(aggregate)
      if (known) return known
      const methods = tables[aggregate] as Record<string, (...args: unknown[]) => Promise<unknown>>
      const proxy = new Proxy(methods, {
        get: (target, method: string) =>
          method === NO_STATEMENT
            ? target[method]
            : (...args: unknown[]) =>
                around(`${aggregate}.${method}`, args, () => target[method]!(...args)),
      })
      wrapped.set(aggregate, proxy)
      return proxy
    },
  })
}

/** What a process may have done to its statements and commits by a faulty world. */
export interface Hooks {
  statement: Around
  /** Runs the commit; may fail before it, or lose its answer. */
  commit: (run: () => void) => Promise<void>
}

const NO_FAULTS: Hooks = {
  statement: (_name, _args, run) => run(),
  commit: async (run) => run(),
}

export interface ModelOptions {
  clock: Clock
  random: Random
  auditKey: string
  maxLiveCalls: number
}

/** The database, which outlives the processes that are connected to it. */
export class ModelStore {
  readonly database: ModelDatabase = new ModelDatabase()
  readonly rows: PlaceRows & MailRows
  readonly #options: ModelOptions
  readonly #ids: Ids

  constructor(options: ModelOptions) {
    this.#options = options
    this.#ids = new Ids(options.clock, options.random)
    this.rows = {
      workspaces: new ModelTable('workspace'),
      keys: new ModelTable('api_key'),
      numbers: new ModelTable('phone_number'),
      connections: new ModelTable('connection'),
      consents: new ModelTable<ConsentRow>('consent', pairOf),
      optOuts: new ModelTable<OptOutRow>('opt_out', peerOf),
      calls: new ModelTable('call'),
      processes: new ModelTable('process'),
      events: new ModelTable('call_event', ({ callId }) => callId),
      turns: new ModelTable('call_turn', ({ callId }) => callId),
      signalling: new ModelTable('call_signalling'),
      accounts: new ModelTable('account'),
      transfers: new ModelTable('transfer', ({ callId }) => callId ?? ''),
      periods: new ModelTable('key_period'),
      webhooks: new ModelTable('webhook'),
      deliveries: new ModelTable('delivery', ({ dueAt }) => (dueAt === null ? 'done' : 'due')),
      idempotency: new ModelTable('idempotency'),
      audits: new ModelTable<StoredAudit>('audit_event', auditGroup),
      chains: new ModelTable('audit_chain'),
    }
  }

  /** A process's way to it. */
  connect(hooks: Hooks = NO_FAULTS): ModelConnection {
    return new ModelConnection(this, hooks)
  }

  /** The tables as one transaction sees them. */
  tablesOf(tx: Transaction): Tables {
    return new TransactionTables(tx, this.rows, this.database, this.#ids, this.#options)
  }
}

/** What no simulated call asks for, and the model does not have. */
function unmodelled<K extends keyof Tables>(aggregate: K): Tables[K] {
  return new Proxy({} as Tables[K], {
    get: (_, method) => () => {
      throw new Error(`the model has no ${aggregate}.${String(method)}`)
    },
  })
}

/** Made as they are asked for: most statements are of one aggregate. */
class TransactionTables implements Tables {
  readonly #tx: Transaction
  readonly #rows: PlaceRows & MailRows
  readonly #ids: Ids
  readonly #options: ModelOptions
  readonly #nextSeq: () => number
  #ledger: Tables['ledger'] | null = null
  #ofTenants: ReturnType<typeof tenantTables> | null = null
  #ofCalls: ReturnType<typeof callTables> | null = null
  #ofMail: ReturnType<typeof mailTables> | null = null

  constructor(
    tx: Transaction,
    rows: PlaceRows & MailRows,
    database: ModelDatabase,
    ids: Ids,
    options: ModelOptions,
  ) {
    this.#tx = tx
    this.#rows = rows
    this.#ids = ids
    this.#options = options
    this.#nextSeq = () => database.nextIdentity()
  }

  get ledger(): Tables['ledger'] {
    return (this.#ledger ??= ledgerTable(this.#tx, this.#rows, this.#ids, this.#nextSeq))
  }

  get consent(): Tables['consent'] {
    const { auditKey } = this.#options
    return consentTable(this.#tx, this.#rows, { ids: this.#ids, auditKey })
  }

  get audit(): Tables['audit'] {
    const { random, auditKey } = this.#options
    const table = auditTable(this.#tx, this.#rows, { random, auditKey, nextSeq: this.#nextSeq })
    // The chain is read as a whole by `verify`; an export of it is not simulated.
    return Object.setPrototypeOf(table, unmodelled('audit'))
  }

  get feed(): Tables['feed'] {
    return unmodelled('feed')
  }

  get receipts(): Tables['receipts'] {
    return unmodelled('receipts')
  }

  get recharges(): Tables['recharges'] {
    return unmodelled('recharges')
  }

  get erasure(): Tables['erasure'] {
    return unmodelled('erasure')
  }

  get retention(): Tables['retention'] {
    return unmodelled('retention')
  }

  get workspaces(): Tables['workspaces'] {
    return this.#tenants().workspaces
  }

  get keys(): Tables['keys'] {
    return this.#tenants().keys
  }

  get numbers(): Tables['numbers'] {
    return this.#tenants().numbers
  }

  get connections(): Tables['connections'] {
    return this.#tenants().connections
  }

  get processes(): Tables['processes'] {
    return processTable(this.#tx, this.#rows, this.#options.clock)
  }

  get calls(): Tables['calls'] {
    return this.#callTables().calls
  }

  get events(): Tables['events'] {
    return this.#callTables().events
  }

  get transcripts(): Tables['transcripts'] {
    return this.#callTables().transcripts
  }

  get signalling(): Tables['signalling'] {
    return this.#callTables().signalling
  }

  get webhooks(): Tables['webhooks'] {
    return this.#mail().webhooks
  }

  get outbox(): Tables['outbox'] {
    return this.#mail().outbox
  }

  get idempotency(): Tables['idempotency'] {
    return this.#mail().idempotency
  }

  #tenants(): ReturnType<typeof tenantTables> {
    const { maxLiveCalls } = this.#options
    return (this.#ofTenants ??= tenantTables(this.#tx, this.#rows, this.ledger, maxLiveCalls))
  }

  #callTables(): ReturnType<typeof callTables> {
    return (this.#ofCalls ??= callTables(this.#tx, this.#rows, this.#nextSeq))
  }

  #mail(): ReturnType<typeof mailTables> {
    return (this.#ofMail ??= mailTables(this.#tx, this.#rows, this.#nextSeq))
  }
}

export class ModelConnection implements Store {
  readonly tables: Tables
  readonly #model: ModelStore
  readonly #hooks: Hooks
  readonly #open = new Set<Transaction>()
  #dead = false

  constructor(model: ModelStore, hooks: Hooks) {
    this.#model = model
    this.#hooks = hooks
    // Only the names of the methods are taken from this one; each statement gets a transaction of its own.
    const shape = model.tablesOf(new Transaction(model.database))
    this.tables = surround(shape, (name, args) =>
      this.#hooks.statement(name, args, () => this.#single(name, args) as Promise<never>),
    )
  }

  async transaction<T>(body: (tables: Tables) => Promise<T>): Promise<T> {
    for (let retries = 0; ; retries++) {
      try {
        return await this.#attempt(body)
      } catch (error) {
        if (!(error instanceof Serialisation) || retries === MAX_RETRIES) throw error
      }
    }
  }

  /** The process is gone: what it had not committed is rolled back, and nothing that it asked is ever answered. */
  kill(): void {
    this.#dead = true
    for (const tx of this.#open) tx.rollback()
    this.#open.clear()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #single(name: string, args: readonly unknown[]): Promise<unknown> {
    const [aggregate, method] = name.split('.') as [keyof Tables, string]
    return this.#within(async (tx) => {
      const methods = this.#model.tablesOf(tx)[aggregate] as Record<
        string,
        (...given: readonly unknown[]) => Promise<unknown>
      >
      const value = await methods[method]!(...args)
      await this.#alive()
      if (!tx.ended) tx.commit()
      return value
    })
  }

  #attempt<T>(body: (tables: Tables) => Promise<T>): Promise<T> {
    return this.#within(async (tx) => {
      const tables = surround(this.#model.tablesOf(tx), (name, args, run) =>
        this.#hooks.statement(name, args, async () => {
          const value = await run()
          await this.#alive()
          return value
        }),
      )
      const value = await body(tables)
      await this.#hooks.commit(() => tx.commit())
      return value
    })
  }

  async #within<T>(body: (tx: Transaction) => Promise<T>): Promise<T> {
    if (this.#dead) await this.#alive()
    const tx = new Transaction(this.#model.database)
    this.#open.add(tx)
    try {
      const value = await body(tx)
      await this.#alive()
      return value
    } catch (error) {
      await this.#alive()
      if (!tx.ended) tx.rollback()
      throw error
    } finally {
      this.#open.delete(tx)
    }
  }

  /** Never returns in a process that is gone. */
  async #alive(): Promise<void> {
    if (this.#dead) await new Promise<never>(() => {})
  }
}

/** What a statement or a commit is answered with while the database is away. */
export function away(): Fault {
  return new Fault('the database is away', { retryable: true })
}

/** What a lost answer to a commit is reported as. */
export function unknownOutcome(): Fault {
  return new Fault('the outcome of a commit is unknown', { retryable: false, unsure: true })
}
