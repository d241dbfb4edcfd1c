// The living part of one call: everything that happens to it, in one order, inside one scope.
//
// Network events, API requests, directives and timers all become steps in one mailbox; a step runs alone and to its end.
// The scope ends when the call is final: then no timer, no question to the brain and no subscription of it is left.
import { failure, type FailureOf, type HangupCause } from '@saperly/contract'
import { assert, deferred, fail, ok, type Result, type Scope, withScope } from '@saperly/kernel'
import type { NetworkEvent, TalkEvent } from '@saperly/network'
import type { Brain } from '../brain/port.ts'
import type { CallPatch, CallRow, Tenant } from '../store/port.ts'
import { Conversation } from './conversation.ts'
import type { CallDeps } from './deps.ts'
import { finish, type Finish } from './finish.ts'
import { Funds } from './funds.ts'
import { extendHold } from './hold.ts'
import { TakenOver } from './lease.ts'
import { type CallEvent, nextState } from './machine.ts'
import { type CallPlan, dialOf } from './plan.ts'
import { startFailure } from './refusal.ts'
import { type CallLog, persist, persistTwice, type TimelineType } from './timeline.ts'
import { Steps } from './steps.ts'
import { stopCalling } from './stop-calling.ts'
import { isTransfer, Transfers } from './transfers.ts'
import { transition } from './transition.ts'

/** How long the network may take to report the end of a call that we ended. */
const END_LIMIT_MS = 45_000
const NOTHING_HEARD = { sipCode: null, q850Cause: null }

export class Session {
  readonly plan: CallPlan
  readonly #deps: CallDeps
  readonly #tenant: Tenant
  readonly #steps: Steps
  readonly #log: CallLog
  readonly #accepted = deferred<void>()
  readonly #final = deferred<CallRow>()
  #call: CallRow
  #scope: Scope | null = null
  #brain: Brain | null = null
  #conversation: Conversation | null = null
  /** From the answer on. */
  #funds: Funds | null = null
  readonly #transfers: Transfers
  /** What to call the end, when it was our doing. */
  #cause: HangupCause | null = null
  #reportedSec: number | null = null
  #recordingPath: string | null = null
  #failureReason: string | null = null

  constructor(deps: CallDeps, call: CallRow, plan: CallPlan) {
    this.#deps = deps
    this.#call = call
    this.plan = plan
    this.#tenant = { workspaceId: call.workspaceId, environment: call.environment }
    this.#log = deps.timeline.open(call)
    this.#steps = new Steps(deps.clock)
    this.#transfers = new Transfers(deps, plan, this.#log, {
      call: () => this.#call,
      changed: (row) => (this.#call = row),
      talkedMs: () => this.talked.measuredMs ?? 0,
      warn: (secondsLeft) => this.#log.event('funds_low', { secondsLeft }),
      cut: (cause) => this.#cut(cause),
      broken: (error) => this.#fail(error),
      letGo: () => this.#conversation?.letGo(),
      failed: ({ reason, sipCode }) => this.#conversation?.transferFailed(reason, sipCode),
    })
  }

  get call(): CallRow {
    return this.#call
  }

  /** Runs the call to its end; rejects only with a bug or a lasting fault. */
  async run(): Promise<void> {
    try {
      await withScope(null, this.#deps.clock, async (scope) => {
        this.#scope = scope
        scope.defer('log', () => this.#log.flushed())
        scope.defer('brain', () => this.#brain?.close())
        try {
          await this.#begin()
          await this.#steps.runUntil(() => this.#call.state === 'ended', scope.signal)
        } finally {
          // The scope waits for its questions, which a brain may never answer; a customer may wait for a transfer.
          this.#conversation?.letGo()
          this.#transfers.ended()
          scope.cancel('the call is over')
          await this.#stopFunds()
        }
      })
    } catch (error) {
      this.#accepted.reject(error)
      this.#final.reject(error)
      throw error
    }
  }

  /** The two openings: one asks the carrier, the other takes its call. From here on they are the same. */
  async #begin(): Promise<void> {
    const { network, store, process } = this.#deps
    const { id: callId, direction, environment, to } = this.#call
    const { talk, recordTo } = this.plan
    if (direction === 'inbound') {
      await this.#move('ring', {}, 'ringing', {})
      if (!(await process.runs(this.#call))) throw new TakenOver(callId)
      return network.post({ type: 'answer', callId, talk, recordTo })
    }
    await this.#move('dial', {}, null, {})
    const own =
      environment === 'test' &&
      (await persist(this.#deps, () => store.tables.numbers.findActive('test', to)))
    // A process that was paused calls nobody whose money others have given back meanwhile.
    if (!(await process.runs(this.#call))) throw new TakenOver(callId)
    network.post(dialOf(this.#call, this.plan, Boolean(own)))
  }

  /** Resolves when the carrier has decided: rings, answered, or the call is over. Returns why it could not start. */
  async placed(): Promise<Result<CallRow, FailureOf<'CallStartFailed'>>> {
    await this.#accepted.promise
    const call = this.#call
    if (call.state !== 'ended' || call.status !== 'failed') return ok(call)
    return fail(startFailure(call, this.#failureReason))
  }

  /** The final row, once there is one. */
  finished(): Promise<CallRow> {
    return this.#final.promise
  }

  // --- what the API may ask ---------------------------------------------------------------------------------------

  /** Ends the call; resolves with its final row. The longest report of several counts. */
  async end(cause: HangupCause, reportedSec: number | null): Promise<CallRow> {
    void this.#steps.add(() => {
      if (reportedSec !== null) this.#reportedSec = Math.max(this.#reportedSec ?? 0, reportedSec)
      return this.#hangUp(cause)
    })
    return this.finished()
  }

  /** Lets the call go as it stands: others have it. */
  abandon(): void {
    this.#fail(new TakenOver(this.#call.id))
  }

  /** Resolves when the carrier has taken or refused the transfer; null: the call is not connected. */
  async transfer(to: string): Promise<Result<CallRow, FailureOf<'TransferFailed'>> | null> {
    const request = await this.#steps.ask(() => this.#transfers.begin(to), null)
    if (!request) return null
    const refusal = await request.answered
    if (!refusal) return ok(this.#call)
    return fail(failure('TransferFailed', { callId: this.#call.id, ...refusal }))
  }

  /** False when the call is not connected. */
  speak(text: string, interrupt: boolean): Promise<boolean> {
    return this.#steps.ask(() => this.#talking((talk) => talk.speak(text, interrupt)), false)
  }

  sendDigits(digits: string): Promise<boolean> {
    return this.#steps.ask(
      () =>
        this.#talking((talk) => {
          this.#log.event('dtmf', { digits, direction: 'sent' })
          talk.sendDigits(digits)
        }),
      false,
    )
  }

  /** Something happened to this call in the network. */
  onNetwork(event: NetworkEvent): void {
    // What is held burns from the answer on, not from when the step for it comes to its turn.
    if (this.#scope?.signal.aborted === false) {
      if (event.type === 'answered') this.#watchFunds()
      else if (event.type === 'bridged') this.#transfers.watchFunds()
    }
    void this.#steps.add(() => this.#onNetwork(event))
  }

  // --- the network's events ---------------------------------------------------------------------------------------

  async #onNetwork(event: NetworkEvent): Promise<void> {
    if (isTransfer(event)) return this.#transfers.onNetwork(event)
    switch (event.type) {
      case 'accepted':
        return this.#accepted.resolve()
      case 'ringing':
        return void (await this.#move('ring', {}, 'ringing', { sipCode: event.sipCode }))
      case 'answered':
        return this.#onAnswered(event)
      case 'dialog':
        return void (await persist(this.#deps, () =>
          this.#deps.store.tables.calls.change(this.#call, [this.#call.state], {
            dialog: event.dialog,
          }),
        ))
      case 'recordingSaved':
        return void (this.#recordingPath = event.path)
      case 'quality':
        return this.#log.event('quality', { ...event.quality })
      case 'ended':
        return this.#onEnded(event)
      case 'incoming':
        return
      case 'speaking':
      case 'spoke':
      case 'turn':
      case 'resumed':
      case 'digits':
      case 'digitsSent':
      case 'silence':
      case 'machine':
      case 'speechSwitched':
        return this.#onTalk(event)
    }
  }

  /** While the peer waits to be transferred, silence is no question; what it says to the target is nobody's business. */
  async #onTalk(event: TalkEvent): Promise<void> {
    if (event.type === 'silence' && this.#transfers.underWay) return
    if (this.#transfers.bridged && event.type !== 'spoke') return
    await this.#conversation?.onTalk(event)
  }

  async #onAnswered(event: Extract<NetworkEvent, { type: 'answered' }>): Promise<void> {
    this.#accepted.resolve()
    const { dialog, recognizer, at } = event
    const brain = await this.#attachBrain()
    const patch = { dialog, recognizer, answeredAt: at }
    const kind = brain.kind.startsWith('manual') ? 'manual' : brain.kind
    if (!(await this.#move('answer', patch, 'answered', { recognizer, brain: kind }))) return
    this.#startTalking(brain)
  }

  async #onEnded(event: Extract<NetworkEvent, { type: 'ended' }>): Promise<void> {
    const { cause: theirs, measuredMs, sipCode, q850Cause } = event
    const ours = theirs === 'local_hangup' || theirs === 'cancelled'
    const cause = ours ? (this.#cause ?? 'cancelled') : theirs
    this.#failureReason = event.reason
    await this.#finish('networkEnded', { measuredMs, cause, sipCode, q850Cause })
  }

  // --- what the session does --------------------------------------------------------------------------------------

  /** A transition with all that belongs to it; false when it has no consequence in this state. */
  async #move(
    event: CallEvent,
    patch: CallPatch,
    type: TimelineType | null,
    data: Record<string, unknown>,
  ): Promise<boolean> {
    const row = await transition(this.#deps, this.#call, event, patch, type, data)
    this.#call = row ?? this.#call
    return row !== null
  }

  async #attachBrain(): Promise<Brain> {
    const { id: callId, connectionId, numberId, direction, from, to } = this.#call
    this.#brain = await this.#deps.brains.attach({
      callId,
      tenant: this.#tenant,
      connectionId,
      numberId,
      direction,
      from,
      to,
      instructions: this.plan.instructions,
      onDirective: (directive) =>
        void this.#steps.add(() => this.#conversation?.onUnasked(directive)),
    })
    return this.#brain
  }

  #startTalking(brain: Brain): void {
    const { network, clock, ids } = this.#deps
    const { id: callId, direction, from, to } = this.#call
    this.#conversation = new Conversation({
      plan: this.plan,
      brain,
      log: this.#log,
      clock,
      ids,
      callId,
      opening: { direction, from, to, instructions: this.plan.instructions },
      hooks: {
        enqueue: (step) => this.#steps.add(step),
        fork: (name, body) => this.#scope?.fork(name, body),
        after: (delayMs, step) => this.#steps.after(delayMs, step),
        post: (command) => network.post({ callId, ...command }),
        hangUp: (cause) =>
          void this.#steps.add(() => (this.#transfers.bridged ? undefined : this.#hangUp(cause))),
        transfer: (target) =>
          void this.#steps.add(() => this.#transfers.beginUnasked(this.#tenant, target)),
        disclosed: (text, heard) => this.#log.audit('disclosure.spoken', { text, heard }),
        optOut: (how) => stopCalling(this.#deps, this.#call, how),
      },
    })
    this.#conversation.open()
  }

  #talking(act: (conversation: Conversation) => void): boolean {
    if (this.#call.state !== 'connected' || !this.#conversation) return false
    if (this.#transfers.bridged) return false
    act(this.#conversation)
    return true
  }

  async #hangUp(cause: HangupCause): Promise<void> {
    if (!nextState(this.#call.state, 'end')) return
    this.#letGo(cause)
    await this.#move('end', {}, null, { cause })
    this.#steps.after(END_LIMIT_MS, () =>
      // The network owes us an end; without one the bill must still be closed.
      this.#finish('abandon', { ...NOTHING_HEARD, measuredMs: this.talked.measuredMs, cause }),
    )
  }

  // --- money ------------------------------------------------------------------------------------------------------

  /** Milliseconds since the peer's answer and the target's, as far as they are held for; null before them. */
  get talked(): Pick<Finish, 'measuredMs' | 'targetMs'> {
    const measuredMs = this.#funds && this.#funds.coveredOf(this.#funds.talkedMs)
    return { measuredMs, targetMs: this.#transfers.targetMs }
  }

  #watchFunds(): void {
    const call = this.#call
    this.#funds ??= new Funds(this.#deps.clock, call, {
      extend: (cents, signal) => extendHold(this.#deps, this.#log, { call, cents }, signal),
      warn: (secondsLeft) =>
        void this.#steps.add(() => {
          this.#log.event('funds_low', { secondsLeft })
          this.#conversation?.warnOfFunds(secondsLeft)
        }),
      cut: (cause) => this.#cut(cause),
      failed: (error) => this.#fail(error),
    })
  }

  /** Now: a step that is stuck may not keep the call up. */
  #cut(cause: HangupCause): void {
    this.#letGo(cause)
    void this.#steps.add(() => this.#hangUp(cause))
  }

  /** Not written down before: a database that is away may not keep the call up. A crash in between costs a second BYE. */
  #letGo(cause: HangupCause): void {
    this.#cause ??= cause
    this.#deps.network.post({ type: 'hangUp', callId: this.#call.id })
  }

  #fail(error: unknown): void {
    void this.#steps.add(() => {
      throw error
    })
  }

  async #stopFunds(): Promise<void> {
    await this.#funds?.stop()
    await this.#transfers.stopFunds()
  }

  async #finish(
    event: 'networkEnded' | 'abandon',
    end: Pick<Finish, 'measuredMs' | 'cause' | 'sipCode' | 'q850Cause'>,
  ): Promise<void> {
    this.#transfers.ended()
    // The hold stands still before the bill is made.
    await this.#stopFunds()
    await this.#log.flushed()
    const { measuredMs } = end
    const row = await persistTwice(this.#deps, () =>
      finish(this.#deps, this.#call, event, {
        ...end,
        measuredMs: measuredMs && (this.#funds?.coveredOf(measuredMs) ?? measuredMs),
        targetMs: this.#transfers.targetMs,
        reportedSec: this.#reportedSec,
        recordingPath: this.#recordingPath,
        hasTranscript: this.#log.turns > 0,
      }),
    )
    const { calls } = this.#deps.store.tables
    const final = row ?? (await persist(this.#deps, () => calls.get(this.#tenant, this.#call.id)))
    assert(final, 'a call stays on record')
    if (final.state !== 'ended') throw new TakenOver(final.id)
    this.#call = final
    this.#conversation?.ended({
      type: 'call_ended',
      status: final.status,
      durationSec: final.durationSec ?? 0,
      costCents: final.costCents ?? 0,
      hangupCause: final.hangupCause ?? 'expired',
    })
    this.#accepted.resolve()
    this.#final.resolve(final)
  }
}
