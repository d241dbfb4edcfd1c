// Rows in memory with the rules of PostgreSQL's default isolation: own writes unseen until the commit, row locks, rollback.
import { assert, Fault } from '@saperly/kernel'

/** What a committed row was written by: its transaction's commit, in the order of commits. */
export interface Stamped<R> {
  row: R
  seq: number
}

/** One table: committed rows by key, in the order in which they were committed, and by group. */
export class ModelTable<R extends object> {
  readonly name: string
  readonly rows = new Map<string, Stamped<R>>()
  readonly groups = new Map<string, Set<string>>()
  readonly groupOf: (row: R) => string

  constructor(name: string, groupOf: (row: R) => string = () => '') {
    this.name = name
    this.groupOf = groupOf
  }

  /** Puts a committed row in place; null takes it away. */
  apply(key: string, row: R | null, seq: number): void {
    const old = this.rows.get(key)
    if (old && (row === null || this.groupOf(old.row) !== this.groupOf(row))) {
      this.groups.get(this.groupOf(old.row))?.delete(key)
    }
    if (row === null) return void this.rows.delete(key)
    this.rows.set(key, { row, seq })
    const group = this.groupOf(row)
    const keys = this.groups.get(group)
    if (keys) keys.add(key)
    else this.groups.set(group, new Set([key]))
  }
}

/** Who holds which row, and who waits for it. */
export class Locks {
  readonly #holders = new Map<string, { owner: Transaction; waiting: (() => void)[] }>()

  get held(): number {
    return this.#holders.size
  }

  async take(owner: Transaction, name: string): Promise<void> {
    for (;;) {
      // A transaction of a process that is gone takes nothing any more.
      if (owner.ended) await new Promise<never>(() => {})
      const holder = this.#holders.get(name)
      if (!holder) return void this.#holders.set(name, { owner, waiting: [] })
      if (holder.owner === owner) return
      if (waitsFor(holder.owner, owner)) throw deadlock()
      owner.blockedBy = holder.owner
      await new Promise<void>((resolve) => holder.waiting.push(resolve))
      owner.blockedBy = null
    }
  }

  /** Takes a row that nobody else holds (skip locked); false when somebody does. */
  takeFree(owner: Transaction, name: string): boolean {
    const holder = this.#holders.get(name)
    if (holder) return holder.owner === owner
    this.#holders.set(name, { owner, waiting: [] })
    return true
  }

  release(owner: Transaction): void {
    for (const [name, holder] of this.#holders) {
      if (holder.owner !== owner) continue
      this.#holders.delete(name)
      for (const wake of holder.waiting) wake()
    }
  }
}

function waitsFor(waiter: Transaction | null, target: Transaction): boolean {
  for (let one = waiter; one; one = one.blockedBy) if (one === target) return true
  return false
}

/** The database gave up one transaction for another's sake. */
export class Serialisation extends Fault {}

function deadlock(): Serialisation {
  return new Serialisation('deadlock', { retryable: true })
}

/** What the database refuses for good: a broken constraint. */
export function refused(what: string): Fault {
  return new Fault(`the database refused a statement (${what})`, { retryable: false })
}

/** A commit as it was applied. */
export interface Commit {
  seq: number
  /** The last commit before the transaction began: what it read is not older. */
  beganSeq: number
  changes: readonly { table: string; key: string; row: object | null }[]
}

/** The database itself: its locks, its order of commits, and whoever looks at each of them. */
export class ModelDatabase {
  readonly locks = new Locks()
  readonly watchers: ((commit: Commit) => void)[] = []
  seq = 0
  #identity = 0

  /** The next value of an identity column; gaps after a rollback are as they are in PostgreSQL. */
  nextIdentity(): number {
    return ++this.#identity
  }
}

/** One transaction: what it has written, and the rows that it holds until it ends. */
export class Transaction {
  readonly beganSeq: number
  readonly #database: ModelDatabase
  readonly #writes = new Map<ModelTable<object>, Map<string, object | null>>()
  blockedBy: Transaction | null = null
  ended = false

  constructor(database: ModelDatabase) {
    this.#database = database
    this.beganSeq = database.seq
  }

  get<R extends object>(table: ModelTable<R>, key: string): R | null {
    const own = this.#of(table)?.get(key)
    if (own !== undefined) return own
    return table.rows.get(key)?.row ?? null
  }

  /** Every row of a group, committed ones first. */
  group<R extends object>(table: ModelTable<R>, group = ''): R[] {
    const own = this.#of(table)
    const found: R[] = []
    for (const key of table.groups.get(group) ?? []) {
      const row = own?.get(key)
      if (row === undefined) found.push(table.rows.get(key)!.row)
      else if (row !== null) found.push(row)
    }
    for (const [key, row] of own ?? []) {
      if (row && !table.rows.has(key) && table.groupOf(row) === group) found.push(row)
    }
    return found
  }

  all<R extends object>(table: ModelTable<R>): R[] {
    return [...new Set([...table.groups.keys(), ...this.#groupsOf(table)])].flatMap((group) =>
      this.group(table, group),
    )
  }

  put<R extends object>(table: ModelTable<R>, key: string, row: R | null): void {
    assert(!this.ended, 'a transaction was used after its end')
    const own = this.#writes.get(table as never) ?? new Map<string, object | null>()
    this.#writes.set(table as never, own.set(key, row))
  }

  /** A new row; waits for whoever inserts the same key, and refuses a second one. */
  async insert<R extends object>(table: ModelTable<R>, key: string, row: R): Promise<void> {
    await this.lock(`${table.name} ${key}`)
    if (this.get(table, key)) throw refused(`23505 ${table.name}`)
    this.put(table, key, row)
  }

  lock(name: string): Promise<void> {
    return this.#database.locks.take(this, name)
  }

  /** Locks the row unless somebody else has. */
  takeFree<R extends object>(table: ModelTable<R>, key: string): boolean {
    return this.#database.locks.takeFree(this, `${table.name} ${key}`)
  }

  /** The row, locked until the end; null when there is none. */
  async forUpdate<R extends object>(table: ModelTable<R>, key: string): Promise<R | null> {
    await this.lock(`${table.name} ${key}`)
    return this.get(table, key)
  }

  commit(): void {
    assert(!this.ended, 'a transaction ends once')
    const changes: Commit['changes'][number][] = []
    const seq = ++this.#database.seq
    for (const [table, rows] of this.#writes) {
      for (const [key, row] of rows) {
        table.apply(key, row, seq)
        changes.push({ table: table.name, key, row })
      }
    }
    this.rollback()
    if (changes.length > 0) {
      const { beganSeq } = this
      for (const watch of this.#database.watchers) watch({ seq, beganSeq, changes })
    }
  }

  /** Forgets what was written, and lets others have the rows. */
  rollback(): void {
    this.ended = true
    this.#writes.clear()
    this.#database.locks.release(this)
  }

  #of<R extends object>(table: ModelTable<R>): Map<string, R | null> | undefined {
    return this.#writes.get(table as never) as Map<string, R | null> | undefined
  }

  #groupsOf<R extends object>(table: ModelTable<R>): string[] {
    return [...(this.#of(table)?.values() ?? [])].flatMap((row) => (row ? table.groupOf(row) : []))
  }
}
