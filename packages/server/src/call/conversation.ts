// The talking part of a call: what the network heard becomes events for the brain, its directives become speech.
//
// Runs inside the session's single order of things: no method here is entered while another one is at work.
import type { HangupCause, ManualEvent } from '@saperly/contract'
import type { Expect, TalkEvent } from '@saperly/network'
import type { BrainDirective } from '../brain/port.ts'
import { isOptOutText, OPT_OUT_DIGIT } from '../consent/opt-out.ts'
import { Ask, type AskHandlers } from './asking.ts'
import type { ConversationDeps } from './conversation-port.ts'
import { type EventBody, expectOf, Heard, switchData, type Turn } from './heard.ts'
import { Voice } from './voice.ts'
import { Voicemail } from './voicemail.ts'

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
  #opening: Ask | null = null
  readonly #voicemail: Voicemail
  readonly #heard = new Heard()
  #listenFor: { expect: Expect; timeoutSec: number | null } | null = null
  /** The question about what the peer said last. */
  #lastTurn: Ask | null = null
  #silences = 0
  #closing = false

  constructor(deps: ConversationDeps) {
    this.#deps = deps
    this.voice = new Voice({ post: deps.hooks.post, ids: deps.ids, log: deps.log })
    const { settings, talk } = deps.plan
    this.#voicemail = new Voicemail(settings.machinePolicy, talk.detectMachine ?? false, {
      after: (delayMs, step) => deps.hooks.after(delayMs, () => this.#closing || step()),
      hold: () => this.#holdBack(),
      disclose: () => this.#disclose(),
      goOn: (held, repeated) => this.#goOn(held, repeated),
      hangUp: () => deps.hooks.hangUp('machine'),
    })
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
    const { opening } = this.#deps
    this.#disclose()
    const { direction, ...about } = opening
    const type = direction === 'outbound' ? 'outbound_call' : 'inbound_call'
    this.#put({ type, ...about, topic: null }, null)
    this.#opening = this.#ask
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
      case 'machine':
        return this.#onMachine(event)
      case 'speechSwitched':
        return this.#deps.log.event('speech', switchData(event))
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
    const options = { ...this.#spoken(null), speaker: 'api' as const, more: false }
    this.#utter(null, () => this.voice.say(text, options))
  }

  sendDigits(digits: string): void {
    this.#deps.hooks.post({ type: 'sendDigits', digits })
  }

  /** The money runs out in `secondsLeft`: brain and caller are told. */
  warnOfFunds(secondsLeft: number): void {
    this.#tell({ type: 'funds_low', secondsLeft })
    if (!this.#voicemail.holds) this.voice.saysPlatform(FUNDS_WARNING, 'platform')
  }

  transferFailed(reason: string, sipCode: number | null): void {
    this.#tell({ type: 'transfer_failed', reason, sipCode })
    // No silence was told in the meantime.
    if (!this.#ask && !this.#closing) this.#listen()
  }

  /** Somebody else talks with the peer from now on: the agent is not asked any more, nor listened to. */
  letGo(): void {
    this.#ask?.drop('ended')
    this.#ask = null
    this.#closing = true
  }

  /** The call is final. */
  ended(body: Extract<EventBody, { type: 'call_ended' }>): void {
    this.letGo()
    this.#tell(body)
  }

  // --- from the network -------------------------------------------------------------------------------------------

  async #onTurn(turn: Turn): Promise<void> {
    const { log } = this.#deps
    const { text, noMatch, confidence, recognizer, startedAt, endedAt } = turn
    this.#silences = 0
    log.turn({ role: 'caller', text, heardText: null, startedAt, endedAt, interrupted: false })
    log.event('turn', {
      text,
      noMatch,
      confidence,
      recognizer,
      startedAt: new Date(turn.startedAt).toISOString(),
      endedAt: new Date(turn.endedAt).toISOString(),
    })
    if (isOptOutText(turn.text)) return this.#optedOut({ text: turn.text })
    if (!this.#voicemail.isGreeting(turn.startedAt)) this.#heard.addTurn(turn)
    else if (!this.#ask) this.#listen()
    this.#deliver()
  }

  async #onDigits(digits: string): Promise<void> {
    const { log } = this.#deps
    this.#silences = 0
    log.event('dtmf', { digits, direction: 'received' })
    const optOut = this.#heard.wantedDigits === 0 && this.#deps.plan.disclosure !== null
    if (optOut && digits.includes(OPT_OUT_DIGIT)) {
      return this.#optedOut({ digit: OPT_OUT_DIGIT })
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

  #onMachine({ verdict, confidence, at }: Extract<TalkEvent, { type: 'machine' }>): void {
    this.#deps.log.event('machine', { verdict, confidence })
    this.#tell({ type: 'machine', verdict, confidence })
    if (!this.#closing) this.#voicemail.judge(verdict, at)
  }

  /** Speech waits for a beep: nothing is said, nobody is asked, and no silence counts. */
  #holdBack(): void {
    if (this.#ask && this.#ask !== this.#opening) this.#supersede()
    this.voice.forgetAll()
    this.voice.stop()
    this.#deps.hooks.post({ type: 'listen', expect: {}, silenceTimeoutMs: null })
  }

  #goOn(held: readonly (() => void)[], repeated: boolean): void {
    if (this.#closing) return
    if (repeated) this.#heard.forgetTurn()
    for (const say of held) say()
    if (this.#opening && this.#ask !== this.#opening) this.voice.complete(this.#opening.id)
    if (!this.#ask) this.#listen()
    this.#deliver()
  }

  #onSilence(seconds: number): void {
    if (this.#voicemail.holds) return
    this.#silences++
    if (this.#silences >= MAX_SILENCES) return this.#deps.hooks.hangUp('silence')
    if (this.#heard.digits !== '') return this.#deliver()
    if (!this.#ask) this.#put({ type: 'silence', seconds }, null)
  }

  // --- to the brain -----------------------------------------------------------------------------------------------

  /** Gives the brain what the peer said or pressed, as soon as it may have it. */
  #deliver(): void {
    if (this.#closing || this.voice.disclosing || this.#voicemail.holds) return
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
    if (this.#closing) return
    switch (directive.type) {
      case 'speak':
        return this.#utter(ask, () =>
          this.voice.say(directive.text, {
            ...this.#spoken(ask),
            more: directive.more ?? false,
            interruptible: directive.interruptible ?? true,
            voice: directive.voice ?? null,
          }),
        )
      case 'wait_for_user':
        this.#listenFor = {
          expect: expectOf(directive.expect ?? {}),
          timeoutSec: directive.timeoutSec ?? null,
        }
        return
      case 'hangup':
        if (!control.endCall) return
        return this.#end(ask, () => hooks.hangUp('agent_hangup'))
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
        return this.#end(ask, () => hooks.transfer(directive.to))
      case 'opt_out':
        return this.#optedOut({ text: '' })
    }
  }

  /** Says something, or does what `ends` the talking behind it: now, or when speech need not wait any more. */
  #utter(ask: Ask | null, say: () => void, ends = false): void {
    const opening = ask !== null && ask === this.#opening
    this.#voicemail.put({ answering: ask?.id ?? null, opening, say }, ends)
  }

  #end(ask: Ask | null, end: () => void): void {
    this.#utter(ask, () => this.voice.whenIdle(ask?.id ?? null, end), true)
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
    if (this.#voicemail.holds) return
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
    if (this.#voicemail.holds) return
    if (filler !== '' && this.voice.idle) this.voice.saysPlatform(filler, 'filler')
  }

  #disclose(): void {
    const { disclosure } = this.#deps.plan
    if (disclosure !== null) this.voice.saysPlatform(disclosure, 'disclosure')
  }

  #brainLost(): void {
    this.#farewell(APOLOGY, 'no_brain')
  }

  async #optedOut(how: { text: string } | { digit: string }): Promise<void> {
    await this.#deps.hooks.optOut(how)
    this.#tell({ type: 'opt_out', ...how })
    this.voice.stop()
    this.#farewell(OPT_OUT_CONFIRMATION, 'opted_out')
  }

  /** Says a last sentence and ends the call; nothing else is begun. */
  #farewell(text: string, cause: HangupCause): void {
    this.letGo()
    this.voice.saysPlatform(text, 'platform', false)
    this.voice.whenIdle(null, () => this.#deps.hooks.hangUp(cause))
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
