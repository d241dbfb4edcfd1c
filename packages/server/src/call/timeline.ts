// What happened on a call, in order: written to the store, followed live.
import { cancelledBy, type Clock, type Ids, type Log, Fault } from '@saperly/kernel'
import { audit } from '../consent/trail.ts'
import type { CallRow, EventRow, Store, Tables, Tenant, TurnRow } from '../store/port.ts'

/** Timeline words of the contract. */
export type TimelineType =
  | 'initiated'
  | 'ringing'
  | 'answered'
  | 'disclosure'
  | 'turn'
  | 'speak'
  | 'interrupted'
  | 'dtmf'
  | 'transfer'
  | 'machine'
  | 'speech'
  | 'funds_low'
  | 'quality'
  | 'ended'

/** How often a write is tried again while the database is away, a second apart. */
export const WRITE_RETRIES = 120
const RETRY_DELAY_MS = 1_000
/** How often a follower looks for what other processes wrote, whatever they say about it. */
const LOOK_INTERVAL_MS = 1_000

/** The processes that share the database: a hint makes followers there look sooner. */
export interface Elsewhere {
  hint(callId: string): void
  watch(callId: string, wake: () => void): () => void
}

export interface TimelineDeps {
  store: Store
  clock: Clock
  ids: Ids
  log: Log
  /** Null, or absent, where this process is alone. */
  elsewhere?: Elsewhere | null
}

/** Events of all calls of this process: recorded by whoever changes a call, followed by whoever watches one. */
export class Timeline {
  readonly #deps: TimelineDeps
  readonly #watchers = new Map<string, Set<() => void>>()

  constructor(deps: TimelineDeps) {
    this.#deps = deps
  }

  /** Writes one event inside the caller's transaction; `announce` follows the commit. */
  async record(
    tables: Tables,
    callId: string,
    type: TimelineType,
    data: Record<string, unknown>,
  ): Promise<void> {
    const { ids, clock } = this.#deps
    await tables.events.append({ id: ids.next('evt'), callId, type, at: clock.now(), data })
  }

  /** Wakes the followers of a call: something was committed. */
  announce(callId: string): void {
    for (const wake of this.#watchers.get(callId) ?? []) wake()
    this.#deps.elsewhere?.hint(callId)
  }

  /** An ordered log for one call, whose writer does not wait for the disk. */
  open(call: CallRow): CallLog {
    return new CallLog(this.#deps, this, call)
  }

  /** Events after `afterId`, then live ones, until `ended` or until `signal` aborts (then it throws Cancelled). */
  async *follow(
    callId: string,
    afterId: string | null,
    signal: AbortSignal,
  ): AsyncIterable<EventRow> {
    // The store is the queue: a wake-up only says that there is something to read, so nothing can overflow or be lost.
    let stale = true
    let wake = (): void => {}
    const onEvent = (): void => {
      stale = true
      wake()
    }
    const watchers = this.#watchers.get(callId) ?? new Set()
    this.#watchers.set(callId, watchers.add(onEvent))
    const { elsewhere, clock } = this.#deps
    const unwatch = elsewhere?.watch(callId, onEvent)
    const onAbort = (): void => wake()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      let lastId = afterId
      for (;;) {
        stale = false
        for (const row of await this.#deps.store.tables.events.list(callId, lastId)) {
          if (signal.aborted) throw cancelledBy(signal)
          lastId = row.id
          yield row
          if (row.type === 'ended') return
        }
        if (signal.aborted) throw cancelledBy(signal)
        if (!stale) {
          const look = elsewhere ? clock.schedule(LOOK_INTERVAL_MS, onEvent) : null
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          look?.cancel()
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      unwatch?.()
      watchers.delete(onEvent)
      if (watchers.size === 0) this.#watchers.delete(callId)
    }
  }
}

/** Events and transcript turns of one call, written one after the other behind the talking. */
export class CallLog {
  readonly #deps: TimelineDeps
  readonly #timeline: Timeline
  readonly #callId: string
  readonly #processId: string | null
  readonly #tenant: Tenant
  #last: Promise<void> = Promise.resolve()
  #position = 0

  constructor(deps: TimelineDeps, timeline: Timeline, call: CallRow) {
    this.#deps = deps
    this.#timeline = timeline
    this.#callId = call.id
    this.#processId = call.processId
    this.#tenant = { workspaceId: call.workspaceId, environment: call.environment }
  }

  /** Number of transcript turns so far. */
  get turns(): number {
    return this.#position
  }

  event(type: TimelineType, data: Record<string, unknown>): void {
    const { ids, clock, store } = this.#deps
    const row = { id: ids.next('evt'), callId: this.#callId, type, at: clock.now(), data }
    this.#write(() => store.tables.events.append(row, this.#processId))
  }

  turn(turn: Omit<TurnRow, 'callId' | 'position'>): void {
    const row = { ...turn, callId: this.#callId, position: this.#position++ }
    this.#write(() => this.#deps.store.tables.transcripts.append(row, this.#processId))
  }

  /** An audit row about this call, in order with its events. */
  audit(eventType: string, data: Record<string, unknown>): void {
    const { clock, ids, store } = this.#deps
    const at = clock.now()
    this.#write(() =>
      audit(store.tables, ids, {
        tenant: this.#tenant,
        eventType,
        targetType: 'call',
        targetId: this.#callId,
        actor: 'platform',
        data,
        at,
      }),
    )
  }

  /** Resolves when everything handed over is in the store. */
  flushed(): Promise<void> {
    return this.#last
  }

  #write(body: () => Promise<void>): void {
    this.#last = this.#last.then(async () => {
      await persist(this.#deps, body)
      this.#timeline.announce(this.#callId)
    })
    // Whoever flushes sees the fault; nobody flushing must not crash the process in between.
    this.#last.catch(() => undefined)
  }
}

/** Runs a write, trying again while the database is away: a call that talks outlives a short outage. */
export function persist<T>(deps: { clock: Clock; log: Log }, body: () => Promise<T>): Promise<T> {
  return retried(deps, body, ({ retryable }) => retryable)
}

/**
 * The same for a write that may be asked for twice: also when nobody knows whether it was committed. `again`: an earlier
 * attempt may have taken effect, or may still do so. Throws Cancelled between two attempts when `signal` aborts.
 */
export async function persistTwice<T>(
  deps: { clock: Clock; log: Log },
  body: (again: boolean) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let again = false
  return retried(deps, () => body(again), seen, signal)

  function seen({ retryable, unsure }: Fault): boolean {
    again ||= unsure
    return retryable || unsure
  }
}

async function retried<T>(
  deps: { clock: Clock; log: Log },
  body: () => Promise<T>,
  worthwhile: (fault: Fault) => boolean,
  signal: AbortSignal = new AbortController().signal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await body()
    } catch (error) {
      if (!(error instanceof Fault) || !worthwhile(error) || attempt > WRITE_RETRIES) throw error
      deps.log.warn('store.write.retry', { attempt })
      await deps.clock.sleep(RETRY_DELAY_MS, signal)
    }
  }
}
