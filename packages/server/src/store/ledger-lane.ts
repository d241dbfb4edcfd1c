// The lane of the ledger: what many calls ask of it at the same time becomes one statement and one commit.
//
// Nothing is waited for: moves that find the lane free go at once, with those alone that are asked for in the same turn.
// While they are on their way others gather, and they go together next. So a batch is as large as the load makes it, and
// there is no delay to be tuned.
import { Fault, type Deferred, type Log, assert, deferred, endOfTurn } from '@saperly/kernel'
import type { LedgerAnswer } from '../ledger/refusal.ts'
import { type Database, sqlState } from './database.ts'
import { type LedgerMove, moveAlone, moveTogether } from './ledger-moves.ts'
import type { Sql } from './sql.ts'
import { Turns } from './turns.ts'

/** Moves in one transaction: more gain little, and hold the locks for longer. */
export const BATCH_MAX = 256
/** Moves that may wait; one more is refused with a retryable Fault. */
export const WAITING_MAX = 8192
/** The most of them that may be reserves of one tenant, so that its crowd leaves room for the others. */
export const WAITING_EACH_MAX = WAITING_MAX / 2
/** How long the lane waits for a row that another transaction has locked; then those moves leave it for the pool. */
export const LANE_LOCK_TIMEOUT_MS = 250

const LOCK_NOT_AVAILABLE = '55P03'

interface Waiting {
  move: LedgerMove
  answer: Deferred<LedgerAnswer>
}

/** Reserves take turns by tenant, the moves of open holds by call: there are never more of those than live calls. */
function turnOf(move: LedgerMove): string {
  if (move.kind !== 'reserve') return move.callId
  return `${move.tenant.workspaceId} ${move.tenant.environment}`
}

/**
 * One for a process, on one connection of its own. Moves of a call are made in the order in which they were asked for;
 * those of a tenant's reserves too.
 */
export class LedgerLane {
  readonly #lane: Database
  readonly #pool: Sql
  readonly #log: Log
  readonly #turns = new Turns<Waiting>(WAITING_MAX, WAITING_EACH_MAX)
  /** Calls with a move on its way: a batch has no two of one call. */
  readonly #busy = new Set<string>()
  /** Moves on their way outside of the lane. */
  readonly #strays = new Set<Promise<void>>()
  #running: Promise<void> | null = null

  /** `lane`: one connection, which nobody else uses. `pool`: where a move waits that can't have its locks. */
  constructor(lane: Database, pool: Sql, log: Log) {
    this.#lane = lane
    this.#pool = pool
    this.#log = log
  }

  /**
   * Makes a move, in one transaction with others; durable when it resolves.
   * @throws Fault (retryable) when too many are waiting, or the database is away
   */
  move(move: LedgerMove): Promise<LedgerAnswer> {
    const waiting = { move, answer: deferred<LedgerAnswer>() }
    if (!this.#turns.put(turnOf(move), waiting)) {
      return Promise.reject(new Fault('too many moves wait for the ledger', { retryable: true }))
    }
    this.#start()
    return waiting.answer.promise
  }

  /** Makes what is waiting, and ends. Nothing may be asked for any more. */
  async close(): Promise<void> {
    while (this.#running || this.#strays.size > 0) {
      await this.#running
      await Promise.all(this.#strays)
    }
    assert(this.#turns.size === 0, 'a closed lane leaves nobody waiting')
    await this.#lane.close()
  }

  #start(): void {
    this.#running ??= this.#run()
  }

  /** Who has just heard an answer often asks again at once: they too are in time for the next batch. */
  async #run(): Promise<void> {
    for (;;) {
      await endOfTurn()
      const batch = this.#gather()
      if (batch.length === 0) break
      await this.#post(batch)
    }
    this.#running = null
  }

  #gather(): Waiting[] {
    const batch: Waiting[] = []
    while (batch.length < BATCH_MAX) {
      const next = this.#turns.take(({ move }) => !this.#busy.has(move.callId))
      if (!next) break
      this.#busy.add(next.move.callId)
      batch.push(next)
    }
    return batch
  }

  async #post(batch: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#outcomes(batch.map(({ move }) => move))
      for (const [index, waiting] of batch.entries()) this.#done(waiting, outcomes[index]!)
    } catch (error) {
      if (leavesTheLane(error, batch)) this.#stray(batch)
      else for (const waiting of batch) this.#done(waiting, error as Error)
    }
  }

  /** The function of a single move costs less than the batch of one. */
  async #outcomes(moves: readonly LedgerMove[]): Promise<(LedgerAnswer | Fault)[]> {
    const [only, second] = moves
    if (only && !second) return [await moveAlone(this.#lane)(only)]
    return moveTogether(this.#lane, moves)
  }

  /** Each by itself on the pool, as if there were no lane; whoever else waits doesn't wait for them. */
  #stray(batch: readonly Waiting[]): void {
    this.#log.debug('ledger_batch_apart', { moves: batch.length })
    for (const waiting of batch) {
      const stray = this.#alone(waiting).finally(() => {
        this.#strays.delete(stray)
        this.#start()
      })
      this.#strays.add(stray)
    }
  }

  async #alone(waiting: Waiting): Promise<void> {
    try {
      this.#done(waiting, await moveAlone(this.#pool)(waiting.move))
    } catch (error) {
      this.#done(waiting, error as Error)
    }
  }

  #done({ move, answer }: Waiting, outcome: LedgerAnswer | Error): void {
    this.#busy.delete(move.callId)
    if (outcome instanceof Error) answer.reject(outcome)
    else answer.resolve(outcome)
  }
}

/** The database refused the whole (it rolled back), and by itself each of them may fare better. */
function leavesTheLane(error: unknown, batch: readonly Waiting[]): boolean {
  if (!(error instanceof Fault) || error.retryable) return false
  return batch.length > 1 || sqlState(error.cause) === LOCK_NOT_AVAILABLE
}
