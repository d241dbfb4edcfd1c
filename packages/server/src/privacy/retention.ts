// Forgets what is older than the operator keeps it: once an hour, in bounded pieces, off everybody's path.
import { rm } from 'node:fs/promises'
import { Cancelled, type Clock, Fault, type Log } from '@saperly/kernel'
import type { Store } from '../store/port.ts'

const DAY_MS = 24 * 3_600_000
const PERIOD_MS = 3_600_000
/** What one statement takes, in calls or in rows. */
const BATCH = 200
/** Statements of one kind in one pass; what is left then waits for the next, which comes soon. */
const MAX_BATCHES = 50
const SOON_MS = 10_000

/** Days that each kind is kept; null keeps it for ever. */
export interface RetentionDays {
  recordingsDays: number | null
  transcriptsDays: number | null
  signallingDays: number | null
  eventsDays: number | null
}

/** What one pass forgot: recordings and transcripts in calls, the others in rows. */
export interface Forgotten {
  recordings: number
  transcripts: number
  signalling: number
  events: number
  /** A bound was reached: there is more. */
  more: boolean
}

export class Retention {
  readonly #store: Store
  readonly #clock: Clock
  readonly #log: Log
  readonly #days: RetentionDays
  readonly #stop = new AbortController()
  #running: Promise<void> | null = null

  constructor(deps: { store: Store; clock: Clock; log: Log; days: RetentionDays }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#log = deps.log
    this.#days = deps.days
  }

  /** The first pass comes at once: what grew old while nothing ran has waited long enough. */
  start(): void {
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort(new Cancelled('shutdown'))
    await this.#running
  }

  /**
   * Forgets what is too old now, as much of it as one pass may.
   * @throws Fault when the database is away, or a recording can't be removed
   */
  async pass(): Promise<Forgotten> {
    const { retention } = this.#store.tables
    const { recordingsDays, transcriptsDays, signallingDays, eventsDays } = this.#days
    const done: Forgotten = { recordings: 0, transcripts: 0, signalling: 0, events: 0, more: false }
    done.recordings = await this.#forget(done, recordingsDays, (before) =>
      this.#forgetRecordings(before),
    )
    done.transcripts = await this.#forget(done, transcriptsDays, (before) =>
      retention.forgetTranscripts(before, BATCH),
    )
    done.signalling = await this.#forget(done, signallingDays, (before) =>
      retention.forgetSignalling(before, BATCH),
    )
    done.events = await this.#forget(done, eventsDays, (before) =>
      retention.forgetEvents(before, BATCH),
    )
    return done
  }

  async #forget(
    pass: Forgotten,
    days: number | null,
    batch: (before: number) => Promise<number>,
  ): Promise<number> {
    if (days === null) return 0
    const before = this.#clock.now() - days * DAY_MS
    let forgotten = 0
    for (let batches = 0; batches < MAX_BATCHES; batches++) {
      if (this.#stop.signal.aborted) return forgotten
      const count = await batch(before)
      forgotten += count
      if (count < BATCH) return forgotten
    }
    pass.more = true
    return forgotten
  }

  /** Files first: what is cut short leaves calls whose recording is missing, never files that nothing leads to. */
  async #forgetRecordings(before: number): Promise<number> {
    const { retention } = this.#store.tables
    const recordings = await retention.recordings(before, BATCH)
    for (const { path } of recordings) {
      await rm(path, { force: true }).catch((cause: unknown) => {
        throw new Fault('a recording can not be removed', { cause, retryable: true })
      })
    }
    await retention.forgetRecordings(recordings.map(({ id }) => id))
    return recordings.length
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      let more = false
      try {
        const forgotten = await this.pass()
        more = forgotten.more
        this.#log.info('retention.applied', { ...forgotten })
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        this.#log.warn('retention.postponed', { reason: error.message })
      }
      await this.#sleep(more ? SOON_MS : PERIOD_MS)
    }
  }

  async #sleep(delayMs: number): Promise<void> {
    try {
      await this.#clock.sleep(delayMs, this.#stop.signal)
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error
    }
  }
}
