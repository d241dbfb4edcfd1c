// A leg whose call is up: talk passes through, the peer's hold is followed, transfers are asked for, and it hangs up.
import type { DialogRecord, Environment, NetworkCause } from '../port.ts'
import type { SessionEvent } from '../sip/call-event.ts'
import { digitOfInfo } from '../sip/dtmf-info.ts'
import type { Negotiation } from '../sip/negotiation.ts'
import type { Session } from '../sip/session.ts'
import { InfoKeys } from './info-keys.ts'
import { isTalk } from './leg.ts'
import type { LegCommand, LegEnd, LegParts } from './leg.ts'
import { Transfer } from './transfer.ts'

/** Q.850: temporary failure. */
const CAUSE_MEDIA_LOST = 41

export class ConnectedLeg {
  readonly #parts: LegParts
  readonly #end: LegEnd
  readonly #session: Session
  readonly #negotiation: Negotiation
  readonly #environment: Environment
  readonly #trunk: string | null
  readonly #answeredMs: number
  /** Why the call is ending, when it is our doing. */
  #cause: NetworkCause | null = null
  #reason: string | null = null
  readonly #transfer: Transfer
  readonly #keys: InfoKeys

  constructor(
    parts: LegParts,
    end: LegEnd,
    call: {
      session: Session
      negotiation: Negotiation
      environment: Environment
      trunk: string | null
      answeredMs: number
    },
  ) {
    this.#parts = parts
    this.#end = end
    this.#session = call.session
    this.#negotiation = call.negotiation
    this.#environment = call.environment
    this.#trunk = call.trunk
    this.#answeredMs = call.answeredMs
    this.#keys = new InfoKeys(parts.clock, (body, onFinal) => this.#session.info(body, onFinal))
    end.sendKeysBy((digits) => this.#keys.send(digits, () => end.media.digitsSignalled()))
    this.#transfer = new Transfer(parts, {
      callId: end.callId,
      environment: call.environment,
      media: end.media,
      tell: (event) => end.tell(event),
      refer: (uri) => this.#session.refer(uri),
      hangUp: (cause, reason) => this.#hangUp(cause, reason),
    })
  }

  post(command: LegCommand): void {
    if (isTalk(command)) this.#end.media.talk(command)
    else if (command.type === 'transfer') this.#askTransfer(command.to)
    else if (command.type === 'bridge') this.#bridge(command)
    else if (command.type === 'hangUp') this.#hangUp('local_hangup', null)
  }

  /** Nothing is heard from the peer any more. */
  onMediaLost(reason: string): void {
    this.#hangUp('media_lost', reason, CAUSE_MEDIA_LOST)
  }

  onEvent(event: SessionEvent): void {
    switch (event.type) {
      case 'confirmed':
        // Only when the offer was ours does the ACK bring the answer.
        if (event.sdp !== null) this.#accept(event.sdp)
        return
      case 'reoffer':
        return this.#onOffer(event)
      case 'dialog':
        return this.#tellDialog(event.dialog)
      case 'referAccepted':
        return this.#transfer.onTaken()
      case 'referDone':
        return this.#transfer.onReferred(event.outcome)
      case 'ended':
        return this.#onEnded(event)
      case 'reinvited':
        // Refused, or not answered: what was agreed on before goes on.
        if (event.sdp !== null) this.#accept(event.sdp)
        return
      case 'info':
        return this.#onInfo(event.contentType, event.body)
      case 'referProgress':
      case 'referRequested':
        return
    }
  }

  #hangUp(cause: NetworkCause, reason: string | null, q850?: number): void {
    this.#cause ??= cause
    this.#reason ??= reason
    this.#session.bye(q850)
  }

  #onEnded(event: Extract<SessionEvent, { type: 'ended' }>): void {
    const lost = event.by === 'lost' ? 'the far side lost the call' : null
    const ending = {
      cause: this.#cause ?? (this.#transfer.bridged ? 'transferred' : 'peer_hangup'),
      sipCode: event.reason.sipCode,
      q850Cause: event.reason.q850,
      reason: this.#reason ?? event.reason.text ?? lost,
      measuredMs: Math.max(0, Math.round(event.atMs - this.#answeredMs)),
    }
    this.#keys.stop()
    this.#transfer.legEnded(() => this.#end.finish(ending))
  }

  #onOffer(event: Extract<SessionEvent, { type: 'reoffer' }>): void {
    if (event.sdp === null) return event.answer(this.#negotiation.offer())
    const answered = this.#negotiation.answer(event.sdp)
    if (!answered.ok) return event.refuse(488)
    this.#end.media.connect(answered.value.agreement)
    event.answer(answered.value.sdp)
  }

  #accept(answer: string): void {
    const agreed = this.#negotiation.accept(answer)
    if (agreed.ok) this.#end.media.connect(agreed.value)
    else this.#hangUp('carrier_refused', 'no usable audio in the answer')
  }

  #onInfo(contentType: string, body: string): void {
    const digit = digitOfInfo(contentType, body)
    if (digit !== null) this.#end.media.digit(digit)
  }

  #tellDialog(dialog: DialogRecord): void {
    const { callId } = this.#end
    this.#end.tell({ callId, type: 'dialog', dialog: { ...dialog, trunk: this.#trunk } })
  }

  #askTransfer(to: string): void {
    const { transferUri, takesRefer } = this.#parts
    const uri = transferUri(to, this.#environment, this.#trunk)
    this.#transfer.ask(uri, takesRefer(this.#trunk))
  }

  #bridge(command: Extract<LegCommand, { type: 'bridge' }>): void {
    const ways = this.#parts.targetWays(command, this.#environment, this.#trunk)
    this.#transfer.bridge(command, ways)
  }
}
