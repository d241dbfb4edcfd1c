// A line of messages between two processes that keeps its order over a bus that loses some: nothing twice, nothing
// missing, nothing overtaken. What was not acknowledged is sent again, also after the bus was away for a while.
import type { Clock, Timer } from '@saperly/kernel'

/** Messages that wait for an acknowledgement; one more, and the channel breaks: the other side has stopped reading. */
export const MAX_UNACKNOWLEDGED = 1_024
/** What is not acknowledged goes out again this often, milliseconds, so many at a time. */
export const RESEND_MS = 500
const RESENT_AT_A_TIME = 64
/** How long an acknowledgement may wait for a message that carries it along. */
const ACKNOWLEDGE_MS = 50

/** As it travels. `seq`: 1, 2, 3 … for messages, 0 for an acknowledgement alone. */
export interface ChannelFrame {
  seq: number
  /** Everything of the other side up to here has come. */
  ack: number
  body: unknown
}

export interface ChannelDeps {
  clock: Clock
  send: (frame: ChannelFrame) => void
  /** In order, each once. */
  onMessage: (body: unknown) => void
  /** It has ended, and not by our `close`. */
  onBroken: () => void
}

export class Channel {
  readonly #deps: ChannelDeps
  readonly #unacknowledged: { seq: number; body: unknown }[] = []
  #sent = 0
  #received = 0
  #resend: Timer | null = null
  #acknowledge: Timer | null = null
  #closed = false

  constructor(deps: ChannelDeps) {
    this.#deps = deps
  }

  post(body: unknown): void {
    if (this.#closed) return
    if (this.#unacknowledged.length >= MAX_UNACKNOWLEDGED) return this.break()
    const message = { seq: ++this.#sent, body }
    this.#unacknowledged.push(message)
    this.#send(message)
    this.#resend ??= this.#deps.clock.schedule(RESEND_MS, () => this.#again())
  }

  /** Lets the other side know that the channel is there; one that has forgotten it says so. */
  ping(): void {
    if (!this.#closed) this.#send({ seq: 0, body: null })
  }

  receive({ seq, ack, body }: ChannelFrame): void {
    if (this.#closed) return
    while (this.#unacknowledged[0] && this.#unacknowledged[0].seq <= ack) {
      this.#unacknowledged.shift()
    }
    if (seq === 0) return
    // A gap is filled by what is sent again, and what came before is only acknowledged once more.
    this.#acknowledge ??= this.#deps.clock.schedule(ACKNOWLEDGE_MS, () =>
      this.#send({ seq: 0, body: null }),
    )
    if (seq !== this.#received + 1) return
    this.#received = seq
    this.#deps.onMessage(body)
  }

  /** Ends it from outside: the other side is gone, or doesn't know of it. */
  break(): void {
    if (this.#closed) return
    this.close()
    this.#deps.onBroken()
  }

  close(): void {
    this.#closed = true
    this.#resend?.cancel()
    this.#acknowledge?.cancel()
    this.#unacknowledged.length = 0
  }

  #again(): void {
    this.#resend = null
    if (this.#unacknowledged.length === 0) return
    for (const message of this.#unacknowledged.slice(0, RESENT_AT_A_TIME)) this.#send(message)
    this.#resend = this.#deps.clock.schedule(RESEND_MS, () => this.#again())
  }

  #send({ seq, body }: { seq: number; body: unknown }): void {
    this.#acknowledge?.cancel()
    this.#acknowledge = null
    this.#deps.send({ seq, ack: this.#received, body })
  }
}
