// What the calls of one user agent share: the transaction layer, the table of dialogs, and the identity.
import type { Clock, Random } from '@saperly/kernel'
import { assert } from '@saperly/kernel'
import type { SipTimers } from './machine.ts'
import type { PlainServer, InviteServer } from './server-transaction.ts'
import type { TransactionLayer } from './transaction.ts'
import type { Hop, Transport } from './transport.ts'
import { sipUri } from './uri.ts'
import type { Dialog } from './dialog.ts'
import { Reach } from './reach.ts'
import type { Resolver } from './resolver.ts'
import type { SipRequest, SipResponse } from './message.ts'
import type { TimerTerms } from './session-timer.ts'

/** Whoever answers for one dialog. */
export interface DialogUser {
  onRequest(transaction: PlainServer | InviteServer): void
  onAck(request: SipRequest): void
  /** The peer takes an INVITE back that hasn't been answered. */
  onCancel(request: SipRequest): void
  /** A 2xx of the INVITE came again although its transaction is over. */
  onRepeatedAnswer(response: SipResponse): void
  /** The user agent closes: hang up. */
  shutDown(): void
  /** The grace time is over: stop every timer and forget the dialog. */
  drop(): void
}

/** Calls given up while their INVITE might still be answered; beyond the bound the oldest is forgotten. */
const MAX_ABANDONED = 4096

export class Core {
  readonly clock: Clock
  readonly random: Random
  readonly timers: SipTimers
  readonly transport: Transport
  /** What calls of this user agent ask for by way of session timers. */
  readonly sessionTimer: TimerTerms
  readonly layer: TransactionLayer
  readonly #user: string
  readonly #reach: Reach
  readonly #dialogs = new Map<string, DialogUser>()
  readonly #abandoned = new Set<string>()

  constructor(options: {
    clock: Clock
    random: Random
    timers: SipTimers
    sessionTimer: TimerTerms
    transport: Transport
    /** User part of our Contact. */
    user: string
    layer: TransactionLayer
    /** For hosts of routes and targets that are names; null: they stand for where the peer was. */
    resolver: Resolver | null
  }) {
    this.clock = options.clock
    this.random = options.random
    this.timers = options.timers
    this.sessionTimer = options.sessionTimer
    this.transport = options.transport
    this.#user = options.user
    this.layer = options.layer
    this.#reach = new Reach(options.transport, options.resolver)
  }

  /** Our Contact URI for a peer at that hop; `sips` where the Request-URI is (RFC 3261 section 8.1.1.8). */
  contactFor({ protocol }: Hop, requestUri = '', user: string = this.#user): string {
    const { address, port } = this.layer.sentBy(protocol)
    const params = protocol === 'UDP' ? '' : `;transport=${protocol.toLowerCase()}`
    const uri = sipUri(user, address, port)
    return /^sips:/i.test(requestUri) ? uri.replace(/^sip:/, 'sips:') : `${uri}${params}`
  }

  /** Calls `use` with the hop that the dialog's next request takes; later, where a name has to be resolved first. */
  reach(dialog: Dialog, use: (hop: Hop) => void): void {
    this.#reach.to(dialog, use)
  }

  /** The same for a URI that somebody at `from` has named. */
  reachUri(uri: string, from: Hop, use: (hop: Hop) => void): void {
    this.#reach.toUri(uri, from, use)
  }

  /** Requests may wait for names that are being resolved. */
  get resolving(): boolean {
    return this.#reach.resolving > 0
  }

  /** Ends every transaction, and whatever waits for a name. */
  close(): void {
    this.#reach.close()
    this.layer.close()
  }

  get dialogs(): number {
    return this.#dialogs.size
  }

  find(key: string): DialogUser | undefined {
    return this.#dialogs.get(key)
  }

  users(): DialogUser[] {
    return [...this.#dialogs.values()]
  }

  register(key: string, user: DialogUser): void {
    assert(!this.#dialogs.has(key), 'a dialog is registered once')
    this.#dialogs.set(key, user)
  }

  /** Hands a dialog from the call that made it to the session that lives in it. */
  replace(key: string, user: DialogUser): void {
    this.#dialogs.set(key, user)
  }

  unregister(key: string): void {
    this.#dialogs.delete(key)
  }

  /** Remembers that a late 2xx of this call has to be acknowledged and ended. */
  abandon(callId: string, localTag: string): void {
    this.#abandoned.add(`${callId} ${localTag}`)
    if (this.#abandoned.size <= MAX_ABANDONED) return
    for (const oldest of this.#abandoned) {
      this.#abandoned.delete(oldest)
      break
    }
  }

  wasAbandoned(callId: string, localTag: string): boolean {
    return this.#abandoned.has(`${callId} ${localTag}`)
  }
}
