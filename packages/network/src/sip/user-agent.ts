// A SIP user agent: many calls, both ways, over one transport.
//
//   const transport = await openUdp({ address: '127.0.0.1', port: 0 })
//   const ua = new UserAgent({ transport, clock, random, log,
//     onCall(call) {                                   // 100 has been sent
//       call.listen((event) => { … })                  // 'confirmed' | 'reoffer' | 'referRequested' | 'ended' | 'cancelled' …
//       call.ring(); call.answer(sdp)                  // or call.reject(486); call.sdp is the offer
//     } })
//   const call = ua.call({ to: 'sip:+15555550123@127.0.0.1:5070', via: udpHop({ address: '127.0.0.1', port: 5070 }),
//     from: 'sip:+15555550100@127.0.0.1', sdp }, (event) => { … })   // 'progress' | 'answered' | 'failed' | 'ended' …
//   call.hangUp()                                      // CANCEL or BYE, whichever it takes; idempotent
//   call.session?.refer(uri) · .reinvite(sdp) · .update(sdp) · .info(body)
//   await ua.close()                                   // hangs up, then gives back transport, transactions and timers
//
// Events are the union in call-event.ts. A `reoffer` must be answered or refused. `sdp.ts` writes and reads bodies.
import { randomHex } from '@saperly/kernel'
import type { Clock, Log, Random } from '@saperly/kernel'
import type { DialogRecord } from '../port.ts'
import type { CallEvent } from './call-event.ts'
import { METHODS, composeResponse, unsupportedBy } from './compose.ts'
import type { Field, ResponseParts } from './compose.ts'
import { Core } from './core.ts'
import { Dialog, dialogKey } from './dialog.ts'
import { DigestClient } from './digest.ts'
import type { Credentials } from './digest.ts'
import { tagOf } from './header.ts'
import { IncomingCall } from './incoming-call.ts'
import { SIP_TIMERS } from './machine.ts'
import type { SipTimers } from './machine.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { askOutside } from './outside-request.ts'
import type { OutsideRequest } from './outside-request.ts'
import { OutgoingCall } from './outgoing-call.ts'
import type { CallOptions } from './outgoing-call.ts'
import type { InviteServer, PlainServer } from './server-transaction.ts'
import { contentFault, uriFault } from './refuse.ts'
import type { Resolver } from './resolver.ts'
import { Session } from './session.ts'
import { SESSION_TIMER, timerRefusal } from './session-timer.ts'
import type { TimerTerms } from './session-timer.ts'
import { TransactionLayer } from './transaction.ts'
import type { Endpoint, Hop, Protocol, Transport } from './transport.ts'

export interface UserAgentOptions {
  transport: Transport
  clock: Clock
  random: Random
  log: Log
  timers?: SipTimers
  /** For routes and targets that are host names; without it they stand for where the peer was. */
  resolver?: Resolver
  /** Which session timers calls ask for and take (RFC 4028); 1800 s and 90 s by default. */
  sessionTimer?: TimerTerms
  /** User part of our Contact. */
  user?: string
  /** What peers are told instead of the transport's own address (NAT). */
  publicAddress?: string | null
  /** Requests from other sources are dropped without an answer; by default everybody is heard. */
  admits?: (source: Hop) => boolean
  /** Whether a call that would be taken is refused after all, and how: a challenge, for one. Null lets it in. */
  guard?: (request: SipRequest, source: Hop) => Refusal | null
  /** What a caller's challenges inside its call are answered with; by default they are not. */
  credentialsFor?: (invite: SipRequest, source: Hop) => Credentials | null
  /** A call reaches us; without it every call is refused with 480. */
  onCall?: (call: IncomingCall) => void
}

/** A final response of 300-699, with its header fields. */
export interface Refusal {
  status: number
  fields: readonly Field[]
}

/** How long `close` waits for BYEs and CANCELs to be answered, milliseconds. */
export const CLOSE_GRACE_MS = 2_000
const CLOSE_POLL_MS = 20

/** Methods that exist, ours and others': 405 instead of 501. */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  ...METHODS,
  'PRACK',
  'MESSAGE',
  'SUBSCRIBE',
  'PUBLISH',
  'REGISTER',
])

export class UserAgent {
  readonly #options: UserAgentOptions
  readonly #core: Core
  readonly #incoming = new WeakMap<InviteServer, IncomingCall>()
  readonly #outgoing = new Set<OutgoingCall>()
  #closing: Promise<void> | null = null

  constructor(options: UserAgentOptions) {
    this.#options = options
    const { transport, clock, random, log } = options
    const timers = options.timers ?? SIP_TIMERS
    const sentBy = (protocol: Protocol): Endpoint => {
      const { address, port } = transport.at(protocol) ?? transport.local
      return { address: options.publicAddress ?? address, port }
    }
    const layer = new TransactionLayer({ transport, clock, timers, sentBy }, random, log, {
      knows: (method) => KNOWN_METHODS.has(method),
      admits: (request, source) => this.#admits(request, source),
      onInvite: (transaction) => this.#onInvite(transaction),
      onRequest: (transaction) => this.#onRequest(transaction),
      onCancel: (transaction, invite) => this.#onCancel(transaction, invite),
      onAck: (request) => this.#core.find(keyOf(request))?.onAck(request),
      onStray: (response, source) => this.#onStray(response, source),
    })
    const { user = 'saperly', resolver = null, sessionTimer = SESSION_TIMER } = options
    const shared = { clock, random, timers, sessionTimer, transport, layer }
    this.#core = new Core({ ...shared, user, resolver })
  }

  /** Where we are reached. */
  get address(): Endpoint {
    return this.#options.transport.local
  }

  /** Live transactions, lingering ones included. */
  get transactions(): number {
    return this.#core.layer.size
  }

  /** Live dialogs, early ones of callers and those whose BYE is under way included. */
  get dialogs(): number {
    return this.#core.dialogs
  }

  /** Messages that could not be read so far. */
  get malformed(): number {
    return this.#core.layer.malformed
  }

  /** Places a call. Events may come before this returns only for errors of sending; otherwise later. */
  call(options: CallOptions, onEvent: (event: CallEvent) => void): OutgoingCall {
    const call: OutgoingCall = new OutgoingCall(this.#core, options, onEvent, () =>
      this.#outgoing.delete(call),
    )
    this.#outgoing.add(call)
    return call
  }

  /** Ends a dialog of another process by its record; `onDone` hears the final code, null for none. */
  sendBye(
    record: DialogRecord,
    credentials: Credentials | null,
    onDone: (sipCode: number | null) => void,
  ): void {
    const dialog = Dialog.ofRecord(record)
    if (!dialog || this.#core.find(dialog.key)) return onDone(null)
    const auth = credentials && new DigestClient(credentials, this.#core.random)
    this.#sessionToEnd(dialog, auth).bye(undefined, onDone)
  }

  /** Asks a peer whether it is alive; any final response is its code, null for silence. */
  options(uri: string, via: Hop, onDone: (sipCode: number | null) => void): void {
    const contact = this.#core.contactFor(via, uri)
    const request = {
      method: 'OPTIONS',
      uri,
      from: contact,
      to: uri,
      via,
      contact,
      auth: null,
      callId: `${randomHex(this.#core.random, 12)}@${this.address.address}`,
      nextCSeq: () => 1,
      fields: [['accept', 'application/sdp']] as const,
    }
    askOutside(this.#core, request, (response) => onDone(response?.status ?? null))
  }

  /** Sends a request outside of any dialog; `onDone` hears its final response once, null for silence. */
  ask(request: OutsideRequest, onDone: (response: SipResponse | null) => void): void {
    askOutside(this.#core, request, onDone)
  }

  /** Our Contact URI for a peer at that hop, with `user` for its user part. */
  contactFor(via: Hop, user: string): string {
    return this.#core.contactFor(via, '', user)
  }

  /** Hangs up every call, waits a moment for the answers, and gives everything back. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const call of this.#outgoing) call.cancel()
    for (const user of this.#core.users()) user.shutDown()
    const { clock } = this.#core
    const untilMs = clock.monotonicMs() + CLOSE_GRACE_MS
    const never = new AbortController().signal
    // A dialog is there until its BYE is answered, which may have to wait for an ACK first.
    const settling = (): boolean =>
      this.#core.dialogs > 0 ||
      this.#core.layer.waiting ||
      this.#core.resolving ||
      [...this.#outgoing].some((call) => call.settling)
    while (settling() && clock.monotonicMs() < untilMs) {
      await clock.sleep(CLOSE_POLL_MS, never)
    }
    for (const call of this.#outgoing) call.drop()
    for (const user of this.#core.users()) user.drop()
    this.#core.close()
    await this.#options.transport.close()
  }

  #admits(request: SipRequest, source: Hop): boolean {
    if (this.#options.admits === undefined || this.#options.admits(source)) return true
    return this.#core.find(keyOf(request)) !== undefined
  }

  #onInvite(transaction: InviteServer): void {
    const { request } = transaction
    if (hasToTag(request)) return this.#inDialog(transaction)
    const fault = this.#faultOf(request) ?? contentFault(request)
    if (fault !== null) return this.#refuse(transaction, fault)
    const refusal = this.#options.guard?.(request, transaction.source)
    if (refusal) return this.#reply(transaction, refusal.status, { fields: refusal.fields })
    const fields = timerRefusal(request, this.#core.sessionTimer)
    if (fields) return this.#reply(transaction, 422, { fields })
    const { onCall } = this.#options
    if (!onCall || this.#closing) return this.#reply(transaction, 480)
    const credentials = this.#options.credentialsFor?.(request, transaction.source) ?? null
    const call = new IncomingCall(this.#core, transaction, credentials)
    this.#incoming.set(transaction, call)
    onCall(call)
  }

  #onRequest(transaction: PlainServer): void {
    const { request } = transaction
    if (hasToTag(request)) return this.#inDialog(transaction)
    if (!KNOWN_METHODS.has(request.method)) return this.#reply(transaction, 501)
    const fault = this.#faultOf(request)
    if (fault !== null) return this.#refuse(transaction, fault)
    if (request.method === 'OPTIONS') {
      const contact = this.#core.contactFor(transaction.source, request.uri)
      const fields = [['accept', 'application/sdp']] as const
      return this.#reply(transaction, 200, { contact, fields })
    }
    this.#reply(transaction, this.#outsideCode(request.method))
  }

  /** Answers a request that makes no dialog; every final response has a To tag (section 8.2.6.2). */
  #reply(transaction: InviteServer | PlainServer, status: number, parts: ResponseParts = {}): void {
    const toTag = randomHex(this.#core.random, 8)
    transaction.respond(composeResponse(transaction.request, status, { toTag, ...parts }))
  }

  /** Why a request outside of a dialog can't be looked at, whatever its method (section 8.2.2); null when it can. */
  #faultOf(request: SipRequest): 400 | 416 | 420 | null {
    return uriFault(request.uri) ?? (unsupportedBy(request).length > 0 ? 420 : null)
  }

  #refuse(transaction: InviteServer | PlainServer, status: number): void {
    const unsupported = unsupportedBy(transaction.request).join(', ')
    const fields: Field[] = []
    if (status === 420) fields.push(['unsupported', unsupported])
    if (status === 415) fields.push(['accept', 'application/sdp'])
    this.#reply(transaction, status, { fields })
  }

  /** Why a request of a known method is of no use outside of a dialog. */
  #outsideCode(method: string): number {
    const inside = ['BYE', 'NOTIFY', 'UPDATE', 'INFO', 'PRACK']
    return inside.includes(method) ? 481 : 405
  }

  #inDialog(transaction: InviteServer | PlainServer): void {
    const { request } = transaction
    const user = this.#core.find(keyOf(request))
    if (user) return user.onRequest(transaction)
    this.#reply(transaction, KNOWN_METHODS.has(request.method) ? 481 : 501)
  }

  #onCancel(transaction: PlainServer, invite: InviteServer | null): void {
    const { request } = transaction
    const call = invite && this.#incoming.get(invite)
    this.#reply(transaction, invite ? 200 : 481, call ? { toTag: call.localTag } : {})
    if (call) call.onCancel(request)
    else if (invite) this.#core.find(keyOf(request))?.onCancel(request)
  }

  /** A 2xx without a transaction: repeated in a live dialog, or the late answer of a call that was given up. */
  #onStray(response: SipResponse, source: Hop): void {
    const callId = response.headers.get('call-id')!
    const localTag = tagOf(response.headers.get('from')!)
    const key = dialogKey(callId, localTag, tagOf(response.headers.get('to')!))
    const user = this.#core.find(key)
    if (user) return user.onRepeatedAnswer(response)
    if (!this.#core.wasAbandoned(callId, localTag)) return
    const session = this.#sessionToEnd(Dialog.ofCaller(response, source), null)
    session.client.acknowledgeLate(response)
    session.bye()
  }

  /** The session of a dialog that has no other owner any more, only to be ended. */
  #sessionToEnd(dialog: Dialog, auth: DigestClient | null): Session {
    const session = new Session(this.#core, dialog, {
      auth,
      emit: () => {},
      side: 'caller',
      timer: this.#core.sessionTimer,
      offer: null,
    })
    session.establish()
    return session
  }
}

function hasToTag(request: SipRequest): boolean {
  return tagOf(request.headers.get('to')!) !== ''
}

/** The dialog that a request of the peer belongs to. */
function keyOf(request: SipRequest): string {
  const { headers } = request
  return dialogKey(headers.get('call-id')!, tagOf(headers.get('to')!), tagOf(headers.get('from')!))
}
