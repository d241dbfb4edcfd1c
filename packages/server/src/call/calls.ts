// All calls of this process: opens a session for each, and brings to it what the API and the network have to say.
import { failure, type FailureOf } from '@saperly/contract'
import { deferred, fail, Fault, ok, type Deferred, type Result } from '@saperly/kernel'
import type { NetworkEvent, TracedMessage } from '@saperly/network'
import { disclosureOf } from '../consent/disclosure.ts'
import type { CallRow, EventRow, Tenant } from '../store/port.ts'
import { type Answer, answer, type Incoming } from './answer.ts'
import type { CallDeps } from './deps.ts'
import { finish } from './finish.ts'
import { TakenOver } from './lease.ts'
import { type CallPlan, recordingPath, talkOptions } from './plan.ts'
import { place, type Placement } from './place.ts'
import type { Calls, PlaceFailure, PlaceRequest } from './port.ts'
import { concurrencyFailure } from './refusal.ts'
import { Session } from './session.ts'
import { persist } from './timeline.ts'
import { mayTransfer } from './transfer.ts'

/** How long a sandbox phone may take to reach the platform. */
const SANDBOX_CALL_LIMIT_MS = 10_000
const BUSY = 'the network carries as many calls as it can'
const CUT_OFF = 'the database has not answered this process for too long'

/** How many of the calls that could not be made final are remembered with the time of their end: the last ones. */
const MAX_HUNG_UP = 10_000

/** `draining`: nothing new is begun; `closing`: what is about to begin does not. */
type Phase = 'open' | 'draining' | 'closing'

export class CallRegistry implements Calls {
  readonly #deps: CallDeps
  readonly #sessions = new Map<string, Session>()
  readonly #running = new Set<Promise<void>>()
  /** Incoming calls that are still being recorded, and their end where the caller has given up meanwhile. */
  readonly #arriving = new Map<string, NetworkEvent | null>()
  /** Sandbox calls asked for through the API, waiting to come in. */
  readonly #expected = new Map<string, Deferred<Answer | null>>()
  /** Calls on record whose session is about to open. */
  readonly #opening = new Set<string>()
  /** When calls were hung up that could not be made final. */
  readonly #hungUpAt = new Map<string, number>()
  #phase: Phase = 'open'

  constructor(deps: CallDeps) {
    this.#deps = deps
    deps.network.subscribe((event) => this.#onNetwork(event))
  }

  get live(): number {
    return this.#sessions.size
  }

  /** The calls that this process runs, or is about to. */
  get ids(): string[] {
    return [...this.#sessions.keys(), ...this.#opening, ...this.#arriving.keys()]
  }

  /** When a call that has no session any more was hung up, epoch milliseconds; null when nobody here knows. */
  hungUpAt(callId: string): number | null {
    return this.#hungUpAt.get(callId) ?? null
  }

  /** Others have taken the calls of this process: their peers are let go, and nothing more is written about them. */
  abandonAll(): void {
    for (const [callId, session] of this.#sessions) {
      this.#deps.network.post({ type: 'hangUp', callId })
      session.abandon()
    }
  }

  drain(): void {
    if (this.#phase === 'open') this.#phase = 'draining'
  }

  /** Drains, and resolves when no call is live any more, or after `limitMs`, or when `signal` aborts. */
  async drained(limitMs: number, signal: AbortSignal): Promise<void> {
    this.drain()
    const over = deferred<'over'>()
    const limit = this.#deps.clock.schedule(limitMs, () => over.resolve('over'))
    const onAbort = (): void => over.resolve('over')
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    while (this.#running.size > 0) {
      const won = await Promise.race([Promise.all(this.#running), over.promise])
      if (won === 'over') break
    }
    limit.cancel()
    signal.removeEventListener('abort', onAbort)
  }

  /** Ends every live call and waits until each is final. */
  async close(): Promise<void> {
    this.#phase = 'closing'
    // One that fails is given up like any other.
    for (const session of this.#sessions.values()) {
      session.end('process_lost', null).catch(() => undefined)
    }
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async place(request: PlaceRequest): Promise<Result<CallRow, PlaceFailure>> {
    if (this.#phase !== 'open') return fail(failure('Unavailable', { reason: 'draining' }))
    if (this.#deps.network.load.overloaded) return fail(failure('Unavailable', { reason: BUSY }))
    if (!(await this.#deps.process.confirmed())) {
      return fail(failure('Unavailable', { reason: CUT_OFF }))
    }
    const placed = await place(this.#deps, request)
    if (!placed.ok) return placed
    const session = await this.#open(placed.value)
    return session.placed()
  }

  async end(
    tenant: Tenant,
    callId: string,
    durationSec: number | null,
  ): Promise<Result<CallRow, FailureOf<'CallNotFound'>>> {
    const call = await this.#find(tenant, callId)
    if (!call) return fail(failure('CallNotFound', { callId }))
    const session = this.#sessions.get(callId)
    return ok(session ? await session.end('api_end', durationSec) : call)
  }

  async transfer(tenant: Tenant, callId: string, to: string): ReturnType<Calls['transfer']> {
    const { session, failed } = await this.#live(tenant, callId)
    if (failed) return fail(failed)
    const refused = await mayTransfer(this.#deps, tenant, to)
    if (refused) return fail(refused)
    return (await session.transfer(to)) ?? fail(notActive(session.call))
  }

  async speak(
    tenant: Tenant,
    callId: string,
    text: string,
    interrupt: boolean,
  ): ReturnType<Calls['speak']> {
    const { session, failed } = await this.#live(tenant, callId)
    if (failed) return fail(failed)
    const spoken = await session.speak(text, interrupt)
    return spoken ? ok(session.call) : fail(notActive(session.call))
  }

  async sendDtmf(tenant: Tenant, callId: string, digits: string): ReturnType<Calls['sendDtmf']> {
    const { session, failed } = await this.#live(tenant, callId)
    if (failed) return fail(failed)
    const sent = await session.sendDigits(digits)
    return sent ? ok(session.call) : fail(notActive(session.call))
  }

  async sandboxCall(
    request: Parameters<Calls['sandboxCall']>[0],
  ): ReturnType<Calls['sandboxCall']> {
    const { key, from, toNumberId: numberId, script } = request
    if (this.#phase !== 'open') return fail(failure('Unavailable', { reason: 'draining' }))
    const visible = key.numberScope === null || key.numberScope.includes(numberId)
    const number = visible ? await this.#deps.store.tables.numbers.get(key, numberId) : null
    if (!number || number.releasedAt !== null) return fail(failure('NumberNotFound', { numberId }))
    if (!number.connectionId) return fail(failure('NumberHasNoConnection', { numberId }))

    const callId = request.callId ?? this.#deps.ids.next('call')
    const received = deferred<Answer | null>()
    this.#expected.set(callId, received)
    const limit = this.#deps.clock.schedule(SANDBOX_CALL_LIMIT_MS, () => received.resolve(null))
    this.#deps.network.post({ type: 'sandboxCall', callId, from, to: number.phoneNumber, script })
    const outcome = await received.promise
    limit.cancel()
    this.#expected.delete(callId)
    if (outcome?.taken) return ok(outcome.placement.call)
    if (outcome?.rejected) return ok(outcome.rejected)
    if (outcome?.limit) return fail(concurrencyFailure(outcome.limit))
    return fail(failure('Unavailable', { reason: 'the sandbox phone did not get through' }))
  }

  follow(callId: string, afterId: string | null, signal: AbortSignal): AsyncIterable<EventRow> {
    return this.#deps.timeline.follow(callId, afterId, signal)
  }

  signalling(call: CallRow): Promise<readonly TracedMessage[]> {
    const { network, store, clock } = this.#deps
    if (call.state !== 'ended') return network.trace(call.id)
    return store.tables.signalling.get(call.id, clock.now())
  }

  // --- sessions ---------------------------------------------------------------------------------------------------

  /** Starts the living part of a call; the first thing that it does is to dial, or to answer. */
  async #open(placement: Placement): Promise<Session> {
    const { call } = placement
    this.#opening.add(call.id)
    const plan = await this.#plan(placement).finally(() => this.#opening.delete(call.id))
    if (call.processId !== this.#deps.process.id) throw new TakenOver(call.id)
    if (this.#phase === 'closing') {
      await this.#abandon(call, { measuredMs: null, targetMs: null })
      throw new Fault('the process is closing', { retryable: true })
    }
    const session = new Session(this.#deps, call, plan)
    this.#sessions.set(call.id, session)
    const ended = this.#arriving.get(call.id)
    if (ended) session.onNetwork(ended)
    const running = session
      .run()
      .catch((error: unknown) => this.#giveUp(session, error))
      .finally(() => {
        this.#sessions.delete(call.id)
        this.#running.delete(running)
      })
    this.#running.add(running)
    return session
  }

  async #plan({ call, number, connection }: Placement): Promise<CallPlan> {
    const { settings } = connection
    // The call is on record and its money is held: whatever is in the way, it goes on from here.
    const workspace = await persist(this.#deps, () =>
      this.#deps.store.tables.workspaces.get(call.workspaceId),
    )
    return {
      settings,
      instructions: call.instructions ?? settings.instructions,
      disclosure: disclosureOf(settings, {
        direction: call.direction,
        workspaceName: workspace?.name ?? 'us',
        recorded: settings.recordingEnabled,
      }),
      talk: talkOptions(settings, call.direction),
      recordTo: settings.recordingEnabled
        ? recordingPath(this.#deps.policy.recordingsDir, call.id)
        : null,
      callerIdName: number.callerIdName,
    }
  }

  /** A session that failed is a bug or a lasting fault: the peer is not left on the line, nor the hold open. */
  async #giveUp(session: Session, error: unknown): Promise<void> {
    const { log, network } = this.#deps
    const { call } = session
    network.post({ type: 'hangUp', callId: call.id })
    if (error instanceof TakenOver) return log.warn('call.taken_over', { callId: call.id })
    log.error('call.session.failed', { callId: call.id }, error)
    if (call.state !== 'ended') await this.#abandon(call, session.talked)
  }

  /** Makes a call final that goes no further here. One that resists is left to whoever looks for calls without a session. */
  async #abandon(call: CallRow, talked: Session['talked']): Promise<void> {
    const { clock, log } = this.#deps
    const now = clock.now()
    const end = {
      ...talked,
      reportedSec: null,
      cause: 'process_lost' as const,
      sipCode: null,
      q850Cause: null,
      recordingPath: null,
      hasTranscript: true,
    }
    await persist(this.#deps, () => finish(this.#deps, call, 'abandon', end)).catch(
      (fault: unknown) => {
        log.error('call.abandon.failed', { callId: call.id }, fault)
        this.#hungUpAt.set(call.id, now)
        const [oldest] = this.#hungUpAt.keys()
        if (this.#hungUpAt.size > MAX_HUNG_UP && oldest) this.#hungUpAt.delete(oldest)
      },
    )
  }

  #onNetwork(event: NetworkEvent): void {
    if (event.type === 'incoming') return void this.#onIncoming(event)
    const session = this.#sessions.get(event.callId)
    if (session) session.onNetwork(event)
    else if (event.type === 'ended' && this.#arriving.has(event.callId)) {
      this.#arriving.set(event.callId, event)
    }
  }

  async #onIncoming(incoming: Incoming): Promise<void> {
    const { network, log } = this.#deps
    const { callId } = incoming
    const refuse = (sipCode: number): void => network.post({ type: 'reject', callId, sipCode })
    if (this.#phase !== 'open') return refuse(503)
    this.#arriving.set(callId, null)
    try {
      if (!(await this.#deps.process.confirmed())) return refuse(503)
      const outcome = await answer(this.#deps, incoming)
      if (outcome.taken) await this.#open(outcome.placement)
      else refuse(outcome.sipCode)
      this.#expected.get(callId)?.resolve(outcome)
    } catch (error) {
      log.error('call.incoming.failed', { callId }, error)
      refuse(500)
    } finally {
      this.#arriving.delete(callId)
    }
  }

  // --- looking up -------------------------------------------------------------------------------------------------

  #find(tenant: Tenant, callId: string): Promise<CallRow | null> {
    return this.#deps.store.tables.calls.get(tenant, callId)
  }

  async #live(
    tenant: Tenant,
    callId: string,
  ): Promise<
    | { session: Session; failed: null }
    | { session: null; failed: FailureOf<'CallNotFound' | 'CallNotActive'> }
  > {
    const call = await this.#find(tenant, callId)
    if (!call) return { session: null, failed: failure('CallNotFound', { callId }) }
    const session = this.#sessions.get(callId)
    return session ? { session, failed: null } : { session: null, failed: notActive(call) }
  }
}

function notActive(call: CallRow): FailureOf<'CallNotActive'> {
  return failure('CallNotActive', { callId: call.id, status: call.status })
}
