// The store over PostgreSQL: opens the database, brings its schema up to date, and joins the aggregates.
import { type Clock, Ids, type Log, type Random, assert, systemRandom } from '@saperly/kernel'
import { audit } from './audit.ts'
import { calls } from './calls.ts'
import { connections } from './connections.ts'
import { consent } from './consent.ts'
import { Database, type DatabaseAddress } from './database.ts'
import { erasure } from './erasure.ts'
import { events } from './events.ts'
import { feed } from './feed.ts'
import { idempotency } from './idempotency.ts'
import { keys } from './keys.ts'
import { LANE_LOCK_TIMEOUT_MS, LedgerLane } from './ledger-lane.ts'
import { type MoveLedger, moveAlone } from './ledger-moves.ts'
import { ledger } from './ledger.ts'
import { migrate } from './migrate.ts'
import { numbers } from './numbers.ts'
import { outbox } from './outbox.ts'
import { processes } from './processes.ts'
import type { Store, Tables } from './port.ts'
import type { Sql } from './sql.ts'
import { receipts } from './receipts.ts'
import { recharges } from './recharges.ts'
import { retention } from './retention.ts'
import { signalling } from './signalling.ts'
import { transcripts } from './transcripts.ts'
import { webhooks } from './webhooks.ts'
import { workspaces } from './workspaces.ts'

/** Live calls that a new workspace may have in each environment. */
export const DEFAULT_MAX_LIVE_CALLS = 100

/** How long a beat waits for its answer: so that the next one comes within the lease. */
const BEAT_ANSWER_MS = 2_500

export interface StoreOptions {
  address: DatabaseAddress
  clock: Clock
  log: Log
  /** Keys the digests of the audit trail and the hashes of erased peers; kept by the installation, apart from the database. */
  auditKey: string
  random?: Random
  /** Limit on live calls per workspace and environment, for workspaces created from now on. */
  maxLiveCalls?: number
}

/**
 * Opens the store, with its schema brought up to date.
 * @throws Fault when the database is away, too old, or newer than this program
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { address, clock, log, auditKey, random = systemRandom } = options
  const maxLiveCalls = options.maxLiveCalls ?? DEFAULT_MAX_LIVE_CALLS
  assert(auditKey.length > 0, 'the audit trail needs a key')
  await migrate(address, log)
  const database = new Database(address, log)
  const ids = new Ids(clock, random)
  const ofLane = { connections: 1, lockTimeoutMs: LANE_LOCK_TIMEOUT_MS }
  const lane = new LedgerLane(new Database(address, log, ofLane), database, log)

  // Beats wait neither behind the work of a busy pool nor for a server that has gone without a word.
  const ofBeats = { connections: 1, answerTimeoutMs: BEAT_ANSWER_MS }
  const beats = new Database(address, log, ofBeats)

  const tablesOver = (sql: Sql, move: MoveLedger): Tables => ({
    workspaces: workspaces(sql, ids, maxLiveCalls),
    keys: keys(sql),
    numbers: numbers(sql),
    connections: connections(sql),
    consent: consent(sql, ids, auditKey),
    erasure: erasure(sql, auditKey),
    retention: retention(sql),
    ledger: ledger(sql, ids, move),
    receipts: receipts(sql),
    recharges: recharges(sql),
    calls: calls(sql),
    processes: processes(sql),
    events: events(sql),
    transcripts: transcripts(sql),
    signalling: signalling(sql),
    webhooks: webhooks(sql),
    outbox: outbox(sql),
    feed: feed(sql),
    idempotency: idempotency(sql),
    audit: audit(sql, random, auditKey),
  })

  return {
    tables: { ...tablesOver(database, (move) => lane.move(move)), processes: processes(beats) },
    // What a transaction moves is a part of it, and can't be one of another.
    transaction: (body) => database.atomic((sql) => body(tablesOver(sql, moveAlone(sql)))),
    async close() {
      await lane.close()
      await beats.close()
      await database.close()
    },
  }
}
