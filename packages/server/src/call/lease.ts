// This process among those that share the database: its id, and the lease that all of its calls live under.
import { assert, type Clock, Fault, type Ids, type Log, type Timer } from '@saperly/kernel'
import type { OwnedCall, ProcessRole, Store } from '../store/port.ts'

/** How long a process is believed to be alive after its last beat. */
export const LEASE_MS = 7_000
/** How often it renews its lease: three beats may be lost. A crash bills at most so much too little. */
export const BEAT_MS = 2_000

/** What a session meets when its call is no longer run by it: others believed its process to be dead, and took it. */
export class TakenOver extends Fault {
  constructor(callId: string) {
    super(`${callId} was taken over by another process`, { retryable: false })
  }
}

/**
 * - `outside`: not yet one of them, or given up by the others.
 * - `member`: its calls are its own until others declare it lost, which they may after the lease.
 * - `left`: it has ended.
 */
type Standing = 'outside' | 'member' | 'left'

export interface LeaseDeps {
  store: Pick<Store, 'tables'>
  clock: Clock
  ids: Ids
  log: Log
}

export interface LeaseHooks {
  /** The lease was renewed just now. */
  renewed: () => void
  /** Others may have taken every call of this process: none of them is its own any more. */
  lost: () => void
}

export class Lease {
  readonly #deps: LeaseDeps
  readonly #role: ProcessRole
  #id: string
  #standing: Standing = 'outside'
  /** When the last beat that was answered had been sent, on the monotonic clock. */
  #renewedMs = 0
  #hooks: LeaseHooks = { renewed: () => {}, lost: () => {} }
  #timer: Timer | null = null
  #beating: Promise<boolean> | null = null

  constructor(deps: LeaseDeps, role: ProcessRole) {
    this.#deps = deps
    this.#role = role
    this.#id = deps.ids.next('proc')
  }

  /** Another one after the process was lost: what it had as the former is not its own. */
  get id(): string {
    return this.#id
  }

  /** @throws Fault when the database is away */
  async join(): Promise<void> {
    assert(this.#standing === 'outside', 'a process joins once at a time')
    const { store, clock, log } = this.#deps
    const { processes } = store.tables
    const sentMs = clock.monotonicMs()
    await processes.join({ id: this.#id, role: this.#role, at: clock.now() }, LEASE_MS)
    this.#standing = 'member'
    this.#renewedMs = sentMs
    log.info('process.joined', { processId: this.#id, role: this.#role })
  }

  /** Beats until `close`. */
  start(hooks: LeaseHooks): void {
    this.#hooks = hooks
    this.#schedule()
  }

  /**
   * Whether this process may begin something: its lease runs by its own clock, or the database says that nobody has
   * given it up. False when the database is away.
   */
  async confirmed(): Promise<boolean> {
    const sinceMs = this.#deps.clock.monotonicMs() - this.#renewedMs
    if (this.#standing === 'member' && sinceMs < LEASE_MS) return true
    return this.#standing !== 'left' && this.#beat()
  }

  /** Whether the call is certainly this process's own: asked before anything that costs money begins. */
  async runs(call: OwnedCall): Promise<boolean> {
    return (await this.confirmed()) && call.processId === this.#id
  }

  /** The process ends. What it has not finished is taken by others. */
  async close(): Promise<void> {
    const former = this.#standing
    this.#standing = 'left'
    this.#timer?.cancel()
    await this.#beating
    if (former !== 'member') return
    const { store, log } = this.#deps
    // A database that is away sees the lease run out.
    await store.tables.processes
      .leave(this.#id)
      .catch((error: unknown) => log.error('process.leave.failed', { processId: this.#id }, error))
  }

  #schedule(): void {
    if (this.#standing === 'left') return
    this.#timer = this.#deps.clock.schedule(BEAT_MS, () => {
      void this.#beat().then(() => this.#schedule())
    })
  }

  /** One beat at a time; whether it was answered, and the process is one of them. */
  #beat(): Promise<boolean> {
    this.#beating ??= this.#renew()
      .catch((error: unknown) => {
        this.#deps.log.error('process.beat.failed', { processId: this.#id }, error)
        return false
      })
      .finally(() => (this.#beating = null))
    return this.#beating
  }

  async #renew(): Promise<boolean> {
    if (this.#standing === 'member' && !(await this.#extend())) this.#onLost()
    if (this.#standing === 'outside') await this.join()
    const member = this.#standing === 'member'
    if (member) this.#hooks.renewed()
    return member
  }

  async #extend(): Promise<boolean> {
    const { store, clock } = this.#deps
    const sentMs = clock.monotonicMs()
    const alive = await store.tables.processes.beat(this.#id, clock.now(), LEASE_MS)
    if (alive) this.#renewedMs = sentMs
    return alive
  }

  /** Paused for longer than the lease, and others went on: it starts anew, with nothing. */
  #onLost(): void {
    if (this.#standing !== 'member') return
    const { ids, log } = this.#deps
    log.warn('process.lost', { processId: this.#id })
    this.#standing = 'outside'
    this.#id = ids.next('proc')
    this.#hooks.lost()
  }
}
