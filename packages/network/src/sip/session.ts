// An established call: requests in its dialog both ways, until its BYE is done (RFC 3261 sections 12.2, 14 and 15).
import { assert } from '@saperly/kernel'
import { AnswerRepeater } from './answer-repeater.ts'
import { NO_REASON } from './call-event.ts'
import type { EndedBy, SessionEvent } from './call-event.ts'
import type { InviteClient } from './client-transaction.ts'
import { composeResponse, sdpBody } from './compose.ts'
import type { Body, Field } from './compose.ts'
import type { Core, DialogUser } from './core.ts'
import type { Dialog, InDialog } from './dialog.ts'
import { MAX_CHALLENGES } from './digest.ts'
import type { DigestClient } from './digest.ts'
import { formatReason, parseNameAddr, parseReason } from './header.ts'
import type { Reason } from './header.ts'
import { cseqOf, sdpOf, serialise } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { Timers, lifetimeMs } from './machine.ts'
import type { Hop } from './hop.ts'
import { ReferClient } from './refer.ts'
import { referReporter } from './refer-report.ts'
import { InviteServer } from './server-transaction.ts'
import type { ServerTransaction } from './server-transaction.ts'

/** `closing`: the peer has hung up while a transfer may still be reported. `leaving`: we have, and BYE is under way. */
type State = 'live' | 'closing' | 'leaving' | 'gone'

/** Q.850 cause 16 as a Reason text. */
const NORMAL_CLEARING = 16

export class Session implements DialogUser {
  readonly dialog: Dialog
  readonly #core: Core
  readonly #auth: DigestClient | null
  readonly #emit: (event: SessionEvent) => void
  readonly #timers: Timers<'reinvite'>
  #state: State = 'live'
  #answer: AnswerRepeater | null = null
  #byeWaitsForAck: readonly Field[] | null = null
  #offering = false
  /** The peer's offer that is being considered. */
  #reoffer: ServerTransaction | null = null
  #refer: ReferClient | null = null
  #ended: { by: EndedBy; sipCode: number | null; reason: Reason; atMs: number } | null = null
  #onByeDone: (sipCode: number | null) => void = () => {}
  #lastAck: { bytes: Buffer; cseq: number; hop: Hop } | null = null

  constructor(
    core: Core,
    dialog: Dialog,
    auth: DigestClient | null,
    emit: (event: SessionEvent) => void,
  ) {
    this.dialog = dialog
    this.#core = core
    this.#auth = auth
    this.#emit = emit
    this.#timers = new Timers(core.clock)
    core.replace(dialog.key, this)
  }

  /** Our Contact, as the peer reaches it. */
  get #contact(): string {
    return this.#core.contactFor(this.dialog.remote, this.dialog.localUri)
  }

  /** Acknowledges the 2xx of our INVITE; the same ACK answers every repetition of that 2xx. */
  acknowledge(cseq: number, fields: readonly Field[]): void {
    const ack = this.dialog.ack(cseq, fields, null)
    this.#core.reach(this.dialog, (hop) => {
      this.#core.layer.stampAck(ack, hop)
      this.#lastAck = { bytes: serialise(ack), cseq, hop }
      this.onRepeatedAnswer()
    })
  }

  onRepeatedAnswer(): void {
    // A lost ACK brings the 2xx again, and the ACK with it.
    if (this.#lastAck) {
      const { bytes, hop } = this.#lastAck
      this.#core.transport.send(bytes, hop, () => {})
    }
  }

  /** Answers an INVITE with 200 and repeats it until the ACK. */
  answerInvite(transaction: InviteServer, sdp: string): void {
    const response = composeResponse(transaction.request, 200, {
      toTag: this.dialog.localTag,
      contact: this.#contact,
      body: sdpBody(sdp),
    })
    const { number } = cseqOf(transaction.request)
    this.#answer = new AnswerRepeater(this.#core, transaction, number, response, () => {
      this.#answer = null
      if (this.#byeWaitsForAck) return this.#sendBye(this.#byeWaitsForAck)
      this.#leave('lost', [])
    })
  }

  /** Hangs up. `q850` is sent as Reason; `onDone` hears how the BYE was answered (null: not). Idempotent. */
  bye(q850: number = NORMAL_CLEARING, onDone: (sipCode: number | null) => void = () => {}): void {
    if (this.#state === 'closing') {
      this.#refer?.cancel()
      this.#finish()
    }
    if (this.#state !== 'live') return
    this.#onByeDone = onDone
    const text = q850 === NORMAL_CLEARING ? 'Normal call clearing' : 'Call ended'
    this.#leave('local', [['reason', formatReason(q850, text)]])
  }

  shutDown(): void {
    this.bye()
  }

  drop(): void {
    this.#state = 'gone'
    this.#answer?.stop()
    this.#refer?.cancel()
    this.#timers.stopAll()
    this.#core.unregister(this.dialog.key)
  }

  /** Offers changed media; `reinvited` follows. False when another exchange is under way. */
  reinvite(sdp: string): boolean {
    if (this.#state !== 'live' || this.#offering || this.#reoffer || this.#answer) return false
    this.#offering = true
    this.#send({ method: 'INVITE', contact: this.#contact, body: sdpBody(sdp) }, (response) => {
      this.#offering = false
      if (this.#state !== 'live') return
      const accepted = response !== null && response.status < 300
      const sipCode = response?.status ?? null
      this.#emit({ type: 'reinvited', sdp: accepted ? sdpOf(response) : null, sipCode })
      this.#afterFinal(response)
    })
    return true
  }

  /** Sends an INFO; nobody waits for its answer. */
  info(body: Body): void {
    if (this.#state !== 'live') return
    this.#send({ method: 'INFO', body }, (response) => this.#afterFinal(response))
  }

  /** Asks the peer to call `target` (a SIP URI) instead of us. False while another transfer is under way. */
  refer(target: string): boolean {
    if (this.#state !== 'live' || (this.#refer && !this.#refer.done)) return false
    const refer = new ReferClient(this.#core.clock, {
      onAccepted: () => this.#emit({ type: 'referAccepted' }),
      onProgress: (sipCode) => this.#emit({ type: 'referProgress', sipCode }),
      onDone: (outcome) => {
        this.#emit({ type: 'referDone', outcome })
        if (this.#state === 'closing') this.#finish()
      },
    })
    this.#refer = refer
    const fields: Field[] = [
      ['refer-to', `<${target}>`],
      ['referred-by', `<${this.dialog.localUri}>`],
    ]
    this.#send({ method: 'REFER', contact: this.#contact, fields }, (response) => {
      refer.answered(response?.status ?? null)
      this.#afterFinal(response)
    })
    return true
  }

  onAck(request: SipRequest): void {
    if (this.#answer?.cseq !== cseqOf(request).number) return
    this.#answer.stop()
    this.#answer = null
    if (this.#byeWaitsForAck) return this.#sendBye(this.#byeWaitsForAck)
    if (this.#state === 'live') this.#emit({ type: 'confirmed', sdp: sdpOf(request) })
  }

  onRequest(transaction: ServerTransaction): void {
    const { request } = transaction
    const { method } = request
    if (this.#state !== 'live' && method !== 'BYE' && method !== 'NOTIFY') {
      return transaction.respond(composeResponse(request, 481))
    }
    if (!this.dialog.takeRemoteCSeq(cseqOf(request).number)) {
      return transaction.respond(composeResponse(request, 500))
    }
    if (method === 'BYE') this.#onBye(transaction)
    else if (method === 'INVITE' || method === 'UPDATE') this.#onOffer(transaction)
    else if (method === 'INFO') this.#onInfo(transaction)
    else if (method === 'REFER') this.#onRefer(transaction)
    else if (method === 'NOTIFY') this.#onNotify(transaction)
    else transaction.respond(composeResponse(request, method === 'OPTIONS' ? 200 : 405))
  }

  #onBye(transaction: ServerTransaction): void {
    transaction.respond(composeResponse(transaction.request, 200))
    this.#answer?.stop()
    this.#answer = null
    if (this.#byeWaitsForAck) return this.#byeDone(200)
    if (this.#state !== 'live') return
    const reason = parseReason(transaction.request.headers.all('reason'))
    this.#dropReoffer()
    this.#ended = { by: 'remote', sipCode: null, reason, atMs: this.#core.clock.monotonicMs() }
    if (this.#refer && !this.#refer.done) {
      this.#state = 'closing'
      this.#refer.peerGone()
    } else this.#finish()
  }

  #onOffer(transaction: ServerTransaction): void {
    const { request } = transaction
    if (this.#offering) return transaction.respond(composeResponse(request, 491))
    if (this.#reoffer || this.#answer) {
      const fields: Field[] = [['retry-after', '2']]
      return transaction.respond(composeResponse(request, 500, { fields }))
    }
    if (this.dialog.refreshTarget(request)) this.#emitDialog()
    const sdp = sdpOf(request)
    const invite = transaction instanceof InviteServer ? transaction : null
    if (!invite && sdp === null) {
      const contact = this.#contact
      return transaction.respond(composeResponse(request, 200, { contact }))
    }
    this.#reoffer = transaction
    if (invite) transaction.respond(composeResponse(request, 100))
    this.#emit({
      type: 'reoffer',
      sdp,
      answer: (answer) => {
        if (!this.#settleReoffer(transaction)) return
        if (invite) return this.answerInvite(invite, answer)
        const contact = this.#contact
        transaction.respond(composeResponse(request, 200, { contact, body: sdpBody(answer) }))
      },
      refuse: (sipCode) => {
        if (this.#settleReoffer(transaction)) transaction.respond(composeResponse(request, sipCode))
      },
    })
  }

  /** False when nobody waits for the answer any more. */
  #settleReoffer(transaction: ServerTransaction): boolean {
    const open = this.#reoffer === transaction
    if (open) this.#reoffer = null
    return open
  }

  /** The call ends, or the peer takes its offer back, before it was answered (section 15.1.2). */
  #dropReoffer(): void {
    const dropped = this.#reoffer
    this.#reoffer = null
    dropped?.respond(composeResponse(dropped.request, 487))
  }

  onCancel(): void {
    this.#dropReoffer()
  }

  #onInfo(transaction: ServerTransaction): void {
    const { request } = transaction
    transaction.respond(composeResponse(request, 200))
    const contentType = request.headers.get('content-type') ?? ''
    this.#emit({ type: 'info', contentType, body: request.body })
  }

  #onRefer(transaction: ServerTransaction): void {
    const { request } = transaction
    const target = parseNameAddr(request.headers.get('refer-to') ?? '')?.uri
    if (target === undefined) return transaction.respond(composeResponse(request, 400))
    let taken = false
    const accept = (reports = true): ((sipCode: number) => void) => {
      assert(!taken, 'a transfer request is taken once')
      taken = true
      const contact = this.#contact
      transaction.respond(composeResponse(request, 202, { contact }))
      if (!reports) return () => {}
      return referReporter(cseqOf(request).number, (notify) => {
        if (this.#state === 'live') this.#send({ ...notify, contact }, () => {})
      })
    }
    this.#emit({ type: 'referRequested', target, accept })
    if (!taken) transaction.respond(composeResponse(request, 603))
  }

  #onNotify(transaction: ServerTransaction): void {
    const { request } = transaction
    const event = (request.headers.get('event') ?? '').split(';')[0]!.trim().toLowerCase()
    if (event !== 'refer') return transaction.respond(composeResponse(request, 489))
    if (!this.#refer) return transaction.respond(composeResponse(request, 481))
    transaction.respond(composeResponse(request, 200))
    this.#refer.notified(request)
  }

  /** 481 says that the far side knows nothing of the call any more (section 12.2.1.2). */
  #afterFinal(response: SipResponse | null): void {
    if (response?.status === 481 && this.#state === 'live') this.#leave('lost', [])
  }

  #leave(by: EndedBy, fields: readonly Field[]): void {
    this.#state = 'leaving'
    this.#dropReoffer()
    this.#refer?.cancel()
    const atMs = this.#core.clock.monotonicMs()
    // A callee may not send BYE before its ACK has come (section 15).
    if (this.#answer) this.#byeWaitsForAck = fields
    else this.#sendBye(fields)
    this.#emit({ type: 'ended', by, sipCode: null, reason: NO_REASON, atMs })
  }

  #sendBye(fields: readonly Field[]): void {
    this.#byeWaitsForAck = null
    this.#send({ method: 'BYE', fields }, (response) => this.#byeDone(response?.status ?? null))
  }

  #byeDone(sipCode: number | null): void {
    this.#byeWaitsForAck = null
    this.#state = 'gone'
    this.#core.unregister(this.dialog.key)
    this.#onByeDone(sipCode)
  }

  #finish(): void {
    assert(this.#ended, 'only an ended session finishes')
    this.#state = 'gone'
    this.#core.unregister(this.dialog.key)
    this.#emit({ type: 'ended', ...this.#ended })
  }

  #emitDialog(): void {
    if (this.#state === 'live') this.#emit({ type: 'dialog', dialog: this.dialog.toRecord(null) })
  }

  /** Sends a request in the dialog, answers challenges, and reports the final response (null: none came). */
  #send(what: InDialog, onFinal: (response: SipResponse | null) => void, attempt = 0): void {
    const request = this.dialog.request(what)
    this.#auth?.authorise(request)
    const invite = what.method === 'INVITE'
    const { layer } = this.#core
    let settled = false
    const owner = {
      onResponse: (response: SipResponse): void => {
        if (response.status < 200) return
        if (invite && response.status < 300) this.#acknowledgeReinvite(request, response)
        if (settled) return
        settled = true
        if (invite) this.#timers.stop('reinvite')
        const challenged = response.status === 401 || response.status === 407
        if (challenged && attempt < MAX_CHALLENGES && this.#auth?.learn(response)) {
          return this.#send(what, onFinal, attempt + 1)
        }
        onFinal(response)
      },
      onFailure: (): void => {
        if (invite) this.#timers.stop('reinvite')
        onFinal(null)
      },
    }
    this.#core.reach(this.dialog, (hop) => {
      if (invite) this.#limitReinvite(layer.invite(request, hop, owner), onFinal)
      else layer.request(request, hop, owner)
    })
    if (what.method !== 'BYE') this.#emitDialog()
  }

  /** A re-INVITE that only ever rings would block the dialog for good. */
  #limitReinvite(transaction: InviteClient, onFinal: (response: null) => void): void {
    this.#timers.start('reinvite', lifetimeMs(this.#core.timers) + this.#core.timers.t4Ms, () => {
      transaction.abandon()
      onFinal(null)
    })
  }

  #acknowledgeReinvite(request: SipRequest, response: SipResponse): void {
    const { number } = cseqOf(request)
    if (this.#lastAck?.cseq === number) return this.onRepeatedAnswer()
    if (this.dialog.refreshTarget(response)) this.#emitDialog()
    this.acknowledge(number, credentialsOf(request))
  }
}

/** An ACK of a 2xx carries the credentials of its INVITE (section 22.3). */
export function credentialsOf(request: SipRequest): Field[] {
  return (['authorization', 'proxy-authorization'] as const).flatMap((name) =>
    request.headers.all(name).map((value): Field => [name, value]),
  )
}
