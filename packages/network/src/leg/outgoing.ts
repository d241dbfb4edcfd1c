// A leg that we place: media first, then the trunks one after the other, then ringing, until somebody answers or not.
import type { NetworkCause, NetworkCommand, TalkOptions } from '../port.ts'
import type { CallEvent } from '../sip/call-event.ts'
import { formatHop } from '../sip/hop.ts'
import { Timers } from '../sip/machine.ts'
import { Negotiation } from '../sip/negotiation.ts'
import type { OutgoingCall } from '../sip/outgoing-call.ts'
import { ConnectedLeg } from './connected.ts'
import { LegEnd, unanswered } from './leg.ts'
import type { Leg, LegCommand, LegParts } from './leg.ts'
import type { OpenedMedia } from './media.ts'
import { causeOf } from './outcome.ts'
import type { Route, Ways } from './route.ts'

/** A carrier that hasn't said a word for so long is passed over, milliseconds. */
export const CARRIER_SILENCE_MS = 3_000
/** With a 100 and nothing else, the call counts as accepted after so long, milliseconds. */
export const ACCEPT_AFTER_MS = 8_000

/** Without `talk` nobody talks on the leg; `beside`: the leg that it is to be bridged with. */
type Dial = Omit<Extract<NetworkCommand, { type: 'dial' }>, 'type' | 'talk'> & {
  talk: TalkOptions | null
  beside?: string
}

/** Why a callee doesn't answer, wherever the word of it comes from (a Reason beside 503, for one). */
const CALLEE_CAUSES: readonly NetworkCause[] = ['busy', 'declined', 'no_answer']

/** One INVITE on its way. */
interface Attempt {
  route: Route
  call: OutgoingCall
  negotiation: Negotiation
}

/** Whether the control plane has been told that the call is placed. `due`: time is up, but no carrier has answered. */
type Acceptance = 'waiting' | 'due' | 'told'

export class OutgoingLeg implements Leg {
  readonly #parts: LegParts
  readonly #dial: Dial
  readonly #ways: Ways
  readonly #end: LegEnd
  readonly #timers: Timers<'ring' | 'accept'>
  #opened: OpenedMedia | null = null
  #attempt: Attempt | null = null
  #connected: ConnectedLeg | null = null
  #acceptance: Acceptance = 'waiting'
  #trying = false
  #rang = false
  /** Of the last way that refused and was passed over. */
  #refusal: Failed | null = null

  /** `ways`: to the callee, tried one after the other; released when the leg is over. */
  constructor(parts: LegParts, dial: Dial, ways: Ways, onEnded: () => void) {
    this.#parts = parts
    this.#dial = dial
    this.#ways = ways
    this.#timers = new Timers(parts.clock)
    const over = (): void => {
      ways.release()
      onEnded()
    }
    this.#end = new LegEnd(parts, dial.callId, over, (reason) => this.#onMediaLost(reason))
  }

  start(): void {
    if (this.#ways.none) return this.#refuse('no_trunk')
    const { talk, recordTo, beside = null } = this.#dial
    const address = this.#parts.media.bind
    this.#end.media.open({ address, talk, recordTo, beside }, (opened) => this.#onOpened(opened))
  }

  post(command: LegCommand): void {
    if (this.#connected) this.#connected.post(command)
    else if (command.type === 'hangUp') this.#giveUp('cancelled')
  }

  #onOpened(opened: OpenedMedia | null): void {
    if (!this.#end.living) return
    if (!opened) {
      return this.#end.finish(unanswered('media_lost', { reason: 'no media could be opened' }))
    }
    this.#opened = opened
    this.#timers.start('ring', this.#dial.ringTimeoutMs, () => this.#giveUp('no_answer'))
    this.#timers.start('accept', ACCEPT_AFTER_MS, () => this.#onAcceptDue())
    this.#tryNext()
  }

  #tryNext(): void {
    this.#ways.next((route) => {
      if (!this.#end.living || !this.#opened) return
      if (route) this.#try(route, this.#opened)
      else this.#onExhausted()
    })
  }

  #try(route: Route, { port }: OpenedMedia): void {
    const { ua, random, media } = this.#parts
    const { advertised: address } = media
    const { codecs, srtp, dtmf } = route
    const negotiation = new Negotiation({ address, port, codecs, srtp, dtmf, random })
    this.#trying = false
    const call: OutgoingCall = ua.call(
      {
        to: route.to,
        via: route.via,
        from: route.from,
        displayName: route.displayName,
        fields: route.fields,
        sdp: negotiation.offer(),
        credentials: route.credentials,
        redirects: route.redirects,
        silenceMs: CARRIER_SILENCE_MS,
      },
      (event) => {
        // A call that was passed over lives on in the user agent, which cancels and ends it; it is not ours any more.
        if (this.#attempt?.call === call) this.#onEvent(event)
      },
    )
    // A target's signalling belongs to the call that is transferred.
    this.#parts.signalling.follow(this.#dial.beside ?? this.#dial.callId, call.callId)
    this.#attempt = { route, call, negotiation }
  }

  #onEvent(event: CallEvent): void {
    if (this.#connected) {
      if (!isBeforeAnswer(event)) this.#connected.onEvent(event)
      return
    }
    if (!this.#end.living) return
    if (event.type === 'trying') this.#onTrying()
    else if (event.type === 'silent') this.#passOver(null)
    else if (event.type === 'progress') this.#onProgress(event.sipCode, event.sdp)
    else if (event.type === 'answered') this.#onAnswered(event)
    else if (event.type === 'failed') this.#onFailed(event)
    else if (event.type === 'reoffer') this.#onEarlyOffer(event)
  }

  /** On to the next way: this one said nothing, or that it has no room. */
  #passOver(refusal: Failed | null): void {
    const passed = this.#attempt
    this.#attempt = null
    passed?.call.cancel()
    this.#refusal = refusal ?? this.#refusal
    const { trunk, via } = passed!.route
    const sipCode = refusal?.sipCode ?? null
    this.#parts.log.info('leg.passed_over', { trunk, hop: formatHop(via), sipCode })
    this.#tryNext()
  }

  /** Nobody is left: what a carrier said counts before our own limits, and both before silence. */
  #onExhausted(): void {
    this.#timers.stopAll()
    if (this.#refusal) return this.#endRefused(this.#refusal)
    const reason = this.#ways.limit
    if (reason === null) return this.#refuse('carrier_silent')
    this.#end.finish(unanswered('carrier_refused', { reason }))
  }

  #onTrying(): void {
    this.#trying = true
    if (this.#acceptance === 'due') this.#accept(null)
  }

  #onAcceptDue(): void {
    if (this.#trying) this.#accept(null)
    else this.#acceptance = 'due'
  }

  #accept(sipCode: number | null): void {
    this.#timers.stop('accept')
    if (this.#acceptance === 'told') return
    this.#acceptance = 'told'
    this.#end.tell({ callId: this.#dial.callId, type: 'accepted', sipCode })
  }

  #onProgress(sipCode: number, sdp: string | null): void {
    if (sdp !== null) this.#hearEarly(sdp)
    if (sipCode < 180) return
    this.#accept(sipCode)
    if (this.#rang) return
    this.#rang = true
    this.#end.tell({ callId: this.#dial.callId, type: 'ringing', sipCode })
  }

  /** Early media: connected, so that it is there to be listened to; a description that won't do counts at the answer. */
  #hearEarly(sdp: string): void {
    const agreed = this.#attempt!.negotiation.accept(sdp)
    if (agreed.ok) this.#end.media.connect(agreed.value, true)
  }

  /** The callee's side changes the media before the answer (UPDATE). */
  #onEarlyOffer(event: Extract<CallEvent, { type: 'reoffer' }>): void {
    const { negotiation } = this.#attempt!
    if (event.sdp === null) return event.answer(negotiation.offer())
    const answered = negotiation.answer(event.sdp)
    if (!answered.ok) return event.refuse(488)
    this.#end.media.connect(answered.value.agreement, true)
    event.answer(answered.value.sdp)
  }

  #onAnswered(event: Extract<CallEvent, { type: 'answered' }>): void {
    const { callId, environment } = this.#dial
    const { route, call, negotiation } = this.#attempt!
    const { clock } = this.#parts
    this.#accept(200)
    this.#timers.stopAll()
    const agreed = event.sdp === null ? null : negotiation.accept(event.sdp)
    if (!agreed?.ok || !call.session || !this.#opened) {
      const reason = 'no usable audio in the answer'
      this.#attempt = null
      call.hangUp()
      return this.#end.finish(unanswered('carrier_refused', { sipCode: 200, reason }))
    }
    const { recognizer } = this.#opened
    this.#connected = new ConnectedLeg(this.#parts, this.#end, {
      session: call.session,
      negotiation,
      environment,
      trunk: route.trunk,
      answeredMs: clock.monotonicMs(),
    })
    this.#end.media.connect(agreed.value)
    const dialog = { ...event.dialog, trunk: route.trunk }
    this.#end.tell({ callId, type: 'answered', dialog, recognizer, at: clock.now() })
  }

  #onFailed(event: Failed): void {
    if (this.#mayPassOver(event)) return this.#passOver(event.sipCode === null ? null : event)
    this.#timers.stopAll()
    if (event.sipCode === null) this.#refuse('carrier_silent')
    else this.#endRefused(event)
  }

  /** Nothing has rung, and it isn't the callee that refuses: another carrier may give another answer. */
  #mayPassOver({ sipCode, reason }: Failed): boolean {
    if (this.#rang || sipCode === null) return !this.#rang
    const cause = causeOf(sipCode, false, reason)
    return this.#attempt!.route.failover.has(sipCode) && !CALLEE_CAUSES.includes(cause)
  }

  #endRefused({ sipCode, reason }: Failed): void {
    const cause = causeOf(sipCode!, this.#rang, reason)
    this.#end.finish(unanswered(cause, { sipCode, q850Cause: reason.q850, reason: reason.text }))
  }

  /** Before the answer: the CANCEL and its races go on in the user agent, while the leg is over at once. */
  #giveUp(cause: 'cancelled' | 'no_answer'): void {
    const { call } = this.#attempt ?? {}
    this.#attempt = null
    call?.cancel()
    this.#refuse(cause)
  }

  #onMediaLost(reason: string): void {
    if (this.#connected) return this.#connected.onMediaLost(reason)
    this.#attempt?.call.cancel()
    this.#attempt = null
    this.#timers.stopAll()
    this.#end.finish(unanswered('media_lost', { reason }))
  }

  #refuse(cause: 'cancelled' | 'no_answer' | 'no_trunk' | 'carrier_silent'): void {
    this.#timers.stopAll()
    this.#end.finish(unanswered(cause))
  }
}

type Failed = Extract<CallEvent, { type: 'failed' }>

type BeforeAnswer = Extract<
  CallEvent,
  { type: 'trying' | 'silent' | 'progress' | 'answered' | 'failed' | 'cancelled' }
>

function isBeforeAnswer(event: CallEvent): event is BeforeAnswer {
  return ['trying', 'silent', 'progress', 'answered', 'failed', 'cancelled'].includes(event.type)
}
