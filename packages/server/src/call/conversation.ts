// The talking part of a call: what the network heard becomes events for the brain, its directives become speech.
//
// Runs inside the session's single order of things: no method here is entered while another one is at work.
import type { HangupCause, ManualEvent } from '@saperly/contract'
import type { Clock, Ids } from '@saperly/kernel'
import type { Expect, TalkCommand, TalkEvent } from '@saperly/network'
import type { Brain, BrainDirective } from '../brain/port.ts'
import { isOptOutText, OPT_OUT_DIGIT } from '../consent/opt-out.ts'
import { Ask, type AskHandlers } from './asking.ts'
import { type EventBody, Heard, type Turn } from './heard.ts'
import type { CallPlan } from './plan.ts'
import type { CallLog } from './timeline.ts'
import { Voice } from './voice.ts'

/** What the conversation asks of the session around it. */
export interface ConversationHooks {
  /** Puts work into the session's order; resolves when it has been done. */
  enqueue: (step: () => unknown) => Promise<unknown>
  /** Runs a child of the call's scope. */
  fork: (name: string, body: () => Promise<void>) => void
  post: (command: TalkCommand) => void
  hangUp: (cause: HangupCause) => void
  transfer: (to: string) => void
  /** The disclosure is over; `heard` is what the peer got of it. */
  disclosed: (text: string, heard: string) => void
  /** The peer wants no more calls. */
  optOut: (how: { text: string } | { digit: string }) => Promise<void>
}

export interface ConversationDeps {
  plan: CallPlan
  brain: Brain
  log: CallLog
  clock: Clock
  ids: Ids
  hooks: ConversationHooks
  /** The opening event's own fields. */
  opening: {
    direction: 'inbound' | 'outbound'
    from: string
    to: string
    instructions: string | null
  }
  callId: string
}

/** Silences in a row, without a word from the peer, after which the call is ended. */
export const MAX_SILENCES = 6

const APOLOGY = "I'm sorry, something went wrong on our side. Goodbye."
const OPT_OUT_CONFIRMATION = 'You will not be called again. Goodbye.'
const FUNDS_WARNING = 'This call is about to end.'

export class Conversation {
  readonly voice: Voice
  readonly #deps: ConversationDeps
  readonly #handlers: AskHandlers
  #ask: Ask | null = null
  readonly #heard = new Heard()
  #listenFor: { expect: Expect; timeoutSec: number | null } | null = null
  /** The question about what the peer said last. */
  #lastTurn: Ask | null = null
  #silences = 0
  #closing = false

  constructor(deps: ConversationDeps) {
    this.#deps = deps
    this.voice = new Voice({ post: deps.hooks.post, ids: deps.ids, log: deps.log })
    const inOrder =
      (body: (ask: Ask) => void | Promise<void>) =>
      (ask: Ask): Promise<unknown> =>
        deps.hooks.enqueue(() => (ask.dropped ? undefined : body(ask)))
    this.#handlers = {
      onDirective: (ask, directive) =>
        deps.hooks.enqueue(() => (ask.dropped ? undefined : this.#carryOut(directive, ask))),
      onAnswered: inOrder((ask) => this.#answered(ask)),
      onLost: inOrder(() => this.#brainLost()),
      onSlow: (ask) => void inOrder(() => this.#sayFiller())(ask),
      onTimeout: (ask) => void inOrder((slow) => this.#timedOut(slow))(ask),
    }
  }

  /** The call has been answered: the disclosure first, the brain's opening behind it. */
  open(): void {
    const { plan, opening } = this.#deps
    if (plan.disclosure !== null) this.#platformSays(plan.disclosure, 'disclosure')
    const { direction, ...about } = opening
    const type = direction === 'outbound' ? 'outbound_call' : 'inbound_call'
    this.#put({ type, ...about, topic: null }, null)
  }

  async onTalk(event: TalkEvent): Promise<void> {
    switch (event.type) {
      case 'turn':
        return this.#onTurn(event)
      case 'digits':
        return this.#onDigits(event.digits)
      case 'resumed':
        return this.#onResumed()
      case 'speaking':
        return this.voice.onSpeaking(event)
      case 'spoke':
        return this.#onSpoke(event)
      case 'silence':
        return this.#onSilence(event.seconds)
      case 'digitsSent':
        return
    }
  }

  /** A directive of the brain that answers nothing. */
  async onUnasked(directive: BrainDirective): Promise<void> {
    await this.#carryOut(directive, null)
    this.#listen()
  }

  /** The customer speaks through the API. */
  speak(text: string, interrupt: boolean): void {
    if (interrupt) this.voice.stop()
    this.voice.say(text, { ...this.#spoken(null), speaker: 'api', more: false })
  }

  sendDigits(digits: string): void {
    this.#deps.hooks.post({ type: 'sendDigits', digits })
  }

  /** The money runs out in `secondsLeft`: brain and caller are told. */
  warnOfFunds(secondsLeft: number): void {
    this.#tell({ type: 'funds_low', secondsLeft })
    this.#platformSays(FUNDS_WARNING, 'platform')
  }

  transferFailed(reason: string, sipCode: number | null): void {
    this.#tell({ type: 'transfer_failed', reason, sipCode })
  }

  /** The call is final. */
  ended(body: Extract<EventBody, { type: 'call_ended' }>): void {
    this.#ask?.drop('ended')
    this.#ask = null
    this.#tell(body)
  }

  // --- from the network -------------------------------------------------------------------------------------------

  async #onTurn(turn: Turn): Promise<void> {
    const { log, hooks } = this.#deps
    this.#silences = 0
    log.turn({
      role: 'caller',
      text: turn.text,
      heardText: null,
      startedAt: turn.startedAt,
      endedAt: turn.endedAt,
      interrupted: false,
    })
    log.event('turn', {
      text: turn.text,
      noMatch: turn.noMatch,
      confidence: turn.confidence,
      recognizer: turn.recognizer,
      startedAt: new Date(turn.startedAt).toISOString(),
      endedAt: new Date(turn.endedAt).toISOString(),
    })
    if (isOptOutText(turn.text)) return this.#optedOut({ text: turn.text }, hooks)
    this.#heard.addTurn(turn)
    this.#deliver()
  }

  async #onDigits(digits: string): Promise<void> {
    const { log, hooks } = this.#deps
    this.#silences = 0
    log.event('dtmf', { digits, direction: 'received' })
    const optOut = this.#heard.wantedDigits === 0 && this.#deps.plan.disclosure !== null
    if (optOut && digits.includes(OPT_OUT_DIGIT)) {
      return this.#optedOut({ digit: OPT_OUT_DIGIT }, hooks)
    }
    if (this.#heard.addDigits(digits)) this.#deliver()
  }

  #onSpoke(event: Extract<TalkEvent, { type: 'spoke' }>): void {
    const spoken = this.voice.onSpoke(event)
    if (spoken?.answering && event.outcome === 'interrupted') {
      const { answering } = spoken
      this.#heard.interruptedAfter(event.heard)
      const heardMs = Math.round(event.heardMs)
      const { heard, basis } = event
      this.#deps.log.event('interrupted', { heard, heardMs, basis })
      this.#tell({ type: 'interrupted', answering, heard, heardMs, basis })
      this.voice.forget(answering)
      if (this.#ask?.id === answering) {
        this.#ask.drop('interrupted')
        this.#ask = null
      }
    }
    if (spoken?.speaker !== 'disclosure') return
    this.#deps.hooks.disclosed(event.text, event.heard)
    this.#deliver()
  }

  /** The peer went on: what was asked about the first half, or answered but not yet said, is void. */
  #onResumed(): void {
    const turn = this.#lastTurn
    if (!turn) return
    if (this.voice.isUnbegun(turn.id)) this.voice.stop()
    else if (this.#ask !== turn || !turn.pending) return
    turn.drop('superseded')
    this.voice.forget(turn.id)
    this.#tell({ type: 'cancelled', superseded: turn.id })
    if (this.#ask === turn) this.#ask = null
  }

  #onSilence(seconds: number): void {
    this.#silences++
    if (this.#silences >= MAX_SILENCES) return this.#deps.hooks.hangUp('silence')
    if (this.#heard.digits !== '') return this.#deliver()
    if (!this.#ask) this.#put({ type: 'silence', seconds }, null)
  }

  // --- to the brain -----------------------------------------------------------------------------------------------

  /** Gives the brain what the peer said or pressed, as soon as it may have it. */
  #deliver(): void {
    if (this.#closing || this.voice.disclosing) return
    if (!this.#heard.hasTurn && this.#heard.digits === '') return
    if (this.#ask) {
      // A pending question about older words is void; an opening or an answer in progress is waited for.
      if (!this.#ask.pending || isOpening(this.#ask.event)) return
      this.#supersede()
    }
    const next = this.#heard.take()
    if (next) this.#put(next.body, next.endpointingMs)
  }

  #put(body: EventBody, endpointingMs: number | null): void {
    const { brain, clock, hooks, plan } = this.#deps
    const ask = new Ask(this.#event(body), clock.monotonicMs(), endpointingMs)
    this.#ask = ask
    if (body.type === 'turn') this.#lastTurn = ask
    this.#listenFor = null
    const { fillerAfterMs, filler } = plan.settings.turnTaking
    const limits = {
      fillerAfterMs: filler === '' ? null : fillerAfterMs,
      turnTimeoutMs: plan.settings.turnTimeoutSec * 1000,
    }
    hooks.fork(`ask ${body.type}`, () => ask.run(brain, clock, limits, this.#handlers))
  }

  #tell(body: EventBody): void {
    this.#deps.brain.tell(this.#event(body))
  }

  #event(body: EventBody): ManualEvent {
    const { ids, callId, clock } = this.#deps
    const at = new Date(clock.now()).toISOString()
    return { ...body, requestId: ids.next('req'), callId, at } as ManualEvent
  }

  #supersede(): void {
    if (!this.#ask) return
    this.#ask.drop('superseded')
    this.#tell({ type: 'cancelled', superseded: this.#ask.id })
    this.#ask = null
  }

  // --- from the brain ---------------------------------------------------------------------------------------------

  async #carryOut(directive: BrainDirective, ask: Ask | null): Promise<void> {
    const { hooks, plan, log } = this.#deps
    const control = plan.settings.callControl
    const answering = ask?.id ?? null
    if (this.#closing) return
    switch (directive.type) {
      case 'speak':
        this.voice.say(directive.text, {
          ...this.#spoken(ask),
          more: directive.more ?? false,
          interruptible: directive.interruptible ?? true,
          voice: directive.voice ?? null,
        })
        return
      case 'wait_for_user':
        this.#listenFor = {
          expect: {
            ...(directive.expect?.phrases ? { phrases: directive.expect.phrases } : {}),
            ...(directive.expect?.digits ? { digits: directive.expect.digits } : {}),
            ...(directive.expect?.hints ? { hints: directive.expect.hints } : {}),
          },
          timeoutSec: directive.timeoutSec ?? null,
        }
        return
      case 'hangup':
        if (control.endCall) this.voice.whenIdle(answering, () => hooks.hangUp('agent_hangup'))
        return
      case 'send_dtmf':
        if (control.sendDtmf) {
          log.event('dtmf', { digits: directive.digits, direction: 'sent' })
          this.sendDigits(directive.digits)
        }
        return
      case 'transfer':
        if (!control.transfer?.targets.includes(directive.to)) {
          return this.transferFailed('target_not_allowed', null)
        }
        this.voice.whenIdle(answering, () => hooks.transfer(directive.to))
        return
      case 'opt_out':
        return this.#optedOut({ text: '' }, hooks)
    }
  }

  #answered(ask: Ask): void {
    this.voice.complete(ask.id)
    this.#ask = null
    this.#listen()
    this.#deliver()
  }

  #timedOut(ask: Ask): void {
    ask.drop('timeout')
    this.#ask = null
    this.#sayFiller()
    this.#listen()
    this.#deliver()
  }

  /** From the end of what is being said: hear the peer, and report silence. */
  #listen(): void {
    const wanted = this.#listenFor
    this.#listenFor = null
    const expect = wanted?.expect ?? {}
    this.#heard.wantedDigits = expect.digits ?? 0
    const timeoutSec = wanted?.timeoutSec ?? this.#deps.plan.settings.turnTaking.silenceTimeoutSec
    const silenceTimeoutMs = Math.round(timeoutSec * 1000)
    this.#deps.hooks.post({ type: 'listen', expect, silenceTimeoutMs })
  }

  // --- the platform's own words -----------------------------------------------------------------------------------

  #sayFiller(): void {
    const { filler } = this.#deps.plan.settings.turnTaking
    if (filler !== '' && this.voice.idle) this.#platformSays(filler, 'filler')
  }

  #brainLost(): void {
    this.#farewell(APOLOGY, 'no_brain')
  }

  async #optedOut(
    how: { text: string } | { digit: string },
    hooks: ConversationHooks,
  ): Promise<void> {
    await hooks.optOut(how)
    this.#tell({ type: 'opt_out', ...how })
    this.voice.stop()
    this.#farewell(OPT_OUT_CONFIRMATION, 'opted_out')
  }

  /** Says a last sentence and ends the call; nothing else is begun. */
  #farewell(text: string, cause: HangupCause): void {
    this.#ask?.drop('ended')
    this.#ask = null
    this.#closing = true
    this.#platformSays(text, 'platform', false)
    this.voice.whenIdle(null, () => this.#deps.hooks.hangUp(cause))
  }

  #platformSays(
    text: string,
    speaker: 'disclosure' | 'filler' | 'platform',
    interruptible = true,
  ): void {
    this.voice.say(text, {
      answering: null,
      speaker,
      more: false,
      interruptible,
      voice: null,
      timing: null,
    })
  }

  #spoken(ask: Ask | null) {
    const timing = ask?.takeTiming() ?? null
    return {
      answering: ask?.id ?? null,
      speaker: 'brain' as const,
      interruptible: true,
      voice: null,
      timing,
    }
  }
}

function isOpening(event: ManualEvent): boolean {
  return event.type === 'inbound_call' || event.type === 'outbound_call'
}
