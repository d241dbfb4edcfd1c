// The server transactions of RFC 3261 section 17.2 as amended by RFC 6026: INVITE, and everything else.
import type { TransactionContext } from './client-transaction.ts'
import { Machine, Timers, lifetimeMs } from './machine.ts'
import type { Table } from './machine.ts'
import { serialise } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { isReliable } from './hop.ts'
import type { Hop } from './transport.ts'

type InviteState = 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated'
type InviteEvent =
  | 'invite'
  | 'ack'
  | 'provisional'
  | 'success'
  | 'failure'
  | 'timerG'
  | 'timerH'
  | 'timerI'
  | 'timerL'
  | 'abandon'
type InviteAction = 'send' | 'repeat' | 'startGH' | 'calm' | 'startI' | 'startL' | 'end'

/** RFC 3261 figure 7 with the `accepted` state of RFC 6026 section 7.1. */
export const INVITE_SERVER: Table<InviteState, InviteEvent, InviteAction> = {
  proceeding: {
    invite: ['proceeding', 'repeat'],
    ack: 'ignored',
    provisional: ['proceeding', 'send'],
    success: ['accepted', 'send', 'startL'],
    failure: ['completed', 'send', 'startGH'],
    timerG: 'impossible',
    timerH: 'impossible',
    timerI: 'impossible',
    timerL: 'impossible',
    abandon: ['terminated', 'end'],
  },
  accepted: {
    invite: 'ignored',
    ack: 'ignored',
    provisional: 'ignored',
    success: ['accepted', 'send'],
    failure: 'ignored',
    timerG: 'impossible',
    timerH: 'impossible',
    timerI: 'impossible',
    timerL: ['terminated', 'end'],
    abandon: ['terminated', 'end'],
  },
  completed: {
    invite: ['completed', 'repeat'],
    ack: ['confirmed', 'calm', 'startI'],
    provisional: 'ignored',
    success: 'ignored',
    failure: 'ignored',
    timerG: ['completed', 'repeat'],
    timerH: ['terminated', 'end'],
    timerI: 'impossible',
    timerL: 'impossible',
    abandon: ['terminated', 'end'],
  },
  confirmed: {
    invite: 'ignored',
    ack: 'ignored',
    provisional: 'ignored',
    success: 'ignored',
    failure: 'ignored',
    timerG: 'impossible',
    timerH: 'impossible',
    timerI: ['terminated', 'end'],
    timerL: 'impossible',
    abandon: ['terminated', 'end'],
  },
  terminated: {
    invite: 'ignored',
    ack: 'ignored',
    provisional: 'ignored',
    success: 'ignored',
    failure: 'ignored',
    timerG: 'impossible',
    timerH: 'impossible',
    timerI: 'impossible',
    timerL: 'impossible',
    abandon: 'ignored',
  },
}

/** What the layer and the core need of either server transaction. */
export interface ServerTransaction {
  readonly key: string
  readonly request: SipRequest
  /** Where the request came from. */
  readonly source: Hop
  /** Sends a response; a second final one is ignored, except 2xx of INVITE, which its owner repeats. */
  respond(response: SipResponse): void
  /** The same request again, or the ACK of its failure. */
  receive(request: SipRequest): void
  /** Ends it at once. */
  abandon(): void
}

interface ServerOptions {
  key: string
  request: SipRequest
  source: Hop
  /** Where a response goes now (Via, received, rport, or the connection as long as it lives). */
  replyTo: () => Hop
  context: TransactionContext
  onEnd: () => void
}

/** One INVITE received. A 2xx is repeated by its owner until the ACK; other finals here. */
export class InviteServer implements ServerTransaction {
  readonly key: string
  readonly request: SipRequest
  readonly source: Hop
  readonly #options: ServerOptions
  readonly #timers: Timers<'G' | 'H' | 'I' | 'L'>
  readonly #machine: Machine<InviteState, InviteEvent, InviteAction>
  #bytes: Buffer | null = null
  #gapMs: number

  constructor(options: ServerOptions) {
    this.key = options.key
    this.request = options.request
    this.source = options.source
    this.#options = options
    this.#timers = new Timers(options.context.clock)
    this.#gapMs = options.context.timers.t1Ms
    this.#machine = new Machine(INVITE_SERVER, 'proceeding', {
      send: () => this.#transmit(),
      repeat: () => this.#repeat(),
      startGH: () => this.#startGH(),
      calm: () => this.#timers.stopAll(),
      startI: () => this.#linger('I', options.context.timers.t4Ms),
      startL: () => this.#linger('L', lifetimeMs(options.context.timers)),
      end: () => {
        this.#timers.stopAll()
        options.onEnd()
      },
    })
  }

  /** No final response has been sent yet. */
  get open(): boolean {
    return this.#machine.state === 'proceeding'
  }

  respond(response: SipResponse): void {
    const { state } = this.#machine
    const repeatsSuccess = state === 'accepted' && response.status >= 200 && response.status < 300
    if (state !== 'proceeding' && !repeatsSuccess) return
    this.#bytes = serialise(response)
    if (response.status < 200) this.#machine.step('provisional')
    else this.#machine.step(response.status < 300 ? 'success' : 'failure')
  }

  receive(request: SipRequest): void {
    this.#machine.step(request.method === 'ACK' ? 'ack' : 'invite')
  }

  abandon(): void {
    this.#machine.step('abandon')
  }

  #startGH(): void {
    const { timers } = this.#options.context
    if (!isReliable(this.source)) {
      this.#timers.start('G', this.#gapMs, () => this.#machine.step('timerG'))
    }
    this.#timers.start('H', lifetimeMs(timers), () => this.#machine.step('timerH'))
  }

  #repeat(): void {
    this.#transmit()
    if (this.#machine.state !== 'completed') return
    if (isReliable(this.source)) return
    this.#gapMs = Math.min(this.#gapMs * 2, this.#options.context.timers.t2Ms)
    this.#timers.start('G', this.#gapMs, () => this.#machine.step('timerG'))
  }

  #linger(name: 'I' | 'L', delayMs: number): void {
    const brief = name === 'I' && isReliable(this.source)
    this.#timers.start(name, brief ? 0 : delayMs, () => this.#machine.step(`timer${name}`))
  }

  #transmit(): void {
    // A response that can't be sent is as good as lost: the timers and the peer's retransmissions deal with it.
    if (this.#bytes) {
      this.#options.context.transport.send(this.#bytes, this.#options.replyTo(), () => {})
    }
  }
}

type PlainState = 'trying' | 'proceeding' | 'completed' | 'terminated'
type PlainEvent = 'request' | 'provisional' | 'final' | 'timerJ' | 'abandon'
type PlainAction = 'send' | 'startJ' | 'end'

/** RFC 3261 figure 8. */
export const PLAIN_SERVER: Table<PlainState, PlainEvent, PlainAction> = {
  trying: {
    request: 'ignored',
    provisional: ['proceeding', 'send'],
    final: ['completed', 'send', 'startJ'],
    timerJ: 'impossible',
    abandon: ['terminated', 'end'],
  },
  proceeding: {
    request: ['proceeding', 'send'],
    provisional: ['proceeding', 'send'],
    final: ['completed', 'send', 'startJ'],
    timerJ: 'impossible',
    abandon: ['terminated', 'end'],
  },
  completed: {
    request: ['completed', 'send'],
    provisional: 'ignored',
    final: 'ignored',
    timerJ: ['terminated', 'end'],
    abandon: ['terminated', 'end'],
  },
  terminated: {
    request: 'ignored',
    provisional: 'ignored',
    final: 'ignored',
    timerJ: 'impossible',
    abandon: 'ignored',
  },
}

/** One request received, other than INVITE and ACK. */
export class PlainServer implements ServerTransaction {
  readonly key: string
  readonly request: SipRequest
  readonly source: Hop
  readonly #machine: Machine<PlainState, PlainEvent, PlainAction>
  #bytes: Buffer | null = null

  constructor(options: ServerOptions) {
    this.key = options.key
    this.request = options.request
    this.source = options.source
    const { transport, clock, timers } = options.context
    const timer = new Timers<'J'>(clock)
    this.#machine = new Machine(PLAIN_SERVER, 'trying', {
      send: () => transport.send(this.#bytes!, options.replyTo(), () => {}),
      startJ: () => {
        const delayMs = isReliable(this.source) ? 0 : lifetimeMs(timers)
        timer.start('J', delayMs, () => this.#machine.step('timerJ'))
      },
      end: () => {
        timer.stopAll()
        options.onEnd()
      },
    })
  }

  respond(response: SipResponse): void {
    const { state } = this.#machine
    if (state !== 'trying' && state !== 'proceeding') return
    this.#bytes = serialise(response)
    this.#machine.step(response.status < 200 ? 'provisional' : 'final')
  }

  receive(_request: SipRequest): void {
    this.#machine.step('request')
  }

  abandon(): void {
    this.#machine.step('abandon')
  }
}
