// The delivery worker: takes what is due from the outbox, POSTs it signed, and writes down what became of it. What it
// keeps in order, and how a slow endpoint stays out of the others' way: docs/decisions/0020-webhook-order.md.
import { setMaxListeners } from 'node:events'
import { Cancelled, Fault, type Clock, type Log, type Random } from '@saperly/kernel'
import type { OutboundRequest } from '../outbound/dialler.ts'
import type { OutboundResponse } from '../outbound/response.ts'
import { DialError } from '../outbound/watch.ts'
import { type SecretBox, sealedFor } from '../secrets/box.ts'
import type { DeliveryRow, Store, WebhookRow } from '../store/port.ts'
import { Lanes } from './lanes.ts'
import { signedHeaders } from './sign.ts'

/** Pauses before attempt 1, 2, … (contract, section 7); after the last one a delivery is dead. */
export const SCHEDULE_MS = [
  0, 5_000, 30_000, 120_000, 600_000, 3_600_000, 21_600_000, 86_400_000,
] as const
/** A pause is made longer by up to this part of it, so that failures do not come back in step. */
const JITTER = 0.2

/** Deliveries under way at once, over all and to one endpoint; to one that did not answer the last time, 1. */
export const MAX_SENDING = 256
export const MAX_SENDING_PER_ENDPOINT = 4
/** Deliveries taken from the outbox and not finished; more stay there for another process. */
const MAX_HELD = 1024
const CLAIM_BATCH = 64
/** How long a claim keeps others away. One that could not be started in time is left to be claimed again. */
const LEASE_MS = 45_000
const ATTEMPT_LIMITS = { connectMs: 5_000, idleMs: 10_000, wholeMs: 10_000, maxBytes: 64 * 1024 }
/** Longest wait without looking: another process may have committed something. */
const POLL_MS = 1_000
/** Shortest wait when something is due but held by another process. */
const BUSY_MS = 50
/** Pause after the store failed. */
const FAULT_PAUSE_MS = 2_000

export type Claimed = DeliveryRow & { webhook: WebhookRow }

export interface DelivererDeps {
  store: { tables: Pick<Store['tables'], 'outbox'> }
  dialler: {
    request(request: OutboundRequest): Promise<Pick<OutboundResponse, 'status' | 'discard'>>
  }
  box: SecretBox
  clock: Clock
  random: Random
  log: Log
}

export class Deliverer {
  readonly #deps: DelivererDeps
  readonly #lanes = new Lanes<Held>(MAX_SENDING, MAX_SENDING_PER_ENDPOINT)
  readonly #stop = new AbortController()
  readonly #sending = new Set<Promise<void>>()
  #running: Promise<void> | null = null
  #nap = new AbortController()
  /** The latest time of day seen, and when that was. */
  #latest: { at: number; seenMs: number }

  constructor(deps: DelivererDeps) {
    this.#deps = deps
    this.#latest = { at: deps.clock.now(), seenMs: deps.clock.monotonicMs() }
    // Each delivery under way listens for the end, and waits for its answer with another ear.
    setMaxListeners(4 * MAX_SENDING, this.#stop.signal)
  }

  /** Begins to deliver. Once. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Something was committed: look now instead of at the next poll. */
  wake(): void {
    this.#nap.abort(new Cancelled('wake'))
  }

  /** Breaks off what is under way (it stays due), and resolves when nothing of the worker is left. */
  async close(): Promise<void> {
    this.#stop.abort(new Cancelled('shutdown'))
    this.wake()
    await this.#running
    await Promise.all(this.#sending)
  }

  /**
   * What the schedule goes by: the time of day, which never goes back. Somebody who sets the clock back by an hour would
   * put off by an hour all that is owed.
   */
  #now(): number {
    const { clock } = this.#deps
    const seenMs = clock.monotonicMs()
    const wentOn = this.#latest.at + (seenMs - this.#latest.seenMs)
    this.#latest = { at: Math.max(clock.now(), Math.floor(wentOn)), seenMs }
    return this.#latest.at
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      let pauseMs = 0
      try {
        pauseMs = await this.#take()
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        // The outbox keeps everything: the only place that may go on after a fault of the store is this loop.
        this.#deps.log.error('webhook_store_fault', {}, error)
        pauseMs = FAULT_PAUSE_MS
      }
      if (pauseMs > 0) await this.#pause(pauseMs)
    }
  }

  /** Claims what there is room for and starts it; answers how long to wait before looking again. */
  async #take(): Promise<number> {
    const { clock, store } = this.#deps
    // From here on a commit means: look again. A `wake` during the claim must not be lost.
    this.#nap = new AbortController()
    const room = Math.min(CLAIM_BATCH, MAX_HELD - this.#lanes.size)
    if (room <= 0) return POLL_MS
    const claimed = await store.tables.outbox.claim(room, this.#now(), LEASE_MS, {
      perEndpoint: MAX_SENDING_PER_ENDPOINT,
      except: this.#lanes.full(),
    })
    const untilMs = clock.monotonicMs() + LEASE_MS - 2 * ATTEMPT_LIMITS.wholeMs
    for (const delivery of claimed) this.#lanes.add(delivery.webhookId, { delivery, untilMs })
    this.#startWhatMay()
    if (claimed.length === room) return 0
    const dueAt = await store.tables.outbox.nextDueAt(this.#lanes.full())
    if (dueAt === null) return POLL_MS
    return Math.min(POLL_MS, Math.max(BUSY_MS, dueAt - this.#now()))
  }

  #startWhatMay(): void {
    while (!this.#stop.signal.aborted) {
      const next = this.#lanes.next()
      if (next === null) return
      const task = this.#settleOne(next.item).finally(() => {
        this.#sending.delete(task)
        next.done()
        this.#startWhatMay()
        // There is room for one more to this endpoint, and the next event of the call may go.
        this.wake()
      })
      this.#sending.add(task)
    }
  }

  async #settleOne({ delivery, untilMs }: Held): Promise<void> {
    const { clock, log, store } = this.#deps
    if (clock.monotonicMs() > untilMs) return
    try {
      const responseStatus = await this.#attempt(delivery)
      await store.tables.outbox.settle(delivery.id, this.#outcome(delivery, responseStatus))
    } catch (error) {
      // Broken off by the shutdown, or the store is away: the lease runs out and the delivery is due again.
      if (error instanceof Cancelled) return
      log.error('webhook_attempt_fault', { deliveryId: delivery.id }, error)
      if (!(error instanceof Fault)) throw error
    }
  }

  /** One POST. The status that came back, or null when none did. */
  async #attempt(delivery: Claimed): Promise<number | null> {
    const { webhook } = delivery
    if (!webhook.enabled || webhook.deletedAt !== null) return null
    const { clock, dialler, log } = this.#deps
    const attempt = delivery.attempts + 1
    const what = { body: delivery.body, deliveryId: delivery.id, attempt }
    try {
      const response = await dialler.request({
        method: 'POST',
        url: webhook.url,
        headers: {
          'content-type': 'application/json',
          ...signedHeaders(what, this.#secrets(webhook), clock.now()),
        },
        body: delivery.body,
        environment: delivery.environment,
        limits: ATTEMPT_LIMITS,
        signal: this.#stop.signal,
      })
      await response.discard()
      this.#lanes.slow(webhook.id, false)
      return response.status
    } catch (error) {
      if (!(error instanceof DialError)) throw error
      this.#lanes.slow(webhook.id, true)
      log.info('webhook_attempt_failed', { deliveryId: delivery.id, attempt, kind: error.kind })
      return null
    }
  }

  #secrets(webhook: WebhookRow): string[] {
    const { box, clock } = this.#deps
    const place = sealedFor.webhook(webhook.id)
    const current = box.open(webhook.secret, place)
    const { previousSecret, previousSecretUntil } = webhook
    const rotating = previousSecret !== null && (previousSecretUntil ?? 0) > clock.now()
    return rotating ? [current, box.open(previousSecret, place)] : [current]
  }

  #outcome(delivery: Claimed, responseStatus: number | null) {
    const at = this.#deps.clock.now()
    const gone = !delivery.webhook.enabled || delivery.webhook.deletedAt !== null
    if (responseStatus !== null && responseStatus >= 200 && responseStatus < 300) {
      return { status: 'delivered' as const, responseStatus, at, nextAttemptAt: null }
    }
    const pauseMs = gone ? undefined : SCHEDULE_MS[delivery.attempts + 1]
    if (pauseMs === undefined) {
      return { status: 'dead' as const, responseStatus, at, nextAttemptAt: null }
    }
    const jitteredMs = Math.round(pauseMs * (1 + JITTER * this.#deps.random.float()))
    const nextAttemptAt = this.#now() + jitteredMs
    return { status: 'failed' as const, responseStatus, at, nextAttemptAt }
  }

  async #pause(ms: number): Promise<void> {
    try {
      await this.#deps.clock.sleep(ms, this.#nap.signal)
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error
    }
  }
}

/** A claimed delivery, and the monotonic time after which it may not be started any more. */
interface Held {
  delivery: Claimed
  untilMs: number
}
