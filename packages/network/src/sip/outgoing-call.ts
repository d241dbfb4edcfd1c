// A call that we place: INVITE with its challenges, forks, CANCEL and their races, up to the established session.
import { randomHex } from '@saperly/kernel'
import { Branches } from './branches.ts'
import type { CallEvent, FailureCause } from './call-event.ts'
import { NO_REASON } from './call-event.ts'
import type { InviteClient } from './client-transaction.ts'
import { composeRequest, sdpBody } from './compose.ts'
import type { Field } from './compose.ts'
import type { Core } from './core.ts'
import { DigestClient, MAX_CHALLENGES } from './digest.ts'
import type { Credentials } from './digest.ts'
import { formatReason, parseReason } from './header.ts'
import { Timers, lifetimeMs } from './machine.ts'
import { cseqOf } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { quote } from './quoting.ts'
import { Redirects } from './redirects.ts'
import type { RedirectPolicy } from './redirects.ts'
import type { Session } from './session.ts'
import { askForTimer, raiseTerms } from './session-timer.ts'
import type { TimerTerms } from './session-timer.ts'
import type { Hop } from './transport.ts'

export interface CallOptions {
  /** Request-URI and To, e.g. `sip:+15555550123@192.0.2.1:5060`. */
  to: string
  /** Where the INVITE is sent. */
  via: Hop
  /** From URI. */
  from: string
  displayName?: string | null
  /** Our offer; null waits for the callee's, which `answered` brings. */
  sdp: string | null
  credentials?: Credentials | null
  /** Which targets of a 3xx are called; by default none, so that a 3xx is a refusal. */
  redirects?: RedirectPolicy
  /** More header fields: lower-case full names. */
  fields?: readonly Field[]
  /** `silent` is reported when nothing has come for so long, milliseconds; null: never. */
  silenceMs?: number | null
  /** The call is cancelled when it rings for longer, milliseconds. */
  limitMs?: number
}

/** Longest a call may ring when its owner sets no limit, milliseconds. */
export const DEFAULT_LIMIT_MS = 180_000
/** How often one INVITE follows a 422 to a longer interval. */
const MAX_TIMER_TRIES = 2

type State = 'calling' | 'cancelling' | 'established' | 'over'

export class OutgoingCall {
  readonly callId: string
  readonly #core: Core
  readonly #options: CallOptions
  readonly #emit: (event: CallEvent) => void
  readonly #auth: DigestClient | null
  readonly #localTag: string
  readonly #timers: Timers<'silence' | 'limit' | 'cancel'>
  readonly #redirects: Redirects | null
  readonly #onOver: () => void
  #state: State = 'calling'
  #cancelCause: FailureCause = 'cancelled'
  #cancelSent = false
  #heard = false
  #cseq = 1
  #attempts = 0
  #timerTries = 0
  #timer: TimerTerms
  /** Request-URI, and where the INVITE is sent; others after a redirection. */
  #target: string
  #via: Hop
  #branches: Branches
  #invite: InviteClient

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
    this.#redirects = options.redirects ? new Redirects(options.redirects, options.to) : null
    this.#timer = core.sessionTimer
    this.#target = options.to
    this.#via = options.via
    this.#branches = this.#newBranches()
    this.#timers = new Timers(core.clock)
    if (options.silenceMs !== undefined && options.silenceMs !== null) {
      this.#timers.start('silence', options.silenceMs, () => this.#emit({ type: 'silent' }))
    }
    this.#timers.start('limit', options.limitMs ?? DEFAULT_LIMIT_MS, () => this.#giveUp('timeout'))
    this.#invite = this.#sendInvite()
  }

  /** The established session, or null before the answer. */
  get session(): Session | null {
    return this.#branches.winner
  }

  /** A CANCEL is out, and its INVITE still waits for the final response. */
  get settling(): boolean {
    return this.#state === 'cancelling' && this.#cancelSent
  }

  /** Ends the call in whatever phase it is: CANCEL with its races before the answer, BYE after. */
  hangUp(q850?: number): void {
    if (this.session) this.session.bye(q850)
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

  #newBranches(): Branches {
    const parts = {
      core: this.#core,
      auth: this.#auth,
      timer: this.#timer,
      offer: this.#options.sdp,
      emit: (event: CallEvent): void => {
        if (this.#state === 'calling' || this.#state === 'established') this.#emit(event)
      },
    }
    return new Branches(parts, this.#via)
  }

  #sendInvite(): InviteClient {
    const { to, from, displayName, sdp, fields } = this.#options
    const name = displayName ? `${quote(displayName)} ` : ''
    const request = composeRequest({
      method: 'INVITE',
      uri: this.#target,
      from: `${name}<${from}>;tag=${this.#localTag}`,
      to: `<${to}>`,
      callId: this.callId,
      cseq: this.#cseq,
      contact: this.#core.contactFor(this.#via, this.#target),
      routes: [],
      fields: [...askForTimer(this.#timer), ...(fields ?? [])],
      body: sdp === null ? null : sdpBody(sdp),
    })
    this.#auth?.authorise(request)
    return this.#core.layer.invite(request, this.#via, {
      onResponse: (response) => this.#onResponse(request, response),
      onFailure: (why, reason) => this.#onSilence(why, reason),
    })
  }

  /** The same call once more, with another CSeq: other credentials, another interval, another target. */
  #tryAgain(): void {
    this.#branches.close()
    this.#branches = this.#newBranches()
    this.#cseq++
    this.#invite = this.#sendInvite()
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
    const progress = this.#branches.provisional(response)
    if (progress) this.#emit(progress)
  }

  #onAnswer(request: SipRequest, response: SipResponse): void {
    const wanted = this.#state === 'calling'
    const answered = this.#branches.answered(request, response, wanted)
    if (!wanted && this.#state === 'cancelling') return this.#fail(this.#cancelCause, response)
    if (!answered) return
    this.#timers.stopAll()
    this.#state = 'established'
    this.#onOver()
    this.#emit(answered)
  }

  #onRefusal(response: SipResponse): void {
    if (this.#state !== 'calling') return this.#fail(this.#cancelCause, response)
    if (this.#learns(response)) return this.#tryAgain()
    const target = this.#redirection(response)
    if (target === null) return this.#fail('refused', response)
    this.#core.reachUri(target, this.#options.via, (hop) => {
      // Given up while its name was looked up.
      if (this.#state === 'cancelling') return this.#fail(this.#cancelCause, null)
      if (this.#state !== 'calling') return
      this.#target = target
      this.#via = hop
      this.#tryAgain()
    })
  }

  /** Whether the refusal says how to ask better: with credentials, or for a longer interval. */
  #learns(response: SipResponse): boolean {
    const { status } = response
    if (status === 401 || status === 407) {
      return this.#attempts++ < MAX_CHALLENGES && (this.#auth?.learn(response) ?? false)
    }
    const raised = status === 422 ? raiseTerms(this.#timer, response) : null
    if (!raised || this.#timerTries++ >= MAX_TIMER_TRIES) return false
    this.#timer = raised
    return true
  }

  /** Who is to be called next: named by this 3xx, or by one before when this target has failed; null for nobody. */
  #redirection(response: SipResponse): string | null {
    if (!this.#redirects || response.status >= 600) return null
    if (response.status < 400) this.#redirects.add(response)
    return this.#redirects.next()
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
    this.#branches.close()
    this.#state = 'over'
    this.#onOver()
    const reason = response ? parseReason(response.headers.all('reason')) : { ...NO_REASON, text }
    this.#emit({ type: 'failed', cause, sipCode: response?.status ?? null, reason })
  }

  /** The user agent closes: nothing is waited for any more. */
  drop(): void {
    this.#timers.stopAll()
    this.#branches.close()
    this.#state = 'over'
    this.#onOver()
  }
}
