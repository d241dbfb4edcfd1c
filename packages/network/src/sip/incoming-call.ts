// A call that reaches us: 100 at once, then ringing, answer or refusal, and the caller's CANCEL in between.
import { randomHex } from '@saperly/kernel'
import type { CallEvent } from './call-event.ts'
import { composeResponse, sdpBody } from './compose.ts'
import type { Core, DialogUser } from './core.ts'
import { Dialog } from './dialog.ts'
import { DigestClient } from './digest.ts'
import type { Credentials } from './digest.ts'
import { formatReason, parseNameAddr, parseReason } from './header.ts'
import type { NameAddr } from './header.ts'
import { Timers } from './machine.ts'
import { cseqOf, sdpOf } from './message.ts'
import type { SipRequest } from './message.ts'
import { ReliableResponses } from './reliable-responses.ts'
import type { InviteServer, ServerTransaction } from './server-transaction.ts'
import { Session } from './session.ts'
import type { Hop } from './transport.ts'

/** A call that nobody answers is refused with 480 after so long, milliseconds. */
export const INCOMING_LIMIT_MS = 180_000

/** `answering`: the answer waits for the PRACK of what was sent before. */
type State = 'offered' | 'answering' | 'established' | 'over'

export class IncomingCall implements DialogUser {
  readonly callId: string
  /** Request-URI. */
  readonly requestUri: string
  readonly from: NameAddr
  /** The caller's offer; null asks us for one. */
  readonly sdp: string | null
  readonly source: Hop
  readonly request: SipRequest
  readonly #transaction: InviteServer
  readonly #session: Session
  /** Null when the caller doesn't insist on having provisional responses for sure. */
  readonly #reliable: ReliableResponses | null
  readonly #timers: Timers<'limit'>
  #state: State = 'offered'
  #emit: (event: CallEvent) => void = () => {}
  /** Our description went out reliably before the answer; the 2xx brings none then. */
  #described = false

  /** `credentials`: for a peer that challenges our requests in the dialog. */
  constructor(core: Core, transaction: InviteServer, credentials: Credentials | null = null) {
    const { request, source } = transaction
    this.#transaction = transaction
    this.request = request
    this.source = source
    this.callId = request.headers.get('call-id')!
    this.requestUri = request.uri
    this.from = parseNameAddr(request.headers.get('from')!) ?? emptyCaller
    this.sdp = sdpOf(request)
    const dialog = Dialog.ofCallee(request, randomHex(core.random, 8), source)
    this.#session = new Session(core, dialog, {
      auth: credentials && new DigestClient(credentials, core.random),
      side: 'callee',
      timer: core.sessionTimer,
      offer: this.sdp === null ? null : 'theirs',
      emit: (event) => this.#emit(event),
    })
    this.#session.noteAllowed(request)
    core.register(dialog.key, this)
    const insists = request.headers.list('require').some((name) => /^100rel$/i.test(name))
    const onUnacknowledged = (): void => this.#refuse(504, null)
    this.#reliable = insists ? new ReliableResponses(core, transaction, onUnacknowledged) : null
    this.#timers = new Timers(core.clock)
    this.#timers.start('limit', INCOMING_LIMIT_MS, () => this.reject(480))
    transaction.respond(composeResponse(request, 100))
  }

  /** Sets who hears the events; to be called while the call is being delivered. */
  listen(emit: (event: CallEvent) => void): void {
    this.#emit = emit
  }

  /** Our tag in the dialog. */
  get localTag(): string {
    return this.#session.dialog.localTag
  }

  /** The established session, or null before the answer. */
  get session(): Session | null {
    return this.#state === 'established' ? this.#session : null
  }

  /** Whether it still waits for an answer or a refusal. */
  get open(): boolean {
    return this.#state === 'offered' || this.#state === 'answering'
  }

  /** Sends 180, or another provisional code, with SDP as early media when given. Reliably where the caller insists. */
  ring(sipCode = 180, sdp: string | null = null): void {
    if (this.#state !== 'offered') return
    const response = composeResponse(this.request, sipCode, {
      toTag: this.localTag,
      contact: this.#session.client.contact,
      body: sdp === null ? null : sdpBody(sdp),
    })
    if (!this.#reliable) return this.#transaction.respond(response)
    // Without an offer of the caller, the first reliable response would have to bring ours (RFC 3261 section 13.2.1).
    if (this.sdp === null && !this.#described && sdp === null) return
    if (sdp !== null && !this.#described) {
      this.#described = true
      this.#session.exchange.replied(sdp, this.sdp)
    }
    this.#reliable.send(response)
  }

  /** Answers with 200. `confirmed` follows when the ACK has come. Ignored when the caller has given up. */
  answer(sdp: string): void {
    if (this.#state !== 'offered') return
    if (!this.#reliable) return this.#establish(sdp)
    this.#state = 'answering'
    this.#reliable.afterAll(() => this.#establish(this.#described ? null : sdp))
  }

  /** `sdp`: null when what counts has been said already. */
  #establish(sdp: string | null): void {
    this.#over('established')
    const session = this.#session
    session.establish()
    session.exchange.answerInvite(this.#transaction, sdp)
    if (sdp !== null) session.exchange.replied(sdp, this.sdp)
    this.#emit({
      type: 'answered',
      sdp: session.exchange.remote ?? this.sdp,
      dialog: session.dialog.toRecord(null),
      answer: null,
    })
  }

  /** Refuses with a final code of 300-699. Ignored when answered or given up already. */
  reject(sipCode: number, q850: number | null = null): void {
    if (this.open) this.#refuse(sipCode, q850)
  }

  /** 503, with the time after which it is worth another try (RFC 3261 section 21.5.4). */
  rejectForNow(retryAfterSec: number): void {
    if (this.open) this.#refuse(503, null, [['retry-after', String(retryAfterSec)]])
  }

  /** 480 before the answer, BYE after. */
  hangUp(q850?: number): void {
    if (this.session) this.session.bye(q850)
    else this.reject(480)
  }

  shutDown(): void {
    this.hangUp()
  }

  drop(): void {
    this.#over('over')
    this.#session.drop()
  }

  /** CANCEL, or a BYE of the early dialog. */
  onCancel(request: SipRequest): void {
    if (!this.open) return
    this.#refuse(487, null)
    this.#emit({ type: 'cancelled', reason: parseReason(request.headers.all('reason')) })
  }

  onRequest(transaction: ServerTransaction): void {
    const { request } = transaction
    if (request.method === 'BYE') {
      transaction.respond(composeResponse(request, 200))
      return this.onCancel(request)
    }
    if (request.method === 'PRACK') return this.#onPrack(transaction)
    this.#session.onRequest(transaction)
  }

  #onPrack(transaction: ServerTransaction): void {
    const { request } = transaction
    if (!this.#session.dialog.takeRemoteCSeq(cseqOf(request).number)) {
      return transaction.respond(composeResponse(request, 500))
    }
    if (!this.#reliable?.takes(request)) return transaction.respond(composeResponse(request, 481))
    const sdp = sdpOf(request)
    const { exchange } = this.#session
    // Our offer is answered here; what comes without one is an offer itself (RFC 3262 section 5).
    if (sdp !== null && !exchange.awaiting) exchange.onPrackOffer(transaction)
    else {
      transaction.respond(composeResponse(request, 200))
      exchange.counterAnswered(sdp)
      if (sdp !== null) this.#emit({ type: 'reinvited', sdp, sipCode: null })
    }
    this.#reliable.taken()
  }

  onAck(): void {}

  onRepeatedAnswer(): void {}

  #refuse(sipCode: number, q850: number | null, more: [string, string][] = []): void {
    this.#over('over')
    this.#session.drop()
    this.#transaction.respond(
      composeResponse(this.request, sipCode, {
        toTag: this.localTag,
        fields: q850 === null ? more : [...more, ['reason', formatReason(q850, 'refused')]],
      }),
    )
  }

  #over(state: 'established' | 'over'): void {
    this.#state = state
    this.#timers.stopAll()
    this.#reliable?.stop()
  }
}

const emptyCaller: NameAddr = { display: null, uri: '', params: new Map() }
