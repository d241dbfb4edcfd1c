// A customer's own brain: asked on its socket, else by the connection's webhook, else by the number's.
import type { Directive, ManualEvent } from '@saperly/contract'
import { forbidden, type CallControl } from './control.ts'
import type { Desk } from './desk.ts'
import { type ManualWebhook, WebhookFailed } from './manual-webhook.ts'
import { type Brain, type BrainCall, BrainLost } from './port.ts'
import { type Seat, SeatLost } from './seat.ts'

export interface ManualRoutes {
  /** The desk of the connection while it has a socket or may get one back, else null. Asked whenever it matters. */
  findDesk: () => Promise<Desk | null>
  /** In the order in which they are tried. */
  webhooks: readonly ManualWebhook[]
  control: CallControl
}

/**
 * Stays with the socket while there is one (or may come back within its grace time), then with the first webhook that
 * works. A webhook that failed is not asked again in this call; when the last one has, a socket that has come since is.
 */
export class ManualBrain implements Brain {
  readonly #call: BrainCall
  readonly #routes: ManualRoutes
  readonly #webhooks: ManualWebhook[]
  #seat: Seat | null = null
  #closed = false

  /** `desk`: where it sits down first, if there is one. */
  constructor(call: BrainCall, routes: ManualRoutes, desk: Desk | null) {
    this.#call = call
    this.#routes = routes
    this.#webhooks = [...routes.webhooks]
    if (desk) this.#sitDown(desk)
  }

  get kind(): 'manual_socket' | 'manual_webhook' {
    return this.#seat ? 'manual_socket' : 'manual_webhook'
  }

  async *ask(event: ManualEvent, signal: AbortSignal): AsyncGenerator<Directive, void, undefined> {
    if (this.#seat && (yield* this.#askSocket(this.#seat, event, signal))) return
    for (let webhook = this.#webhooks[0]; webhook; webhook = this.#webhooks[0]) {
      if (yield* this.#askWebhook(webhook, event, signal)) return
    }
    const desk = await this.#routes.findDesk()
    const seat = desk && !this.#closed ? this.#sitDown(desk) : null
    if (seat && (yield* this.#askSocket(seat, event, signal))) return
    throw new BrainLost('no socket and no webhook of the connection answers')
  }

  tell(event: ManualEvent): void {
    if (!this.#seat?.tell(event)) this.#webhooks[0]?.tell(event)
  }

  async close(): Promise<void> {
    this.#closed = true
    // What a brain that was away at the end could not be told goes to its webhook, `call_ended` above all.
    for (const event of this.#seat?.leave() ?? []) this.#webhooks[0]?.tell(event)
    this.#seat = null
    await Promise.all(this.#routes.webhooks.map((webhook) => webhook.close()))
  }

  async *#askSocket(
    seat: Seat,
    event: ManualEvent,
    signal: AbortSignal,
  ): AsyncGenerator<Directive, boolean, undefined> {
    try {
      yield* seat.ask(event, signal)
      return true
    } catch (error) {
      if (error instanceof SeatLost) return false
      throw error
    }
  }

  async *#askWebhook(
    webhook: ManualWebhook,
    event: ManualEvent,
    signal: AbortSignal,
  ): AsyncGenerator<Directive, boolean, undefined> {
    try {
      yield* webhook.ask(event, signal)
      return true
    } catch (error) {
      if (!(error instanceof WebhookFailed)) throw error
      if (this.#webhooks[0] === webhook) this.#webhooks.shift()
      return false
    }
  }

  #sitDown(desk: Desk): Seat {
    const { callId, from, to, direction, onDirective } = this.#call
    const seat = desk.seat({
      callId,
      from,
      to,
      direction,
      onDirective,
      forbidden: (directive) => forbidden(directive, this.#routes.control),
      onLost: (untold) => {
        this.#seat = null
        for (const event of untold) this.#webhooks[0]?.tell(event)
      },
    })
    this.#seat = seat
    return seat
  }
}
