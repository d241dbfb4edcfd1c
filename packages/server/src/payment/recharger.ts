// The recharge worker: asks for money where a balance has run low, and turns what was paid into a top-up, once. Why it
// neither loses nor takes money twice: docs/decisions/0027-recharge.md.
import {
  Cancelled,
  type Clock,
  fail,
  Fault,
  type Ids,
  type Log,
  type Random,
} from '@saperly/kernel'
import type { Environment } from '@saperly/network'
import { audit } from '../consent/trail.ts'
import type { Store, Tenant } from '../store/port.ts'
import type { RechargeRow } from '../store/recharge-port.ts'
import { ASK_WITHIN_MS, type Payment, type PaymentProvider, type PaymentResult } from './port.ts'

/** Longest time for which a low balance goes unseen when nobody says so, or another process's recharge stays due. */
export const POLL_MS = 30_000
/** What is said within this is looked at in one go. */
const GATHER_MS = 200
/** Pause after the store failed. */
const FAULT_PAUSE_MS = 2_000
/** Payments under way at once; more wait in the table. */
const MAX_CHARGING = 8
/** How long a claim keeps others away: longer than one payment takes. Two who charge at once charge once all the same. */
const LEASE_MS = 180_000
/** Pause after the first attempt that came to nothing; each one after it is four times as long, up to an hour. */
const FIRST_PAUSE_MS = 5_000
const PAUSE_FACTOR = 4
const MAX_PAUSE_MS = 3_600_000
/** A pause is made longer by up to this part of it, so that many do not come back in step. */
const JITTER = 0.2

/** After a decline nothing is asked for this long; after so many within a day, nothing until the day has passed. */
export const DECLINE_PAUSE_MS = 3_600_000
export const MAX_DECLINES = 3

/** What one workspace wants in one environment. */
export interface RechargeSettings {
  tenant: Tenant
  /** Asked for as soon as less than this is available. */
  belowCents: number
  amountCents: number
  /** What may be asked for in 24 hours. */
  maxPerDayCents: number
  customer: string
  paymentMethod: string
}

export interface RechargerDeps {
  store: Pick<Store, 'tables' | 'transaction'>
  /** Who is asked in which environment; null: nobody. */
  providers: Readonly<Record<Environment, PaymentProvider | null>>
  settings: readonly RechargeSettings[]
  clock: Clock
  ids: Ids
  random: Random
  log: Log
  /** Something was committed that waits for its place in the audit chain. */
  committed: () => void
}

const keyOf = ({ workspaceId, environment }: Tenant): string => `${environment} ${workspaceId}`

export class Recharger {
  readonly #deps: RechargerDeps
  readonly #settings: ReadonlyMap<string, RechargeSettings>
  readonly #names: Readonly<Record<Environment, string | null>>
  readonly #stop = new AbortController()
  readonly #charging = new Set<Promise<void>>()
  /** Tenants of whom it was said that their money has run low. */
  readonly #hinted = new Set<string>()
  #sweepAtMs = 0
  #running: Promise<void> | null = null
  #nap = new AbortController()

  constructor(deps: RechargerDeps) {
    this.#deps = deps
    const { test, live } = deps.providers
    this.#names = { test: test?.name ?? null, live: live?.name ?? null }
    const served = deps.settings.filter(({ tenant }) => deps.providers[tenant.environment])
    this.#settings = new Map(served.map((wanted) => [keyOf(wanted.tenant), wanted]))
  }

  /** Begins, unless nobody is to be asked at all. What was left pending before is taken up, with settings or without. */
  start(): void {
    if (this.#names.test === null && this.#names.live === null) return
    this.#running ??= this.#run()
  }

  /** The money of a tenant may have run low. A hint only: the balance is looked at, and every balance now and then. */
  wake(tenant: Tenant): void {
    const key = keyOf(tenant)
    if (!this.#settings.has(key)) return
    this.#hinted.add(key)
    this.#nap.abort(new Cancelled('wake'))
  }

  /** Breaks off what is under way (it is looked for at the next attempt), and resolves when nothing is left of it. */
  async close(): Promise<void> {
    this.#stop.abort(new Cancelled('shutdown'))
    this.#nap.abort(new Cancelled('shutdown'))
    await this.#running
    await Promise.all(this.#charging)
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      let pauseMs: number
      try {
        pauseMs = await this.#pass()
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        // The table and the balances keep everything: the only place that may go on after a fault of the store.
        this.#deps.log.error('recharge.store_fault', {}, error)
        this.#sweepAtMs = 0
        pauseMs = FAULT_PAUSE_MS
      }
      await this.#sleep(pauseMs, this.#nap.signal)
      await this.#sleep(GATHER_MS, this.#stop.signal)
    }
  }

  /** Opens what is wanted and starts what is due; how long to wait before looking again. */
  async #pass(): Promise<number> {
    const { clock, store } = this.#deps
    // From here on a hint means: look again.
    this.#nap = new AbortController()
    if (this.#stop.signal.aborted) return 0
    for (const wanted of await this.#low()) await this.#open(wanted)
    const room = MAX_CHARGING - this.#charging.size
    if (room <= 0) return POLL_MS
    const claimed = await store.tables.recharges.claim(this.#names, room, clock.now(), LEASE_MS)
    for (const recharge of claimed) this.#begin(recharge)
    const dueAt = await store.tables.recharges.nextDueAt(this.#names)
    return Math.min(POLL_MS, Math.max(0, (dueAt ?? Infinity) - clock.now()))
  }

  async #low(): Promise<RechargeSettings[]> {
    const { clock, store } = this.#deps
    const sweeps = clock.monotonicMs() >= this.#sweepAtMs
    if (sweeps) this.#sweepAtMs = clock.monotonicMs() + POLL_MS
    const keys = sweeps ? [...this.#settings.keys()] : [...this.#hinted]
    this.#hinted.clear()
    if (keys.length === 0) return []
    const low = await store.tables.recharges.low(keys.map((key) => this.#settings.get(key)!))
    return low.map(({ tenant }) => this.#settings.get(keyOf(tenant))!)
  }

  async #open(wanted: RechargeSettings): Promise<void> {
    const { clock, ids, log, providers, store } = this.#deps
    const { tenant, amountCents, customer, paymentMethod, belowCents, maxPerDayCents } = wanted
    const opened = await store.tables.recharges.open(
      {
        id: ids.next('rch'),
        provider: providers[tenant.environment]!.name,
        tenant,
        amountCents,
        customer,
        paymentMethod,
      },
      { belowCents, maxPerDayCents, pauseMs: DECLINE_PAUSE_MS, maxDeclines: MAX_DECLINES },
      clock.now(),
    )
    if (opened) log.info('recharge.opened', { rechargeId: opened.id, amountCents })
  }

  #begin(recharge: RechargeRow): void {
    const task = this.#attempt(recharge).finally(() => {
      this.#charging.delete(task)
      // There is room for one more.
      this.#nap.abort(new Cancelled('wake'))
    })
    this.#charging.add(task)
  }

  async #attempt(recharge: RechargeRow): Promise<void> {
    const { log } = this.#deps
    const about = { rechargeId: recharge.id, attempt: recharge.attempts }
    try {
      const result = await this.#outcomeOf(recharge)
      if ('postponed' in result) await this.#postpone(recharge, result.postponed)
      else await this.#settle(recharge, result)
    } catch (error) {
      // Broken off by the shutdown, or the store is away: the lease runs out, and what was paid is found again.
      if (error instanceof Cancelled) return
      log.error('recharge.attempt_fault', about, error)
      if (!(error instanceof Fault)) throw error
    }
  }

  /** What the provider says; or, when it is not known what became of it, the provider's fault. */
  async #outcomeOf(recharge: RechargeRow): Promise<PaymentResult | { postponed: Fault }> {
    const provider = this.#deps.providers[recharge.environment]!
    const payment = paymentOf(recharge)
    const { signal } = this.#stop
    try {
      const found = recharge.attempts > 1 ? await provider.find(payment, signal) : null
      if (found) return found
      const late = this.#deps.clock.now() - recharge.createdAt > ASK_WITHIN_MS
      return late ? fail({ reason: 'unavailable' }) : await provider.charge(payment, signal)
    } catch (error) {
      if (error instanceof Fault) return { postponed: error }
      throw error
    }
  }

  async #postpone(recharge: RechargeRow, fault: Fault): Promise<void> {
    const { clock, log, random, store } = this.#deps
    const pauseMs = fault.retryable ? pauseAfter(recharge.attempts) : MAX_PAUSE_MS
    const about = { rechargeId: recharge.id, attempt: recharge.attempts, reason: fault.message }
    log[fault.retryable ? 'warn' : 'error']('recharge.postponed', { ...about, pauseMs })
    const jitteredMs = Math.round(pauseMs * (1 + JITTER * random.float()))
    await store.tables.recharges.postpone(recharge, clock.now() + jitteredMs)
  }

  /** The end of the recharge and its top-up, in one transaction: both, or neither. */
  async #settle(recharge: RechargeRow, result: PaymentResult): Promise<void> {
    const { clock, committed, ids, log, store } = this.#deps
    const { id, workspaceId, environment, amountCents } = recharge
    const tenant = { workspaceId, environment }
    const outcome = result.ok
      ? { state: 'paid' as const, reference: result.value.reference }
      : { state: 'declined' as const, reason: result.failure.reason }
    const at = clock.now()
    const settled = await store.transaction(async (tables) => {
      if (!(await tables.recharges.settle(id, outcome, at))) return false
      if (outcome.state === 'paid') {
        await tables.ledger.topUp(tenant, amountCents, `recharge ${id} ${outcome.reference}`, at)
      }
      const { state, ...why } = outcome
      await audit(tables, ids, {
        tenant,
        eventType: `recharge.${state}`,
        targetType: 'workspace',
        targetId: workspaceId,
        actor: 'platform',
        data: { rechargeId: id, amountCents, ...why },
        at,
      })
      return true
    })
    if (!settled) return
    log.info(`recharge.${outcome.state}`, { rechargeId: id, amountCents })
    committed()
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(ms, signal)
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error
    }
  }
}

/** Milliseconds after so many attempts, before the next one. */
export function pauseAfter(attempts: number): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * PAUSE_FACTOR ** Math.max(0, attempts - 1))
}

function paymentOf(recharge: RechargeRow): Payment {
  const { id, workspaceId, environment, amountCents, customer, paymentMethod, createdAt } = recharge
  return {
    id,
    tenant: { workspaceId, environment },
    amountCents,
    currency: 'usd',
    customer,
    paymentMethod,
    askedAt: createdAt,
  }
}
