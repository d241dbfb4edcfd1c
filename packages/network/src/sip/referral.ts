// Transfers of one dialog, asked of the peer or by it: REFER, and the NOTIFYs that report on it (RFC 3515).
import { assert } from '@saperly/kernel'
import type { ReferReport, SessionEvent } from './call-event.ts'
import { composeResponse } from './compose.ts'
import type { Field } from './compose.ts'
import type { Core } from './core.ts'
import type { Dialog } from './dialog.ts'
import type { DialogClient, OnFinal } from './dialog-client.ts'
import { parseNameAddr } from './header.ts'
import { cseqOf } from './message.ts'
import { ReferClient } from './refer.ts'
import { referReporter } from './refer-report.ts'
import type { ServerTransaction } from './server-transaction.ts'

export interface ReferralOwner {
  emit(event: SessionEvent): void
  /** Nothing more is to be heard of the transfer that we asked for. */
  onDone(): void
  /** Whether requests may still be sent in the dialog. */
  live(): boolean
}

export class Referral {
  readonly #parts: { core: Core; dialog: Dialog; client: DialogClient }
  readonly #owner: ReferralOwner
  #refer: ReferClient | null = null

  constructor(parts: { core: Core; dialog: Dialog; client: DialogClient }, owner: ReferralOwner) {
    this.#parts = parts
    this.#owner = owner
  }

  /** A transfer that we asked for is not over yet. */
  get pending(): boolean {
    return this.#refer !== null && !this.#refer.done
  }

  /** Asks the peer to call `target` (a SIP URI) instead of us. False while another transfer is under way. */
  ask(target: string, onFinal: OnFinal): boolean {
    if (this.pending) return false
    const { core, dialog, client } = this.#parts
    const refer = new ReferClient(core.clock, {
      onAccepted: () => this.#owner.emit({ type: 'referAccepted' }),
      onProgress: (sipCode) => this.#owner.emit({ type: 'referProgress', sipCode }),
      onDone: (outcome) => {
        this.#owner.emit({ type: 'referDone', outcome })
        this.#owner.onDone()
      },
    })
    this.#refer = refer
    const fields: Field[] = [
      ['refer-to', `<${target}>`],
      ['referred-by', `<${dialog.localUri}>`],
    ]
    client.send({ method: 'REFER', fields }, (response) => {
      refer.answered(response?.status ?? null)
      onFinal(response)
    })
    return true
  }

  /** The peer asks us to call somebody else. */
  onRefer(transaction: ServerTransaction): void {
    const { request } = transaction
    const target = parseNameAddr(request.headers.get('refer-to') ?? '')?.uri
    if (target === undefined) return transaction.respond(composeResponse(request, 400))
    let taken = false
    const accept = (reports = true): ReferReport => {
      assert(!taken, 'a transfer request is taken once')
      taken = true
      const { client } = this.#parts
      transaction.respond(composeResponse(request, 202, { contact: client.contact }))
      if (!reports) return () => {}
      return referReporter(cseqOf(request).number, (notify) => {
        if (this.#owner.live()) client.send(notify, () => {})
      })
    }
    this.#owner.emit({ type: 'referRequested', target, accept })
    if (!taken) transaction.respond(composeResponse(request, 603))
  }

  onNotify(transaction: ServerTransaction): void {
    const { request } = transaction
    const event = (request.headers.get('event') ?? '').split(';')[0]!.trim().toLowerCase()
    if (event !== 'refer') return transaction.respond(composeResponse(request, 489))
    if (!this.#refer) return transaction.respond(composeResponse(request, 481))
    transaction.respond(composeResponse(request, 200))
    this.#refer.notified(request)
  }

  /** The far end hung up: the report may follow. */
  peerGone(): void {
    this.#refer?.peerGone()
  }

  /** Stops following, without a word to its owner. */
  cancel(): void {
    this.#refer?.cancel()
  }
}
