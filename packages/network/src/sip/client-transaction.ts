// The client transactions of RFC 3261 section 17.1 as amended by RFC 6026: INVITE, and everything else.
import type { Clock } from '@saperly/kernel'
import { Headers } from './headers.ts'
import { Machine, Timers, lifetimeMs } from './machine.ts'
import type { SipTimers, Table } from './machine.ts'
import { cseqOf, serialise, topVia } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { isReliable } from './hop.ts'
import type { Sending, SendingContext } from './sending.ts'
import type { Hop } from './transport.ts'

/** What a transaction stands on. */
export interface TransactionContext extends SendingContext {
  clock: Clock
  timers: SipTimers
}

/** What its owner hears. After `onFailure` nothing more comes. */
export interface ClientOwner {
  /** Each response worth knowing: provisionals, the final one, and for INVITE every 2xx again and again. */
  onResponse(response: SipResponse): void
  /** No final response in time, or the network refused to send; `reason` says in words why it did. */
  onFailure(why: 'timeout' | 'transport', reason: string | null): void
}

type InviteState = 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated'
type InviteEvent =
  | 'provisional'
  | 'success'
  | 'failure'
  | 'timerA'
  | 'timerB'
  | 'timerD'
  | 'timerM'
  | 'diverted'
  | 'broken'
  | 'abandon'
type InviteAction =
  | 'calm'
  | 'report'
  | 'resend'
  | 'depart'
  | 'acknowledge'
  | 'startD'
  | 'startM'
  | 'timeout'
  | 'fail'
  | 'end'

/**
 * RFC 3261 figure 5 with the `accepted` state of RFC 6026 section 7.2. `diverted`: refused, but there is another way.
 */
export const INVITE_CLIENT: Table<InviteState, InviteEvent, InviteAction> = {
  calling: {
    provisional: ['proceeding', 'calm', 'report'],
    success: ['accepted', 'calm', 'startM', 'report'],
    failure: ['completed', 'calm', 'acknowledge', 'startD', 'report'],
    timerA: ['calling', 'resend'],
    timerB: ['terminated', 'end', 'timeout'],
    timerD: 'impossible',
    timerM: 'impossible',
    diverted: ['calling', 'depart'],
    broken: ['terminated', 'end', 'fail'],
    abandon: ['terminated', 'end'],
  },
  proceeding: {
    provisional: ['proceeding', 'report'],
    success: ['accepted', 'startM', 'report'],
    failure: ['completed', 'acknowledge', 'startD', 'report'],
    timerA: 'impossible',
    timerB: 'impossible',
    timerD: 'impossible',
    timerM: 'impossible',
    diverted: 'ignored',
    broken: 'ignored',
    abandon: ['terminated', 'end'],
  },
  accepted: {
    provisional: 'ignored',
    success: ['accepted', 'report'],
    failure: 'ignored',
    timerA: 'impossible',
    timerB: 'impossible',
    timerD: 'impossible',
    timerM: ['terminated', 'end'],
    diverted: 'ignored',
    broken: 'ignored',
    abandon: ['terminated', 'end'],
  },
  completed: {
    provisional: 'ignored',
    success: 'ignored',
    failure: ['completed', 'acknowledge'],
    timerA: 'impossible',
    timerB: 'impossible',
    timerD: ['terminated', 'end'],
    timerM: 'impossible',
    diverted: 'ignored',
    broken: 'ignored',
    abandon: ['terminated', 'end'],
  },
  terminated: {
    provisional: 'ignored',
    success: 'ignored',
    failure: 'ignored',
    timerA: 'impossible',
    timerB: 'impossible',
    timerD: 'impossible',
    timerM: 'impossible',
    diverted: 'ignored',
    broken: 'ignored',
    abandon: 'ignored',
  },
}

/** What the layer needs of either client transaction. */
export interface ClientTransaction {
  readonly key: string
  receive(response: SipResponse): void
  /** Ends it at once, without a word to its owner. */
  abandon(): void
}

function eventOf(status: number): 'provisional' | 'success' | 'failure' {
  if (status < 200) return 'provisional'
  return status < 300 ? 'success' : 'failure'
}

/** One INVITE until its final response; non-2xx finals are acknowledged here, 2xx by the owner. */
export class InviteClient implements ClientTransaction {
  readonly key: string
  readonly #sending: Sending
  readonly #context: TransactionContext
  readonly #timers: Timers<'A' | 'B' | 'D' | 'M'>
  readonly #machine: Machine<InviteState, InviteEvent, InviteAction>
  #gapMs: number
  #response: SipResponse | null = null
  #refusal: string | null = null

  constructor(
    key: string,
    sending: Sending,
    owner: ClientOwner,
    context: TransactionContext,
    onEnd: () => void,
  ) {
    this.key = key
    this.#sending = sending
    this.#context = context
    this.#timers = new Timers(context.clock)
    this.#gapMs = context.timers.t1Ms
    this.#machine = new Machine(INVITE_CLIENT, 'calling', {
      calm: () => this.#timers.stopAll(),
      report: () => owner.onResponse(this.#response!),
      resend: () => this.#resend(),
      depart: () => this.#depart(),
      acknowledge: () => this.#acknowledge(),
      startD: () => this.#linger('D'),
      startM: () => this.#linger('M'),
      timeout: () => owner.onFailure('timeout', null),
      fail: () => owner.onFailure('transport', this.#refusal),
      end: () => {
        this.#timers.stopAll()
        onEnd()
      },
    })
  }

  /** Sends the request. Called once, after the transaction is registered. */
  start(): void {
    const limitMs = lifetimeMs(this.#context.timers)
    this.#timers.start('B', limitMs, () => this.#machine.step('timerB'))
    this.#depart()
  }

  get request(): SipRequest {
    return this.#sending.request
  }

  /** Where it went, and where its CANCEL and ACK go. */
  get destination(): Hop {
    return this.#sending.hop
  }

  /** Whether a CANCEL may be sent now: a provisional response has come and no final one (section 9.1). */
  get cancellable(): boolean {
    return this.#machine.state === 'proceeding'
  }

  receive(response: SipResponse): void {
    this.#response = response
    this.#machine.step(eventOf(response.status))
  }

  abandon(): void {
    this.#machine.step('abandon')
  }

  #depart(): void {
    this.#transmit()
    if (isReliable(this.destination)) return
    this.#timers.start('A', this.#gapMs, () => this.#machine.step('timerA'))
  }

  #resend(): void {
    this.#transmit()
    this.#gapMs *= 2
    this.#timers.start('A', this.#gapMs, () => this.#machine.step('timerA'))
  }

  #linger(name: 'D' | 'M'): void {
    // Timer D is at least 32 s over UDP whatever T1 is; with shrunken timers it shrinks along.
    const brief = name === 'D' && isReliable(this.destination)
    const delayMs = brief ? 0 : lifetimeMs(this.#context.timers)
    this.#timers.start(name, delayMs, () => this.#machine.step(`timer${name}`))
  }

  #acknowledge(): void {
    // A lost ACK brings the failure again.
    const bytes = serialise(acknowledgement(this.request, this.#response!))
    this.#context.transport.send(bytes, this.destination, () => {})
  }

  #transmit(): void {
    this.#sending.transmit((error) => {
      this.#refusal = error.message
      const diverted = this.#response === null && this.#sending.divert(error)
      this.#machine.step(diverted ? 'diverted' : 'broken')
    })
  }
}

/** ACK of a non-2xx final response: same branch, To of the response (section 17.1.1.3). */
function acknowledgement(invite: SipRequest, response: SipResponse): SipRequest {
  const headers = new Headers()
    .add('via', topVia(invite))
    .add('max-forwards', '70')
    .add('from', invite.headers.get('from')!)
    .add('to', response.headers.get('to')!)
    .add('call-id', invite.headers.get('call-id')!)
    .add('cseq', `${cseqOf(invite).number} ACK`)
  for (const route of invite.headers.all('route')) headers.add('route', route)
  return { kind: 'request', method: 'ACK', uri: invite.uri, headers, body: '' }
}

type PlainState = 'trying' | 'proceeding' | 'completed' | 'terminated'
type PlainEvent =
  | 'provisional'
  | 'final'
  | 'timerE'
  | 'timerF'
  | 'timerK'
  | 'diverted'
  | 'broken'
  | 'abandon'
type PlainAction = 'calm' | 'report' | 'resend' | 'depart' | 'startK' | 'timeout' | 'fail' | 'end'

/** RFC 3261 figure 6. `diverted`: refused, but there is another way. */
export const PLAIN_CLIENT: Table<PlainState, PlainEvent, PlainAction> = {
  trying: {
    provisional: ['proceeding', 'report'],
    final: ['completed', 'calm', 'startK', 'report'],
    timerE: ['trying', 'resend'],
    timerF: ['terminated', 'end', 'timeout'],
    timerK: 'impossible',
    diverted: ['trying', 'depart'],
    broken: ['terminated', 'end', 'fail'],
    abandon: ['terminated', 'end'],
  },
  proceeding: {
    provisional: ['proceeding', 'report'],
    final: ['completed', 'calm', 'startK', 'report'],
    timerE: ['proceeding', 'resend'],
    timerF: ['terminated', 'end', 'timeout'],
    timerK: 'impossible',
    diverted: ['proceeding', 'depart'],
    broken: ['terminated', 'end', 'fail'],
    abandon: ['terminated', 'end'],
  },
  completed: {
    provisional: 'ignored',
    final: 'ignored',
    timerE: 'impossible',
    timerF: 'impossible',
    timerK: ['terminated', 'end'],
    diverted: 'ignored',
    broken: 'ignored',
    abandon: ['terminated', 'end'],
  },
  terminated: {
    provisional: 'ignored',
    final: 'ignored',
    timerE: 'impossible',
    timerF: 'impossible',
    timerK: 'impossible',
    diverted: 'ignored',
    broken: 'ignored',
    abandon: 'ignored',
  },
}

/** One request other than INVITE and ACK. */
export class PlainClient implements ClientTransaction {
  readonly key: string
  readonly #sending: Sending
  readonly #context: TransactionContext
  readonly #timers: Timers<'E' | 'F' | 'K'>
  readonly #machine: Machine<PlainState, PlainEvent, PlainAction>
  #gapMs: number
  #response: SipResponse | null = null
  #refusal: string | null = null

  constructor(
    key: string,
    sending: Sending,
    owner: ClientOwner,
    context: TransactionContext,
    onEnd: () => void,
  ) {
    this.key = key
    this.#sending = sending
    this.#context = context
    this.#timers = new Timers(context.clock)
    this.#gapMs = context.timers.t1Ms
    this.#machine = new Machine(PLAIN_CLIENT, 'trying', {
      calm: () => this.#timers.stopAll(),
      report: () => owner.onResponse(this.#response!),
      resend: () => this.#resend(),
      depart: () => this.#depart(),
      startK: () => this.#linger(),
      timeout: () => owner.onFailure('timeout', null),
      fail: () => owner.onFailure('transport', this.#refusal),
      end: () => {
        this.#timers.stopAll()
        onEnd()
      },
    })
  }

  /** Sends the request. Called once, after the transaction is registered. */
  start(): void {
    const limitMs = lifetimeMs(this.#context.timers)
    this.#timers.start('F', limitMs, () => this.#machine.step('timerF'))
    this.#depart()
  }

  /** Still without a final response. */
  get pending(): boolean {
    return this.#machine.state === 'trying' || this.#machine.state === 'proceeding'
  }

  receive(response: SipResponse): void {
    this.#response = response
    this.#machine.step(response.status < 200 ? 'provisional' : 'final')
  }

  abandon(): void {
    this.#machine.step('abandon')
  }

  #depart(): void {
    this.#transmit()
    if (isReliable(this.#sending.hop)) return
    this.#timers.start('E', this.#gapMs, () => this.#machine.step('timerE'))
  }

  #resend(): void {
    this.#transmit()
    const { t2Ms } = this.#context.timers
    this.#gapMs = this.#machine.state === 'proceeding' ? t2Ms : Math.min(this.#gapMs * 2, t2Ms)
    this.#timers.start('E', this.#gapMs, () => this.#machine.step('timerE'))
  }

  #linger(): void {
    const delayMs = isReliable(this.#sending.hop) ? 0 : this.#context.timers.t4Ms
    this.#timers.start('K', delayMs, () => this.#machine.step('timerK'))
  }

  #transmit(): void {
    this.#sending.transmit((error) => {
      this.#refusal = error.message
      const diverted = this.#response === null && this.#sending.divert(error)
      this.#machine.step(diverted ? 'diverted' : 'broken')
    })
  }
}
