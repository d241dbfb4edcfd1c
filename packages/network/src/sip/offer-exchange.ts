// Offers and answers of one dialog, one at a time, whoever makes them: re-INVITE, UPDATE, glare (RFC 3261 14, RFC 3311).
import { AnswerRepeater } from './answer-repeater.ts'
import type { SessionEvent } from './call-event.ts'
import { composeResponse, sdpBody } from './compose.ts'
import type { Field } from './compose.ts'
import type { Core } from './core.ts'
import type { Dialog } from './dialog.ts'
import type { DialogClient, OnFinal } from './dialog-client.ts'
import { Machine, Timers } from './machine.ts'
import { cseqOf, sdpOf } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { OFFER_TABLE } from './offer-table.ts'
import type { OfferAction, OfferEvent, OfferState } from './offer-table.ts'
import { InviteServer } from './server-transaction.ts'
import type { ServerTransaction } from './server-transaction.ts'
import type { SessionTimer } from './session-timer.ts'

/** How often an offer that meets the peer's is made again. */
export const MAX_GLARE_TRIES = 5
/** How often one request follows a 422 to a longer interval. */
const MAX_TIMER_TRIES = 2
/** RFC 3261 section 14.1: who made the Call-ID waits 2.1-4 s, the other 0-2 s, in units of 10 ms. */
const GLARE_UNIT_MS = 10
const GLARE_WAITS = { caller: [210, 400], callee: [0, 200] } as const
/** RFC 3261 section 14.2 and RFC 3311 section 5.2: Retry-After of a 500, seconds. */
const MAX_RETRY_AFTER_SEC = 10

export type OfferMethod = 'INVITE' | 'UPDATE'

/** An offer of ours under way. */
interface Wish {
  sdp: string
  method: OfferMethod
  tries: number
  /** A refresh of the session: told only when it changed something. */
  refresh: boolean
  onFinal: OnFinal
}

export interface OfferOwner {
  emit(event: Extract<SessionEvent, { type: 'reoffer' | 'reinvited' }>): void
  /** The ACK of our 2xx has come; `sdp` when it brings the answer to our offer. */
  onAcknowledged(sdp: string | null): void
  /** It never came. */
  onNoAck(): void
  /** The peer's Contact is another. */
  onTarget(): void
}

export interface OfferParts {
  core: Core
  dialog: Dialog
  client: DialogClient
  timer: SessionTimer
  side: 'caller' | 'callee'
}

export class OfferExchange {
  readonly #parts: OfferParts
  readonly #owner: OfferOwner
  readonly #machine: Machine<OfferState, OfferEvent, OfferAction>
  readonly #timers: Timers<'again'>
  #wish: Wish | null = null
  /** The peer's request that comes in just now, and the one that our owner considers. */
  #asking: ServerTransaction | null = null
  #peer: ServerTransaction | null = null
  #repeater: AnswerRepeater | null = null
  #waitMs: number | null = null
  #local: string | null
  #remote: string | null = null

  /** `initial`: where the call's own INVITE stands; `local`: our offer in it. */
  constructor(
    parts: OfferParts,
    owner: OfferOwner,
    initial: 'idle' | 'offering' | 'considering',
    local: string | null,
  ) {
    this.#parts = parts
    this.#owner = owner
    this.#local = local
    this.#timers = new Timers(parts.core.clock)
    this.#machine = new Machine(OFFER_TABLE, initial, {
      send: () => this.#send(),
      wait: () => this.#wait(),
      pause: () => this.#timers.stopAll(),
      consider: () => this.#consider(),
      clash: () => this.#refusePeer(491, []),
      busy: () => this.#refusePeer(500, this.#retryAfter()),
      resume: () => {
        if (this.#wish) this.#machine.step('glare')
      },
      halt: () => this.#halt(),
    })
  }

  /** The peer's description that counts now. */
  get remote(): string | null {
    return this.#remote
  }

  /** Our 2xx still waits for its ACK. */
  get unacknowledged(): boolean {
    return this.#repeater !== null
  }

  /** An offer of ours in a response waits for its answer. */
  get awaiting(): boolean {
    return this.#machine.state === 'awaiting'
  }

  /** Whether an offer could be made now. */
  get ready(): boolean {
    return this.#machine.state === 'idle' && this.#repeater === null
  }

  /** Offers changed media; `reinvited` follows. False when another exchange is under way. */
  offer(sdp: string, method: OfferMethod, onFinal: OnFinal): boolean {
    return this.#begin({ sdp, method, tries: 0, refresh: false, onFinal })
  }

  /** Offers what stands (same version, so nothing changes); false when it can't be done now. */
  refreshByOffer(onFinal: OnFinal): boolean {
    if (this.#local === null) return false
    return this.#begin({ sdp: this.#local, method: 'INVITE', tries: 0, refresh: true, onFinal })
  }

  /** An UPDATE that offers nothing (RFC 4028 section 7.4). */
  refreshByUpdate(onFinal: OnFinal): void {
    this.#ask('UPDATE', null, onFinal, 0)
  }

  /** The answer to the offer of the call's own INVITE: in its 2xx, or in a reliable 18x. */
  answered(sdp: string | null): void {
    if (this.#machine.state === 'offering' && sdp !== null) this.#remote = sdp
    this.#machine.step('answered')
  }

  /** Our answer to an offer that came in a response, and goes out in its ACK or PRACK. */
  answeredInAck(answer: string, offered: string): void {
    this.#local = answer
    this.#remote = offered
  }

  /** A description of ours goes out in a response to the call's own INVITE; `offered`: it answers theirs. */
  replied(sdp: string, offered: string | null): void {
    this.#local = sdp
    if (offered !== null) this.#remote = offered
    this.#machine.step(offered === null ? 'counter' : 'reply')
  }

  /** The peer's answer to our offer in a response. */
  counterAnswered(sdp: string | null): void {
    if (sdp !== null && this.#machine.state === 'awaiting') this.#remote = sdp
    this.#machine.step('ack')
  }

  /** Sends the 2xx of an INVITE and repeats it until the ACK. */
  answerInvite(transaction: InviteServer, sdp: string | null): void {
    const { core, dialog, client, timer } = this.#parts
    const { request } = transaction
    const response = composeResponse(request, 200, {
      toTag: dialog.localTag,
      contact: client.contact,
      fields: timer.responseFields(request),
      body: sdp === null ? null : sdpBody(sdp),
    })
    const { number } = cseqOf(request)
    this.#repeater = new AnswerRepeater(core, transaction, number, response, () => {
      this.#repeater = null
      this.#owner.onNoAck()
    })
  }

  onAck(request: SipRequest): void {
    if (this.#repeater?.cseq !== cseqOf(request).number) return
    this.#repeater.stop()
    this.#repeater = null
    const sdp = sdpOf(request)
    this.counterAnswered(sdp)
    this.#owner.onAcknowledged(sdp)
  }

  /** INVITE or UPDATE of the peer. */
  onRequest(transaction: ServerTransaction): void {
    const { request } = transaction
    const { dialog, client, timer } = this.#parts
    const tooSmall = timer.refusal(request)
    if (tooSmall) {
      return transaction.respond(composeResponse(request, 422, { fields: tooSmall }))
    }
    const invite = transaction instanceof InviteServer
    if (!invite && sdpOf(request) === null) {
      if (dialog.refreshTarget(request)) this.#owner.onTarget()
      const fields = timer.responseFields(request)
      return transaction.respond(composeResponse(request, 200, { contact: client.contact, fields }))
    }
    if (invite && this.#repeater && this.awaiting) {
      return transaction.respond(composeResponse(request, 500, { fields: this.#retryAfter() }))
    }
    if (invite) this.#takeForAck()
    this.#take(transaction)
  }

  /** An offer of the peer in a PRACK; its answer goes with the 200. */
  onPrackOffer(transaction: ServerTransaction): void {
    this.#take(transaction)
  }

  /** The peer takes its offer back, or the call ends before it was answered (section 15.1.2). */
  withdraw(): void {
    const dropped = this.#peer
    this.#peer = null
    if (!dropped) return
    this.#machine.step('withdrawn')
    dropped.respond(composeResponse(dropped.request, 487))
  }

  /** The call ends: no offer is made or taken any more. The ACK of a 2xx of ours is still waited for. */
  close(): void {
    this.withdraw()
    this.#machine.step('close')
  }

  /** Nobody waits for an ACK any more. */
  stop(): void {
    this.#repeater?.stop()
    this.#repeater = null
    this.#machine.step('close')
  }

  /** A further INVITE shows that the peer has our 2xx, though its ACK was lost or comes late. */
  #takeForAck(): void {
    if (!this.#repeater) return
    this.#repeater.stop()
    this.#repeater = null
    this.#owner.onAcknowledged(null)
  }

  #begin(wish: Wish): boolean {
    if (!this.ready) return false
    this.#wish = wish
    this.#machine.step('offer')
    return true
  }

  #send(): void {
    // The peer's own INVITE isn't done before its ACK (section 14.1).
    if (this.#repeater) return this.#machine.step('glare')
    const wish = this.#wish!
    this.#ask(
      wish.method,
      wish.sdp,
      (response) => {
        if (this.#wish !== wish) return
        const waitMs = response && wish.tries < MAX_GLARE_TRIES ? this.#waitOf(response) : null
        if (waitMs !== null) {
          wish.tries++
          this.#waitMs = waitMs
          return this.#machine.step('glare')
        }
        this.#settle(wish, response)
      },
      0,
    )
  }

  #settle(wish: Wish, response: Parameters<OnFinal>[0]): void {
    this.#wish = null
    const accepted = response !== null && response.status < 300
    const sdp = accepted ? sdpOf(response) : null
    const changed = sdp !== this.#remote
    if (accepted) this.#local = wish.sdp
    if (sdp !== null) this.#remote = sdp
    this.#machine.step(accepted ? 'answered' : 'refused')
    if (!wish.refresh || (sdp !== null && changed)) {
      this.#owner.emit({ type: 'reinvited', sdp, sipCode: response?.status ?? null })
    }
    wish.onFinal(response)
  }

  #ask(method: OfferMethod, sdp: string | null, onFinal: OnFinal, tries: number): void {
    const { client, timer } = this.#parts
    const body = sdp === null ? null : sdpBody(sdp)
    client.send({ method, body, fields: timer.requestFields() }, (response) => {
      const { state } = this.#machine
      if (state !== 'closed' && response?.status === 422) {
        const again = tries < MAX_TIMER_TRIES && timer.learn(response)
        if (again) return this.#ask(method, sdp, onFinal, tries + 1)
      }
      if (response && response.status < 300) timer.onAnswer(response)
      onFinal(response)
    })
  }

  /** How long an offer that was refused for the moment waits, milliseconds; null when it was refused for good. */
  #waitOf(response: SipResponse): number | null {
    if (response.status === 491) return this.#glareMs()
    const after = /^\s*(\d{1,2})\b/.exec(response.headers.get('retry-after') ?? '')
    const sec = response.status === 500 && after ? Number(after[1]) : Number.NaN
    // In between, what stood in the way may end: not at once, so that it isn't asked without pause.
    return sec <= MAX_RETRY_AFTER_SEC ? Math.max(sec * 1000, this.#glareMs()) : null
  }

  #glareMs(): number {
    const [low, high] = GLARE_WAITS[this.#parts.side]
    return this.#parts.core.random.int(low, high) * GLARE_UNIT_MS
  }

  #wait(): void {
    const delayMs = this.#waitMs ?? this.#glareMs()
    this.#waitMs = null
    this.#timers.start('again', delayMs, () => this.#machine.step('again'))
  }

  #take(transaction: ServerTransaction): void {
    this.#asking = transaction
    this.#machine.step('peerOffer')
  }

  #consider(): void {
    const transaction = this.#asking!
    this.#peer = transaction
    const { request } = transaction
    if (this.#parts.dialog.refreshTarget(request)) this.#owner.onTarget()
    if (transaction instanceof InviteServer) transaction.respond(composeResponse(request, 100))
    const sdp = sdpOf(request)
    this.#owner.emit({
      type: 'reoffer',
      sdp,
      answer: (answer) => {
        if (this.#peer === transaction) this.#answerPeer(transaction, sdp, answer)
      },
      refuse: (sipCode) => {
        if (this.#peer !== transaction) return
        this.#peer = null
        this.#machine.step('reply')
        transaction.respond(composeResponse(request, sipCode))
      },
    })
  }

  #answerPeer(transaction: ServerTransaction, offered: string | null, answer: string): void {
    const { client, timer } = this.#parts
    const { request } = transaction
    this.#peer = null
    if (transaction instanceof InviteServer) {
      // Sent first: what waited for this may not go out before the ACK.
      this.answerInvite(transaction, answer)
      return this.replied(answer, offered)
    }
    const fields = request.method === 'UPDATE' ? timer.responseFields(request) : []
    const body = sdpBody(answer)
    transaction.respond(composeResponse(request, 200, { contact: client.contact, fields, body }))
    this.replied(answer, offered)
  }

  #refusePeer(sipCode: number, fields: readonly Field[]): void {
    this.#asking!.respond(composeResponse(this.#asking!.request, sipCode, { fields }))
  }

  #retryAfter(): Field[] {
    return [['retry-after', String(this.#parts.core.random.int(0, MAX_RETRY_AFTER_SEC))]]
  }

  #halt(): void {
    this.#timers.stopAll()
    this.#wish = null
  }
}
