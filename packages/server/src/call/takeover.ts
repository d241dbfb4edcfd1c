// Calls without a process: those of processes that died, and those of this one that no session of it runs.
//
// A call is taken by naming this process as the one that runs it; only then is it ended. So whoever dies in between has
// it as one of its own, and it is taken again.
import type { CallRow } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { recoverCall } from './recover.ts'

/** Calls that are taken with one statement. */
export const TAKE_MAX = 50
/** Of those, how many are ended at the same time: what is left of the database is for the living. */
const ENDING_AT_ONCE = 4
/** How often this process looks for calls of its own that it does not run. */
const ORPHANS_EVERY_MS = 5_000
/** How long such a call is left alone: its session may just be about to open. */
export const ORPHAN_GRACE_MS = 10_000

/** The calls that this process runs, or is about to. */
export interface Running {
  readonly ids: readonly string[]
  /** When a call that it runs no more was hung up. */
  hungUpAt(callId: string): number | null
}

export class Takeover {
  readonly #deps: CallDeps
  readonly #running: Running
  /** Since when calls of this process have been seen without a session, on the monotonic clock. */
  #orphans = new Map<string, number>()
  #looked = -Infinity
  #sweeping: Promise<void> | null = null
  readonly #closing = new AbortController()

  constructor(deps: CallDeps, running: Running) {
    this.#deps = deps
    this.#running = running
  }

  /**
   * Ends what the processes before this one left, before new calls are taken. `alone`: nobody else can be alive, however
   * young its lease is.
   * @throws Fault when the database is away
   */
  async begin(alone: boolean): Promise<void> {
    const { store, process } = this.#deps
    if (alone) await store.tables.processes.declareLost(process.id, 'all')
    await this.#takeAll()
  }

  /** Looks once, unless it is at it; a database that is away is asked again by the next one. */
  wake(): void {
    if (this.#sweeping || this.#closing.signal.aborted) return
    this.#sweeping = this.#sweep()
      .catch((error: unknown) => this.#deps.log.error('process.sweep.failed', {}, error))
      .finally(() => (this.#sweeping = null))
  }

  /** Takes no more; resolves when what was taken is ended. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#sweeping
  }

  async #sweep(): Promise<void> {
    await this.#takeAll()
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs - this.#looked < ORPHANS_EVERY_MS) return
    this.#looked = nowMs
    await this.#endOrphans(nowMs)
    await this.#deps.store.tables.processes.forget()
  }

  async #takeAll(): Promise<void> {
    const { store, process, log } = this.#deps
    const { processes, calls } = store.tables
    for (const processId of await processes.declareLost(process.id, 'lapsed')) {
      log.warn('process.declared_lost', { processId })
    }
    for (;;) {
      const taken = await calls.takeOver(process.id, TAKE_MAX)
      await this.#end(taken)
      if (taken.length < TAKE_MAX || this.#closing.signal.aborted) return
    }
  }

  /** Whoever lost the answer to the commit that made a call knows nothing of it; nobody else will end it. */
  async #endOrphans(nowMs: number): Promise<void> {
    const { store, process } = this.#deps
    const found = await store.tables.calls.unfinished(process.id, this.#running.ids)
    this.#orphans = new Map(found.map(({ id }) => [id, this.#orphans.get(id) ?? nowMs]))
    await this.#end(found.filter(({ id }) => nowMs - this.#orphans.get(id)! >= ORPHAN_GRACE_MS))
  }

  async #end(calls: readonly CallRow[]): Promise<void> {
    const left = [...calls]
    const next = async (): Promise<void> => {
      for (let call = left.shift(); call; call = left.shift()) await this.#endOne(call)
    }
    await Promise.all(Array.from({ length: Math.min(ENDING_AT_ONCE, left.length) }, next))
  }

  /** One that can't be ended now stays this process's own, and is tried again as such. */
  async #endOne(call: CallRow): Promise<void> {
    const hungUpAt = this.#running.hungUpAt(call.id) ?? 0
    const known = { ...call, heartbeatAt: Math.max(call.heartbeatAt, hungUpAt) }
    const failed = (error: unknown): void =>
      this.#deps.log.error('call.recovery.failed', { callId: call.id }, error)
    await recoverCall(this.#deps, known).catch(failed)
  }
}
