// A 2xx to an INVITE, sent again and again until its ACK arrives (RFC 3261 section 13.3.1.4).
import { Timers, lifetimeMs } from './machine.ts'
import type { Core } from './core.ts'
import type { SipResponse } from './message.ts'
import type { InviteServer } from './server-transaction.ts'

export class AnswerRepeater {
  /** CSeq of the INVITE, which its ACK repeats. */
  readonly cseq: number
  readonly #core: Core
  readonly #transaction: InviteServer
  readonly #response: SipResponse
  readonly #timers: Timers<'repeat' | 'limit'>
  #gapMs: number

  constructor(
    core: Core,
    transaction: InviteServer,
    cseq: number,
    response: SipResponse,
    onNoAck: () => void,
  ) {
    this.cseq = cseq
    this.#core = core
    this.#transaction = transaction
    this.#response = response
    this.#timers = new Timers(core.clock)
    this.#gapMs = core.timers.t1Ms
    transaction.respond(response)
    this.#arm()
    this.#timers.start('limit', lifetimeMs(core.timers), () => {
      this.stop()
      onNoAck()
    })
  }

  /** The ACK has come, or nobody waits for it any more. */
  stop(): void {
    this.#timers.stopAll()
  }

  #arm(): void {
    this.#timers.start('repeat', this.#gapMs, () => {
      this.#transaction.respond(this.#response)
      this.#gapMs = Math.min(this.#gapMs * 2, this.#core.timers.t2Ms)
      this.#arm()
    })
  }
}
