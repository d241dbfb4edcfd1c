// Requests of ours inside one dialog: challenges are answered, and ACKs kept for 2xx that come again (RFC 3261 12.2.1).
import type { Field } from './compose.ts'
import { sdpBody } from './compose.ts'
import type { Core } from './core.ts'
import type { Dialog, InDialog } from './dialog.ts'
import { MAX_CHALLENGES } from './digest.ts'
import type { DigestClient } from './digest.ts'
import type { Hop } from './hop.ts'
import { Timers, lifetimeMs } from './machine.ts'
import { cseqOf, serialise } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'

/** ACKs kept for repetitions of their 2xx; older ones are forgotten. */
const MAX_ACKS = 8
/** Methods whose requests carry our Contact: they refresh the target, or ask for requests to come. */
const WITH_CONTACT: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'REFER', 'NOTIFY'])

/** The final response, or null when none came. */
export type OnFinal = (response: SipResponse | null) => void

export class DialogClient {
  readonly #core: Core
  readonly #dialog: Dialog
  readonly #auth: DigestClient | null
  readonly #onChanged: () => void
  readonly #timers: Timers<'invite'>
  /** By the CSeq of their INVITE. */
  readonly #acks = new Map<number, { bytes: Buffer; hop: Hop }>()

  /** `onChanged`: what recovery needs of the dialog is another now. */
  constructor(core: Core, dialog: Dialog, auth: DigestClient | null, onChanged: () => void) {
    this.#core = core
    this.#dialog = dialog
    this.#auth = auth
    this.#onChanged = onChanged
    this.#timers = new Timers(core.clock)
  }

  /** Our Contact, as the peer reaches it. */
  get contact(): string {
    return this.#core.contactFor(this.#dialog.remote, this.#dialog.localUri)
  }

  /** Sends a request; challenges are answered, and the 2xx of a re-INVITE has been acknowledged before `onFinal`. */
  send(what: InDialog, onFinal: OnFinal): void {
    const contact = WITH_CONTACT.has(what.method) ? { contact: this.contact } : {}
    this.#attempt({ ...what, ...contact }, onFinal, 0)
  }

  /** Acknowledges the 2xx of an INVITE; the same ACK answers every repetition. `sdp` is an answer that it brings. */
  acknowledge(invite: SipRequest, sdp: string | null): void {
    this.#acknowledge(cseqOf(invite).number, credentialsOf(invite), sdp)
  }

  /** Acknowledges a 2xx whose INVITE is forgotten. */
  acknowledgeLate(response: SipResponse): void {
    this.#acknowledge(cseqOf(response).number, [], null)
  }

  /** A lost ACK brings the 2xx again, and the ACK with it. */
  repeatAck(cseq: number): void {
    const ack = this.#acks.get(cseq)
    if (ack) this.#core.transport.send(ack.bytes, ack.hop, () => {})
  }

  #acknowledge(cseq: number, fields: readonly Field[], sdp: string | null): void {
    const ack = this.#dialog.ack(cseq, fields, sdp === null ? null : sdpBody(sdp))
    this.#core.reach(this.#dialog, (hop) => {
      this.#core.layer.stampAck(ack, hop)
      this.#acks.set(cseq, { bytes: serialise(ack), hop })
      if (this.#acks.size > MAX_ACKS) {
        const [oldest] = this.#acks.keys()
        this.#acks.delete(oldest!)
      }
      this.repeatAck(cseq)
    })
  }

  stop(): void {
    this.#timers.stopAll()
  }

  #attempt(what: InDialog, onFinal: OnFinal, attempt: number): void {
    const request = this.#dialog.request(what)
    this.#auth?.authorise(request)
    const invite = what.method === 'INVITE'
    let settled = false
    const owner = {
      onResponse: (response: SipResponse): void => {
        if (response.status < 200) return
        if (settled) return this.#onRepeated(response)
        settled = true
        if (invite) this.#timers.stop('invite')
        if (invite && response.status < 300) this.#take(request, response)
        const challenged = response.status === 401 || response.status === 407
        if (challenged && attempt < MAX_CHALLENGES && this.#auth?.learn(response)) {
          return this.#attempt(what, onFinal, attempt + 1)
        }
        onFinal(response)
      },
      onFailure: (): void => {
        if (invite) this.#timers.stop('invite')
        onFinal(null)
      },
    }
    this.#core.reach(this.#dialog, (hop) => {
      if (invite) this.#limit(this.#core.layer.invite(request, hop, owner), onFinal)
      else this.#core.layer.request(request, hop, owner)
    })
    if (what.method !== 'BYE') this.#onChanged()
  }

  #onRepeated(response: SipResponse): void {
    const { number, method } = cseqOf(response)
    if (method === 'INVITE') this.repeatAck(number)
  }

  /** A 2xx of our re-INVITE: its Contact may be another (section 12.2.1.2). */
  #take(request: SipRequest, response: SipResponse): void {
    if (this.#dialog.refreshTarget(response)) this.#onChanged()
    this.acknowledge(request, null)
  }

  /** A re-INVITE that only ever rings would block the dialog for good. */
  #limit(transaction: { abandon(): void }, onFinal: OnFinal): void {
    const { timers } = this.#core
    this.#timers.start('invite', lifetimeMs(timers) + timers.t4Ms, () => {
      transaction.abandon()
      onFinal(null)
    })
  }
}

/** An ACK of a 2xx carries the credentials of its INVITE (section 22.3). */
function credentialsOf(request: SipRequest): Field[] {
  return (['authorization', 'proxy-authorization'] as const).flatMap((name) =>
    request.headers.all(name).map((value): Field => [name, value]),
  )
}
