// One dialog of a call, early or established: takes the peer's requests, and hangs up (RFC 3261 sections 12.2 and 15).
import { NO_REASON } from './call-event.ts'
import type { EndedBy, SessionEvent } from './call-event.ts'
import { composeResponse, unsupportedBy } from './compose.ts'
import type { Body, Field } from './compose.ts'
import type { Core, DialogUser } from './core.ts'
import type { Dialog } from './dialog.ts'
import { DialogClient } from './dialog-client.ts'
import type { OnFinal } from './dialog-client.ts'
import type { DigestClient } from './digest.ts'
import { formatReason, parseReason } from './header.ts'
import type { Reason } from './header.ts'
import { Machine } from './machine.ts'
import { cseqOf } from './message.ts'
import type { SipMessage, SipRequest, SipResponse } from './message.ts'
import { OfferExchange } from './offer-exchange.ts'
import { Referral } from './referral.ts'
import type { ServerTransaction } from './server-transaction.ts'
import { SESSION_TABLE } from './session-table.ts'
import type { SessionAction, SessionEventName, SessionState } from './session-table.ts'
import { SessionTimer } from './session-timer.ts'
import type { TimerTerms } from './session-timer.ts'

/** Q.850: normal call clearing. */
const NORMAL_CLEARING = 16
/** Q.850: recovery on timer expiry. */
const TIMER_EXPIRY = 102

export interface SessionOptions {
  auth: DigestClient | null
  emit: (event: SessionEvent) => void
  side: 'caller' | 'callee'
  timer: TimerTerms
  /** Where the call's own INVITE stands: ours offers this, theirs offers something, or nobody has offered yet. */
  offer: { ours: string } | 'theirs' | null
}

interface Ended {
  by: EndedBy
  sipCode: number | null
  reason: Reason
  atMs: number
}

export class Session implements DialogUser {
  readonly dialog: Dialog
  /** Requests of ours in the dialog. */
  readonly client: DialogClient
  readonly exchange: OfferExchange
  readonly #core: Core
  readonly #emit: (event: SessionEvent) => void
  readonly #timer: SessionTimer
  readonly #referral: Referral
  readonly #machine: Machine<SessionState, SessionEventName, SessionAction>
  #allowed: ReadonlySet<string> = new Set()
  #ended: Ended | null = null
  /** How our own hang-up reads: in its BYE, and to our owner. */
  #leaving: { by: EndedBy; reason: Reason; fields: readonly Field[] } = LOST
  #byeWaitsForAck = false
  #onByeDone: (sipCode: number | null) => void = () => {}
  #byeCode: number | null = null

  constructor(core: Core, dialog: Dialog, options: SessionOptions) {
    const { auth, emit, side, timer, offer } = options
    this.dialog = dialog
    this.#core = core
    this.#emit = emit
    this.client = new DialogClient(core, dialog, auth, () => this.#emitDialog())
    this.#timer = new SessionTimer(core.clock, timer, {
      refresh: () => this.#refresh(),
      expire: () => this.#lose(EXPIRED),
    })
    const parts = { core, dialog, client: this.client, timer: this.#timer, side }
    const initial = offer === null ? 'idle' : offer === 'theirs' ? 'considering' : 'offering'
    const local = offer !== null && offer !== 'theirs' ? offer.ours : null
    this.exchange = new OfferExchange(
      parts,
      {
        emit: (event) => this.#emit(event),
        onAcknowledged: (sdp) => this.#onAcknowledged(sdp),
        onNoAck: () => this.#onNoAck(),
        onTarget: () => this.#emitDialog(),
      },
      initial,
      local,
    )
    this.#referral = new Referral(parts, {
      emit: (event) => this.#emit(event),
      onDone: () => this.#machine.step('transferDone'),
      live: () => this.#machine.state === 'live',
    })
    this.#machine = new Machine(SESSION_TABLE, 'early', {
      watch: () => {
        this.#quieten()
        this.#referral.peerGone()
      },
      finish: () => this.#emit({ type: 'ended', ...this.#ended! }),
      leave: () => this.#leave(),
      cross: () => this.#onCrossedBye(),
      forget: () => this.#forget(),
      tellLeft: () => this.#onByeDone(this.#byeCode),
    })
  }

  /** The call is answered; from now on the dialog is ours to end. */
  establish(): void {
    this.#timer.wake()
    this.#machine.step('establish')
    this.#core.replace(this.dialog.key, this)
  }

  /** The 2xx of our INVITE: what it agrees on beside the media. */
  onAnswer(response: SipResponse): void {
    this.noteAllowed(response)
    this.#timer.onAnswer(response)
  }

  /** Whether the peer has said that it takes requests of that method. */
  allows(method: string): boolean {
    return this.#allowed.has(method)
  }

  noteAllowed(message: SipMessage): void {
    const methods = message.headers.list('allow')
    if (methods.length > 0) this.#allowed = new Set(methods.map((name) => name.toUpperCase()))
  }

  onRepeatedAnswer(response: SipResponse): void {
    this.client.repeatAck(cseqOf(response).number)
  }

  /** Hangs up. `q850` is sent as Reason; `onDone` hears how the BYE was answered (null: not). Idempotent. */
  bye(q850: number = NORMAL_CLEARING, onDone: (sipCode: number | null) => void = () => {}): void {
    if (this.#machine.state === 'live') {
      const text = q850 === NORMAL_CLEARING ? 'Normal call clearing' : 'Call ended'
      const fields: Field[] = [['reason', formatReason(q850, text)]]
      this.#leaving = { by: 'local', reason: NO_REASON, fields }
      this.#onByeDone = onDone
    }
    this.#machine.step('hangUp')
  }

  shutDown(): void {
    this.bye()
  }

  drop(): void {
    this.client.stop()
    this.#machine.step('drop')
  }

  /** Offers changed media by re-INVITE; `reinvited` follows. False when another exchange is under way. */
  reinvite(sdp: string): boolean {
    if (this.#machine.state !== 'live') return false
    return this.exchange.offer(sdp, 'INVITE', (response) => this.#afterFinal(response))
  }

  /** Offers changed media by UPDATE, before the answer too; `reinvited` follows. False when it can't be done now. */
  update(sdp: string): boolean {
    const { state } = this.#machine
    if (state !== 'live' && state !== 'early') return false
    return this.exchange.offer(sdp, 'UPDATE', (response) => this.#afterFinal(response))
  }

  /** Sends an INFO; `onFinal` hears its final code, null for none. Nothing is sent, or heard, once the call is ending. */
  info(body: Body, onFinal: (sipCode: number | null) => void = () => {}): void {
    if (this.#machine.state !== 'live') return
    this.client.send({ method: 'INFO', body }, (response) => {
      this.#afterFinal(response)
      onFinal(response?.status ?? null)
    })
  }

  /** Asks the peer to call `target` (a SIP URI) instead of us. False while another transfer is under way. */
  refer(target: string): boolean {
    if (this.#machine.state !== 'live') return false
    return this.#referral.ask(target, (response) => this.#afterFinal(response))
  }

  onAck(request: SipRequest): void {
    this.exchange.onAck(request)
  }

  onCancel(): void {
    this.exchange.withdraw()
  }

  onRequest(transaction: ServerTransaction): void {
    const { request } = transaction
    const { method } = request
    const { state } = this.#machine
    if (state !== 'live' && state !== 'early' && method !== 'BYE' && method !== 'NOTIFY') {
      return transaction.respond(composeResponse(request, 481))
    }
    if (!this.dialog.takeRemoteCSeq(cseqOf(request).number)) {
      return transaction.respond(composeResponse(request, 500))
    }
    const unknown = unsupportedBy(request)
    if (unknown.length > 0) {
      const fields: Field[] = [['unsupported', unknown.join(', ')]]
      return transaction.respond(composeResponse(request, 420, { fields }))
    }
    this.noteAllowed(request)
    if (method === 'BYE') this.#onBye(transaction)
    else if (method === 'INVITE' || method === 'UPDATE') this.#onOffer(transaction)
    else if (method === 'INFO') this.#onInfo(transaction)
    else if (method === 'NOTIFY') this.#referral.onNotify(transaction)
    else if (method === 'REFER' && state === 'live') this.#referral.onRefer(transaction)
    else transaction.respond(composeResponse(request, method === 'OPTIONS' ? 200 : 405))
  }

  #onOffer(transaction: ServerTransaction): void {
    const { request } = transaction
    if (request.method === 'UPDATE' || this.#machine.state === 'live') {
      return this.exchange.onRequest(transaction)
    }
    // An INVITE inside a dialog whose first one isn't answered yet (RFC 3261 section 14.2).
    transaction.respond(composeResponse(request, 500, { fields: [['retry-after', '1']] }))
  }

  #onBye(transaction: ServerTransaction): void {
    const { request } = transaction
    transaction.respond(composeResponse(request, 200))
    const reason = parseReason(request.headers.all('reason'))
    const atMs = this.#core.clock.monotonicMs()
    this.#ended ??= { by: 'remote', sipCode: null, reason, atMs }
    this.#machine.step(this.#referral.pending ? 'peerGoneInTransfer' : 'peerGone')
  }

  #onInfo(transaction: ServerTransaction): void {
    const { request } = transaction
    transaction.respond(composeResponse(request, 200))
    const contentType = request.headers.get('content-type') ?? ''
    this.#emit({ type: 'info', contentType, body: request.body })
  }

  #onAcknowledged(sdp: string | null): void {
    if (this.#byeWaitsForAck) return this.#sendBye()
    if (this.#machine.state === 'live') this.#emit({ type: 'confirmed', sdp })
  }

  #onNoAck(): void {
    if (this.#byeWaitsForAck) return this.#sendBye()
    this.#lose(LOST)
  }

  /** Half of the interval is over: UPDATE where the peer takes it, else the same offer again (RFC 4028 section 7.4). */
  #refresh(): void {
    const onFinal = (response: SipResponse | null): void => this.#afterRefresh(response)
    if (!this.exchange.ready) return this.#timer.refreshFailed()
    if (this.allows('UPDATE')) return this.exchange.refreshByUpdate(onFinal)
    if (!this.exchange.refreshByOffer(onFinal)) this.#timer.refreshFailed()
  }

  #afterRefresh(response: SipResponse | null): void {
    const status = response?.status ?? null
    if (status === null || status === 408 || status === 481) return this.#lose(EXPIRED)
    if (status < 300) return
    if (status === 405 || status === 501) {
      // It said that it would take UPDATE, and doesn't.
      this.#allowed = new Set([...this.#allowed].filter((method) => method !== 'UPDATE'))
    }
    this.#timer.refreshFailed()
  }

  /** 481 says that the far side knows nothing of the call any more (section 12.2.1.2). */
  #afterFinal: OnFinal = (response) => {
    if (response?.status === 481) this.#lose(LOST)
  }

  #lose(why: typeof LOST): void {
    if (this.#machine.state === 'live') this.#leaving = why
    this.#machine.step('lost')
  }

  #leave(): void {
    const { by, reason } = this.#leaving
    this.#quieten()
    this.#referral.cancel()
    const atMs = this.#core.clock.monotonicMs()
    // A callee may not send BYE before its ACK has come (section 15).
    if (this.exchange.unacknowledged) this.#byeWaitsForAck = true
    else this.#sendBye()
    this.#emit({ type: 'ended', by, sipCode: null, reason, atMs })
  }

  #sendBye(): void {
    this.#byeWaitsForAck = false
    const { fields } = this.#leaving
    this.client.send({ method: 'BYE', fields }, (response) => {
      this.#byeCode = response?.status ?? null
      this.#machine.step('left')
    })
  }

  /** Their BYE crosses ours, or comes while ours waits for an ACK that will never be sent now. */
  #onCrossedBye(): void {
    if (!this.#byeWaitsForAck) return
    this.#byeWaitsForAck = false
    this.#byeCode = 200
    this.#machine.step('left')
  }

  /** Nothing new is begun in the dialog. */
  #quieten(): void {
    this.#timer.stop()
    this.exchange.close()
  }

  #forget(): void {
    this.#quieten()
    this.exchange.stop()
    this.#referral.cancel()
    this.#core.unregister(this.dialog.key)
  }

  #emitDialog(): void {
    if (this.#machine.state === 'live') {
      this.#emit({ type: 'dialog', dialog: this.dialog.toRecord(null) })
    }
  }
}

const LOST: { by: EndedBy; reason: Reason; fields: readonly Field[] } = {
  by: 'lost',
  reason: NO_REASON,
  fields: [],
}
const EXPIRED: typeof LOST = {
  by: 'lost',
  reason: { q850: null, sipCode: null, text: 'the session expired' },
  fields: [['reason', formatReason(TIMER_EXPIRY, 'Session expired')]],
}
