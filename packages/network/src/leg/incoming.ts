// A leg that somebody else places: it rings until the control plane answers or refuses, or the caller gives up.
import type { Environment, NetworkCommand } from '../port.ts'
import type { CallEvent } from '../sip/call-event.ts'
import type { IncomingCall } from '../sip/incoming-call.ts'
import { Negotiation } from '../sip/negotiation.ts'
import type { Codec } from '../sip/sdp.ts'
import type { DigitMode } from '../sip/dtmf-info.ts'
import type { SrtpMode } from '../sip/sdes.ts'
import { ConnectedLeg } from './connected.ts'
import { LegEnd, unanswered } from './leg.ts'
import type { Leg, LegCommand, LegParts } from './leg.ts'
import type { OpenedMedia } from './media.ts'

type Answer = Extract<NetworkCommand, { type: 'answer' }>

/** Who calls whom, and over what. */
export interface IncomingRoute {
  callId: string
  environment: Environment
  trunk: string | null
  from: string
  to: string
  codecs: readonly Codec[]
  srtp: SrtpMode
  dtmf: DigitMode
}

export class IncomingLeg implements Leg {
  readonly #parts: LegParts
  readonly #route: IncomingRoute
  readonly #call: IncomingCall
  readonly #end: LegEnd
  #state: 'ringing' | 'answering' | 'over' = 'ringing'
  #connected: ConnectedLeg | null = null

  constructor(parts: LegParts, call: IncomingCall, route: IncomingRoute, onEnded: () => void) {
    this.#parts = parts
    this.#route = route
    this.#call = call
    this.#end = new LegEnd(parts, route.callId, onEnded, (reason) => this.#onMediaLost(reason))
  }

  start(): void {
    const { signalling } = this.#parts
    signalling.follow(this.#route.callId, this.#call.request.headers.get('call-id')!)
    this.#call.listen((event) => this.#onEvent(event))
    // Carriers give up quickly on a callee that doesn't ring.
    this.#call.ring()
    const { callId, environment, trunk, from, to } = this.#route
    this.#end.tell({ callId, type: 'incoming', environment, trunk, from, to })
  }

  post(command: LegCommand): void {
    if (this.#connected) this.#connected.post(command)
    else if (command.type === 'answer') this.#answer(command)
    else if (command.type === 'reject') this.#reject(command.sipCode, null)
    else if (command.type === 'hangUp') this.#reject(480, null)
  }

  #answer(command: Answer): void {
    if (this.#state !== 'ringing') return
    this.#state = 'answering'
    const { talk, recordTo } = command
    const address = this.#parts.media.bind
    this.#end.media.open({ address, talk, recordTo }, (opened) => {
      if (!this.#end.living) return
      if (opened) this.#onOpened(opened)
      else this.#reject(503, 'no media could be opened')
    })
  }

  #onOpened(opened: OpenedMedia): void {
    const { clock, random, media } = this.#parts
    const { codecs, srtp, dtmf, callId, environment, trunk } = this.#route
    const { advertised: address } = media
    const { port } = opened
    const negotiation = new Negotiation({ address, port, codecs, srtp, dtmf, random })
    const offer = this.#call.sdp
    const answered = offer === null ? null : negotiation.answer(offer)
    if (answered && !answered.ok) return this.#reject(488, 'no usable audio in the offer')
    this.#call.answer(answered ? answered.value.sdp : negotiation.offer())
    const { session } = this.#call
    if (!session) return
    this.#connected = new ConnectedLeg(this.#parts, this.#end, {
      session,
      negotiation,
      environment,
      trunk,
      answeredMs: clock.monotonicMs(),
    })
    if (answered) this.#end.media.connect(answered.value.agreement)
    const dialog = { ...session.dialog.toRecord(trunk) }
    const { recognizer } = opened
    this.#end.tell({ callId, type: 'answered', dialog, recognizer, at: clock.now() })
  }

  #onEvent(event: CallEvent): void {
    switch (event.type) {
      case 'cancelled':
        return this.#over(
          unanswered('cancelled', { q850Cause: event.reason.q850, reason: event.reason.text }),
        )
      case 'trying':
      case 'silent':
      case 'progress':
      case 'answered':
      case 'failed':
        return
      case 'reoffer':
        // Nothing is agreed on before the answer, so that nothing is to be changed.
        if (!this.#connected) return event.refuse(488)
        return this.#connected.onEvent(event)
      case 'confirmed':
      case 'reinvited':
      case 'dialog':
      case 'info':
      case 'referAccepted':
      case 'referProgress':
      case 'referDone':
      case 'referRequested':
      case 'ended':
        return this.#connected?.onEvent(event)
    }
  }

  #onMediaLost(reason: string): void {
    if (this.#connected) this.#connected.onMediaLost(reason)
    else this.#reject(503, reason)
  }

  #reject(sipCode: number, reason: string | null): void {
    this.#call.reject(sipCode)
    this.#over(unanswered('local_hangup', { sipCode, reason }))
  }

  #over(ending: ReturnType<typeof unanswered>): void {
    this.#state = 'over'
    this.#end.finish(ending)
  }
}
