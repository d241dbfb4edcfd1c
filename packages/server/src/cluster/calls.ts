// Calls wherever they live: what is asked of one goes to the process that carries it, a new one to where there is room.
//
// The database says who carries a call; the bus only brings the question there. What an answer says of a call is read
// from the database, and so is what became of it when no answer comes.
import { failure, type FailureOf, type FailureTag } from '@saperly/contract'
import { Cancelled, type Clock, fail, Fault, type Ids, ok, type Result } from '@saperly/kernel'
import type { TracedMessage } from '@saperly/network'
import type { Messenger, Question, Reply } from '../bus/messenger.ts'
import type { Roster } from '../bus/roster.ts'
import { claimPlacement } from '../call/placement-claim.ts'
import type { Calls, PlaceFailure, PlaceRequest } from '../call/port.ts'
import type { CallRow, EventRow, KeyRow, Store, Tenant } from '../store/port.ts'
import {
  dtmfQuestion,
  endQuestion,
  type Outcome,
  placeQuestion,
  sandboxQuestion,
  signallingQuestion,
  speakQuestion,
  transferQuestion,
} from './messages.ts'
import { isUndecided, outcomeOfPlacing } from './settle.ts'

/** By when the other process must have taken a question up. */
const START_LIMIT_MS = 3_000
/** How long its answer may take, where it waits for a carrier, and where it doesn't. */
const CARRIER_LIMIT_MS = 90_000
const ANSWER_LIMIT_MS = 20_000
/** How often it is looked after while its answer is waited for, and from when on the database is asked, too. */
const WATCH_INTERVAL_MS = 1_000
const LOOK_AFTER_MS = 5_000
/** Processes that one placement tries, when those before did not take it up. */
const MAX_TRIES = 3

interface Wait {
  limitMs: number
  /** Whether the database says already what the answer would. */
  isOver?: () => Promise<boolean>
}

export interface ClusterCallsDeps {
  /** The calls of this process; null where it carries none. */
  local: Calls | null
  /** What this process holds its calls under. */
  leaseId: () => string
  messenger: Messenger
  roster: Roster
  store: Store
  clock: Clock
  ids: Ids
  follow: Calls['follow']
}

export class ClusterCalls implements Calls {
  readonly #deps: ClusterCallsDeps
  #draining = false

  constructor(deps: ClusterCallsDeps) {
    this.#deps = deps
  }

  get live(): number {
    return this.#deps.local?.live ?? 0
  }

  drain(): void {
    this.#draining = true
    this.#deps.local?.drain()
  }

  async place(request: PlaceRequest): Promise<Result<CallRow, PlaceFailure>> {
    return this.#whereThereIsRoom(
      () => this.#deps.local?.place(request),
      async (processId) => {
        const { key, ...asked } = request
        const callId = this.#deps.ids.next('call')
        const tenant = tenantOf(key)
        const message = { ...asked, tenant, callId, keyId: key.id }
        // Not there by now: it was not taken up, or is taken too late.
        const isDecided = async (): Promise<boolean> => {
          const call = await this.#find(tenant, callId)
          return call === null || !isUndecided(call)
        }
        const wait = { limitMs: CARRIER_LIMIT_MS, isOver: isDecided }
        const reply = await this.#ask(placeQuestion, processId, message, wait)
        if (reply.kind === 'answer') return this.#resultOf(tenant, callId, reply.value)
        return wasNotTaken(reply) ? null : this.#withdraw(key, callId)
      },
    )
  }

  async end(
    tenant: Tenant,
    callId: string,
    durationSec: number | null,
    actor: string,
  ): Promise<Result<CallRow, FailureOf<'CallNotFound'>>> {
    const call = await this.#find(tenant, callId)
    if (!call) return fail(failure('CallNotFound', { callId }))
    if (call.state === 'ended') return ok(call)
    if (this.#isHere(call)) return this.#here.end(tenant, callId, durationSec, actor)
    const message = { tenant, callId, durationSec, actor }
    const isOver = async (): Promise<boolean> =>
      (await this.#find(tenant, callId))?.state === 'ended'
    const wait = { limitMs: CARRIER_LIMIT_MS, isOver }
    const ended = await this.#askHolder(call, endQuestion, message, wait)
    if (ended) return ended
    const final = await this.#find(tenant, callId)
    if (final?.state !== 'ended') throw outOfReach()
    return ok(final)
  }

  async transfer(
    tenant: Tenant,
    callId: string,
    to: string,
    actor: string,
  ): ReturnType<Calls['transfer']> {
    const call = await this.#live(tenant, callId)
    if (!call.ok) return call
    if (this.#isHere(call.value)) return this.#here.transfer(tenant, callId, to, actor)
    const message = { tenant, callId, to, actor }
    return this.#askOrFail(call.value, transferQuestion, message, CARRIER_LIMIT_MS)
  }

  async speak(
    tenant: Tenant,
    callId: string,
    text: string,
    interrupt: boolean,
  ): ReturnType<Calls['speak']> {
    const call = await this.#live(tenant, callId)
    if (!call.ok) return call
    if (this.#isHere(call.value)) return this.#here.speak(tenant, callId, text, interrupt)
    const message = { tenant, callId, text, interrupt }
    return this.#askOrFail(call.value, speakQuestion, message, ANSWER_LIMIT_MS)
  }

  async sendDtmf(tenant: Tenant, callId: string, digits: string): ReturnType<Calls['sendDtmf']> {
    const call = await this.#live(tenant, callId)
    if (!call.ok) return call
    if (this.#isHere(call.value)) return this.#here.sendDtmf(tenant, callId, digits)
    const message = { tenant, callId, digits }
    return this.#askOrFail(call.value, dtmfQuestion, message, ANSWER_LIMIT_MS)
  }

  async sandboxCall(
    request: Parameters<Calls['sandboxCall']>[0],
  ): ReturnType<Calls['sandboxCall']> {
    return this.#whereThereIsRoom(
      () => this.#deps.local?.sandboxCall(request),
      async (processId) => {
        const { key, ...asked } = request
        const callId = this.#deps.ids.next('call')
        const tenant = tenantOf(key)
        const message = { ...asked, tenant, callId, keyId: key.id }
        const limitMs = ANSWER_LIMIT_MS
        const reply = await this.#ask(sandboxQuestion, processId, message, { limitMs })
        if (reply.kind === 'answer') return this.#resultOf(tenant, callId, reply.value)
        if (wasNotTaken(reply)) return null
        const call = await this.#find(tenant, callId)
        return call ? ok(call) : fail(failure('Unavailable', { reason: 'no answer came' }))
      },
    )
  }

  follow(callId: string, afterId: string | null, signal: AbortSignal): AsyncIterable<EventRow> {
    return this.#deps.follow(callId, afterId, signal)
  }

  async signalling(call: CallRow): Promise<readonly TracedMessage[]> {
    const { store, clock, roster } = this.#deps
    if (call.state === 'ended') return store.tables.signalling.get(call.id, clock.now())
    if (this.#isHere(call)) return this.#here.signalling(call)
    const holder = roster.holderOf(call.processId)
    if (holder === null) throw outOfReach()
    const message = { tenant: tenantOf(call), callId: call.id }
    const limitMs = ANSWER_LIMIT_MS
    const reply = await this.#ask(signallingQuestion, holder, message, { limitMs })
    if (reply.kind === 'answer') return reply.value
    throw outOfReach()
  }

  // --- a new call -------------------------------------------------------------------------------------------------

  /** Tries one process after the other; `away` answers null when the process did not take the question up. */
  async #whereThereIsRoom<F extends FailureOf<FailureTag>>(
    here: () => Promise<Result<CallRow, F>> | undefined,
    away: (processId: string) => Promise<Result<CallRow, F> | null>,
  ): Promise<Result<CallRow, F | FailureOf<'Unavailable'>>> {
    if (this.#draining) return fail(failure('Unavailable', { reason: 'draining' }))
    const { roster, messenger } = this.#deps
    for (const processId of roster.withRoom().slice(0, MAX_TRIES)) {
      const given = roster.give(processId)
      const placing = processId === messenger.processId ? here() : away(processId)
      const placed = await Promise.resolve(placing).finally(given.answered)
      // One that has filled up or begun to drain meanwhile leaves it to the next.
      if (placed && (placed.ok || placed.failure._tag !== 'Unavailable')) return placed
    }
    return fail(failure('Unavailable', { reason: 'no process that carries calls has room' }))
  }

  /** No answer came: from now on it can't be placed there (null), or what became of it stands in the database. */
  async #withdraw(key: KeyRow, callId: string): Promise<Result<CallRow, PlaceFailure> | null> {
    const { store, clock } = this.#deps
    const tenant = tenantOf(key)
    const claim = { tenant, keyId: key.id, callId, at: clock.now() }
    if (await claimPlacement(store.tables, claim)) return null
    return outcomeOfPlacing(this.#deps, tenant, callId)
  }

  // --- a call that lives elsewhere --------------------------------------------------------------------------------

  async #askOrFail<Q, Tag extends FailureTag>(
    call: CallRow,
    question: Question<Q, Outcome<Tag>>,
    message: Q,
    limitMs: number,
  ): Promise<Result<CallRow, FailureOf<Tag>>> {
    const result = await this.#askHolder(call, question, message, { limitMs })
    if (!result) throw outOfReach()
    return result
  }

  /** Null when no answer came, whatever was done. */
  async #askHolder<Q, Tag extends FailureTag>(
    call: CallRow,
    question: Question<Q, Outcome<Tag>>,
    message: Q,
    wait: Wait,
  ): Promise<Result<CallRow, FailureOf<Tag>> | null> {
    const holder = this.#deps.roster.holderOf(call.processId)
    if (holder === null) return null
    const reply = await this.#ask(question, holder, message, wait)
    if (reply.kind !== 'answer') return null
    return this.#resultOf(tenantOf(call), call.id, reply.value)
  }

  /** Asks, and gives the wait up when the other process or the bus is gone, or the database has the answer. */
  async #ask<Q, A>(
    question: Question<Q, A>,
    processId: string,
    message: Q,
    { limitMs, isOver }: Wait,
  ): Promise<Reply<A>> {
    const { messenger, roster } = this.#deps
    const gone = new AbortController()
    const answered = new AbortController()
    const asked = messenger.ask(question, processId, message, {
      limitMs,
      startBy: roster.startBy(processId, START_LIMIT_MS),
      signal: gone.signal,
    })
    const watched = this.#watch(processId, isOver, answered.signal).then(() => {
      gone.abort()
      return asked
    })
    try {
      return await Promise.race([asked, watched])
    } finally {
      answered.abort(new Cancelled('answered'))
      watched.catch(() => undefined)
    }
  }

  /** Resolves when there is nothing more to wait for. */
  async #watch(processId: string, isOver: Wait['isOver'], signal: AbortSignal): Promise<void> {
    const { roster, clock } = this.#deps
    const startedMs = clock.monotonicMs()
    while (roster.isThere(processId)) {
      await clock.sleep(WATCH_INTERVAL_MS, signal)
      if (isOver && clock.monotonicMs() - startedMs > LOOK_AFTER_MS && (await isOver())) return
    }
  }

  async #resultOf<Tag extends FailureTag>(
    tenant: Tenant,
    callId: string,
    outcome: Outcome<Tag>,
  ): Promise<Result<CallRow, FailureOf<Tag>>> {
    if (!outcome.done) return fail(outcome.failure)
    const call = await this.#find(tenant, callId)
    if (!call) throw new Fault('a call is not in this database', { retryable: false })
    return ok(call)
  }

  // --- looking up -------------------------------------------------------------------------------------------------

  get #here(): Calls {
    const { local } = this.#deps
    if (!local) throw outOfReach()
    return local
  }

  #isHere(call: CallRow): boolean {
    return this.#deps.local !== null && call.processId === this.#deps.leaseId()
  }

  #find(tenant: Tenant, callId: string): Promise<CallRow | null> {
    return this.#deps.store.tables.calls.get(tenant, callId)
  }

  async #live(
    tenant: Tenant,
    callId: string,
  ): Promise<Result<CallRow, FailureOf<'CallNotFound' | 'CallNotActive'>>> {
    const call = await this.#find(tenant, callId)
    if (!call) return fail(failure('CallNotFound', { callId }))
    if (call.state !== 'ended') return ok(call)
    return fail(failure('CallNotActive', { callId, status: call.status }))
  }
}

function tenantOf({ workspaceId, environment }: Tenant): Tenant {
  return { workspaceId, environment }
}

/** It is certain that the other process did nothing, and won't. */
function wasNotTaken({ kind }: Reply<unknown>): boolean {
  return kind === 'nobody' || kind === 'late' || kind === 'away'
}

/** Becomes 503 `Unavailable` where all faults do. */
function outOfReach(): Fault {
  return new Fault('the process that carries the call can’t be reached', { retryable: true })
}
