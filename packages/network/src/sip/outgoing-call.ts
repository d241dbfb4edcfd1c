// A call that we place: INVITE with its challenges, forks, CANCEL and their races, up to the established session.
import { randomHex } from '@saperly/kernel'
import type { CallEvent, FailureCause } from './call-event.ts'
import { NO_REASON } from './call-event.ts'
import type { InviteClient } from './client-transaction.ts'
import { composeRequest, sdpBody } from './compose.ts'
import type { Field } from './compose.ts'
import type { Core } from './core.ts'
import { Dialog } from './dialog.ts'
import { DigestClient, MAX_CHALLENGES } from './digest.ts'
import type { Credentials } from './digest.ts'
import { formatReason, parseReason, tagOf } from './header.ts'
import { Timers, lifetimeMs } from './machine.ts'
import { cseqOf, sdpOf } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { quote } from './quoting.ts'
import { Session, credentialsOf } from './session.ts'
import type { Hop } from './transport.ts'

export interface CallOptions {
  /** Request-URI and To, e.g. `sip:+15555550123@192.0.2.1:5060`. */
  to: string
  /** Where the INVITE is sent. */
  via: Hop
  /** From URI. */
  from: string
  displayName?: string | null
  sdp: string | null
  credentials?: Credentials | null
  /** More header fields: lower-case full names. */
  fields?: readonly Field[]
  /** `silent` is reported when nothing has come for so long, milliseconds; null: never. */
  silenceMs?: number | null
  /** The call is cancelled when it rings for longer, milliseconds. */
  limitMs?: number
}

/** Longest a call may ring when its owner sets no limit, milliseconds. */
export const DEFAULT_LIMIT_MS = 180_000
/** Branches of a forked call that are answered for; a 2xx beyond is left to time out. */
const MAX_FORKS = 16

type State = 'calling' | 'cancelling' | 'established' | 'over'

export class OutgoingCall {
  readonly callId: string
  readonly #core: Core
  readonly #options: CallOptions
  readonly #emit: (event: CallEvent) => void
  readonly #auth: DigestClient | null
  readonly #localTag: string
  readonly #timers: Timers<'silence' | 'limit' | 'cancel'>
  /** Answered branches by their To tag; the first is the call, others are ended at once. */
  readonly #branches = new Map<string, Session>()
  readonly #onOver: () => void
  #state: State = 'calling'
  #cancelCause: FailureCause = 'cancelled'
  #cancelSent = false
  #heard = false
  #cseq = 1
  #attempts = 0
  #invite: InviteClient
  #session: Session | null = null

  constructor(
    core: Core,
    options: CallOptions,
    emit: (event: CallEvent) => void,
    onOver: () => void,
  ) {
    this.#core = core
    this.#options = options
    this.#emit = emit
    this.#onOver = onOver
    this.callId = `${randomHex(core.random, 12)}@${core.transport.local.address}`
    this.#localTag = randomHex(core.random, 8)
    this.#auth = options.credentials ? new DigestClient(options.credentials, core.random) : null
    this.#timers = new Timers(core.clock)
    if (options.silenceMs !== undefined && options.silenceMs !== null) {
      this.#timers.start('silence', options.silenceMs, () => this.#emit({ type: 'silent' }))
    }
    this.#timers.start('limit', options.limitMs ?? DEFAULT_LIMIT_MS, () => this.#giveUp('timeout'))
    this.#invite = this.#sendInvite()
  }

  /** The established session, or null before the answer. */
  get session(): Session | null {
    return this.#session
  }

  /** A CANCEL is out, and its INVITE still waits for the final response. */
  get settling(): boolean {
    return this.#state === 'cancelling' && this.#cancelSent
  }

  /** Ends the call in whatever phase it is: CANCEL with its races before the answer, BYE after. */
  hangUp(q850?: number): void {
    if (this.#session) this.#session.bye(q850)
    else this.cancel()
  }

  /**
   * Gives the call up before the answer. The CANCEL waits for the first provisional response (RFC 3261 section 9.1);
   * a 200 that crosses it is acknowledged and ended. `failed` follows.
   */
  cancel(): void {
    this.#giveUp('cancelled')
  }

  #giveUp(cause: FailureCause): void {
    if (this.#state !== 'calling') return
    this.#state = 'cancelling'
    this.#cancelCause = cause
    this.#timers.stopAll()
    this.#cancelIfPossible()
  }

  #sendInvite(): InviteClient {
    const { to, from, displayName, sdp, fields } = this.#options
    const name = displayName ? `${quote(displayName)} ` : ''
    const request = composeRequest({
      method: 'INVITE',
      uri: to,
      from: `${name}<${from}>;tag=${this.#localTag}`,
      to: `<${to}>`,
      callId: this.callId,
      cseq: this.#cseq,
      contact: this.#core.contactFor(this.#options.via, to),
      routes: [],
      fields: fields ?? [],
      body: sdp === null ? null : sdpBody(sdp),
    })
    this.#auth?.authorise(request)
    return this.#core.layer.invite(request, this.#options.via, {
      onResponse: (response) => this.#onResponse(request, response),
      onFailure: (why, reason) => this.#onSilence(why, reason),
    })
  }

  #onResponse(request: SipRequest, response: SipResponse): void {
    this.#timers.stop('silence')
    if (!this.#heard) {
      this.#heard = true
      if (this.#state === 'calling') this.#emit({ type: 'trying' })
    }
    if (response.status < 200) this.#onProvisional(response)
    else if (response.status < 300) this.#onAnswer(request, response)
    else if (this.#state !== 'over') this.#onRefusal(response)
  }

  #onProvisional(response: SipResponse): void {
    if (this.#state === 'cancelling') return this.#cancelIfPossible()
    if (this.#state !== 'calling' || response.status === 100) return
    this.#emit({ type: 'progress', sipCode: response.status, sdp: sdpOf(response) })
  }

  #onAnswer(request: SipRequest, response: SipResponse): void {
    const tag = tagOf(response.headers.get('to') ?? '')
    const known = this.#branches.get(tag)
    if (known) return known.onRepeatedAnswer()
    if (this.#branches.size >= MAX_FORKS) return
    const wanted = this.#state === 'calling'
    const dialog = Dialog.ofCaller(response, this.#options.via)
    const session = new Session(this.#core, dialog, this.#auth, (event) => {
      if (wanted) this.#emit(event)
    })
    this.#branches.set(tag, session)
    session.acknowledge(cseqOf(request).number, credentialsOf(request))
    if (!wanted) {
      session.bye()
      if (this.#state === 'cancelling') this.#fail(this.#cancelCause, response)
      return
    }
    this.#timers.stopAll()
    this.#state = 'established'
    this.#session = session
    this.#onOver()
    this.#emit({ type: 'answered', sdp: sdpOf(response), dialog: dialog.toRecord(null) })
  }

  #onRefusal(response: SipResponse): void {
    const challenged = response.status === 401 || response.status === 407
    if (
      challenged &&
      this.#state === 'calling' &&
      this.#attempts < MAX_CHALLENGES &&
      this.#auth?.learn(response)
    ) {
      this.#attempts++
      this.#cseq++
      this.#invite = this.#sendInvite()
      return
    }
    this.#fail(this.#state === 'cancelling' ? this.#cancelCause : 'refused', response)
  }

  #onSilence(why: 'timeout' | 'transport', text: string | null): void {
    if (this.#state === 'over' || this.#state === 'established') return
    this.#core.abandon(this.callId, this.#localTag)
    this.#fail(this.#state === 'cancelling' ? this.#cancelCause : why, null, text)
  }

  #cancelIfPossible(): void {
    if (this.#cancelSent || !this.#invite.cancellable) return
    this.#cancelSent = true
    const { request } = this.#invite
    const { headers } = request
    const cancel = composeRequest({
      method: 'CANCEL',
      uri: request.uri,
      from: headers.get('from')!,
      to: headers.get('to')!,
      callId: this.callId,
      cseq: cseqOf(request).number,
      contact: null,
      routes: headers.all('route'),
      fields: [['reason', formatReason(16, 'Call cancelled')]],
      body: null,
    })
    this.#core.layer.cancel(cancel, this.#invite, { onResponse: () => {}, onFailure: () => {} })
    // Without a final response in 64 T1 the INVITE counts as cancelled (section 9.1).
    this.#timers.start('cancel', lifetimeMs(this.#core.timers), () => {
      this.#invite.abandon()
      this.#core.abandon(this.callId, this.#localTag)
      this.#fail(this.#cancelCause, null)
    })
  }

  #fail(cause: FailureCause, response: SipResponse | null, text: string | null = null): void {
    this.#timers.stopAll()
    this.#state = 'over'
    this.#onOver()
    const reason = response ? parseReason(response.headers.all('reason')) : { ...NO_REASON, text }
    this.#emit({ type: 'failed', cause, sipCode: response?.status ?? null, reason })
  }

  /** The user agent closes: nothing is waited for any more. */
  drop(): void {
    this.#timers.stopAll()
    this.#state = 'over'
    this.#onOver()
  }
}
