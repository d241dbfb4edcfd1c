// A call that reaches us: 100 at once, then ringing, answer or refusal, and the caller's CANCEL in between.
import { randomHex } from '@saperly/kernel'
import type { CallEvent } from './call-event.ts'
import { composeResponse, sdpBody } from './compose.ts'
import type { Core, DialogUser } from './core.ts'
import { Dialog } from './dialog.ts'
import { formatReason, parseNameAddr, parseReason } from './header.ts'
import type { NameAddr } from './header.ts'
import { Timers } from './machine.ts'
import { sdpOf } from './message.ts'
import type { SipRequest } from './message.ts'
import type { InviteServer, ServerTransaction } from './server-transaction.ts'
import { Session } from './session.ts'
import type { Hop } from './transport.ts'

/** A call that nobody answers is refused with 480 after so long, milliseconds. */
export const INCOMING_LIMIT_MS = 180_000

type State = 'offered' | 'established' | 'over'

export class IncomingCall implements DialogUser {
  readonly callId: string
  /** Request-URI. */
  readonly requestUri: string
  readonly from: NameAddr
  /** The caller's offer; null asks us for one. */
  readonly sdp: string | null
  readonly source: Hop
  readonly request: SipRequest
  readonly #core: Core
  readonly #transaction: InviteServer
  readonly #dialog: Dialog
  readonly #timers: Timers<'limit'>
  #state: State = 'offered'
  #emit: (event: CallEvent) => void = () => {}
  #session: Session | null = null

  constructor(core: Core, transaction: InviteServer) {
    const { request, source } = transaction
    this.#core = core
    this.#transaction = transaction
    this.request = request
    this.source = source
    this.callId = request.headers.get('call-id')!
    this.requestUri = request.uri
    this.from = parseNameAddr(request.headers.get('from')!) ?? emptyCaller
    this.sdp = sdpOf(request)
    this.#dialog = Dialog.ofCallee(request, randomHex(core.random, 8), source)
    core.register(this.#dialog.key, this)
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
    return this.#dialog.localTag
  }

  get session(): Session | null {
    return this.#session
  }

  /** Whether it still waits for an answer or a refusal. */
  get open(): boolean {
    return this.#state === 'offered'
  }

  /** Sends 180, or another provisional code, with SDP as early media when given. */
  ring(sipCode = 180, sdp: string | null = null): void {
    if (this.#state !== 'offered') return
    this.#transaction.respond(
      composeResponse(this.request, sipCode, {
        toTag: this.#dialog.localTag,
        contact: this.#core.contactFor(this.source, this.requestUri),
        body: sdp === null ? null : sdpBody(sdp),
      }),
    )
  }

  /** Answers with 200. `confirmed` follows when the ACK has come. Ignored when the caller has given up. */
  answer(sdp: string): void {
    if (this.#state !== 'offered') return
    this.#over('established')
    this.#session = new Session(this.#core, this.#dialog, null, (event) => this.#emit(event))
    this.#session.answerInvite(this.#transaction, sdp)
    const dialog = this.#dialog.toRecord(null)
    this.#emit({ type: 'answered', sdp: this.sdp, dialog })
  }

  /** Refuses with a final code of 300-699. Ignored when answered or given up already. */
  reject(sipCode: number, q850: number | null = null): void {
    if (this.#state !== 'offered') return
    this.#refuse(sipCode, q850)
  }

  /** 503, with the time after which it is worth another try (RFC 3261 section 21.5.4). */
  rejectForNow(retryAfterSec: number): void {
    if (this.#state !== 'offered') return
    this.#refuse(503, null, [['retry-after', String(retryAfterSec)]])
  }

  /** 480 before the answer, BYE after. */
  hangUp(q850?: number): void {
    if (this.#session) this.#session.bye(q850)
    else this.reject(480)
  }

  shutDown(): void {
    this.hangUp()
  }

  drop(): void {
    this.#over('over')
    this.#core.unregister(this.#dialog.key)
  }

  /** CANCEL, or a BYE of the early dialog. */
  onCancel(request: SipRequest): void {
    if (this.#state !== 'offered') return
    this.#refuse(487, null)
    this.#emit({ type: 'cancelled', reason: parseReason(request.headers.all('reason')) })
  }

  onRequest(transaction: ServerTransaction): void {
    const { request } = transaction
    if (request.method === 'BYE') {
      transaction.respond(composeResponse(request, 200))
      return this.onCancel(request)
    }
    // Nothing is agreed on yet that could be changed (RFC 3311 section 5.2).
    const code = request.method === 'UPDATE' || request.method === 'INVITE' ? 500 : 405
    transaction.respond(composeResponse(request, code, { fields: [['retry-after', '2']] }))
  }

  onAck(): void {}

  onRepeatedAnswer(): void {}

  #refuse(sipCode: number, q850: number | null, more: [string, string][] = []): void {
    this.#over('over')
    this.#core.unregister(this.#dialog.key)
    this.#transaction.respond(
      composeResponse(this.request, sipCode, {
        toTag: this.#dialog.localTag,
        fields: q850 === null ? more : [...more, ['reason', formatReason(q850, 'refused')]],
      }),
    )
  }

  #over(state: 'established' | 'over'): void {
    this.#state = state
    this.#timers.stopAll()
  }
}

const emptyCaller: NameAddr = { display: null, uri: '', params: new Map() }
