// What the calls of one user agent share: the transaction layer, the table of dialogs, and the identity.
import type { Clock, Random } from '@saperly/kernel'
import { assert } from '@saperly/kernel'
import type { SipTimers } from './machine.ts'
import type { PlainServer, InviteServer } from './server-transaction.ts'
import type { TransactionLayer } from './transaction.ts'
import type { Transport } from './transport.ts'
import type { SipRequest } from './message.ts'

/** Whoever answers for one dialog. */
export interface DialogUser {
  onRequest(transaction: PlainServer | InviteServer): void
  onAck(request: SipRequest): void
  /** The peer takes an INVITE back that hasn't been answered. */
  onCancel(request: SipRequest): void
  /** A 2xx of the INVITE came again although its transaction is over. */
  onRepeatedAnswer(): void
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
  /** Our Contact URI. */
  readonly contact: string
  readonly layer: TransactionLayer
  readonly #dialogs = new Map<string, DialogUser>()
  readonly #abandoned = new Set<string>()

  constructor(options: {
    clock: Clock
    random: Random
    timers: SipTimers
    transport: Transport
    contact: string
    layer: TransactionLayer
  }) {
    this.clock = options.clock
    this.random = options.random
    this.timers = options.timers
    this.transport = options.transport
    this.contact = options.contact
    this.layer = options.layer
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
