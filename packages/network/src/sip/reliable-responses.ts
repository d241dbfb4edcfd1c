// Provisional responses that a caller insists on having for sure: numbered, repeated until their PRACK (RFC 3262).
import type { Core } from './core.ts'
import { Machine, Timers, lifetimeMs } from './machine.ts'
import type { Table } from './machine.ts'
import { cseqOf } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import type { InviteServer } from './server-transaction.ts'

/** Responses that wait for the PRACK of one before; more are not sent at all. */
const MAX_WAITING = 8
const MAX_FIRST_RSEQ = 2 ** 31 - 1

/** `repeating`: one is out and not acknowledged. */
type State = 'idle' | 'repeating' | 'over'
type Event = 'queue' | 'prack' | 'repeat' | 'limit' | 'stop'
type Action = 'sendNext' | 'sendAgain' | 'taken' | 'giveUp' | 'halt'

export const RELIABLE_TABLE: Table<State, Event, Action> = {
  idle: {
    queue: ['repeating', 'sendNext'],
    prack: 'ignored',
    repeat: 'impossible',
    limit: 'impossible',
    stop: ['over'],
  },
  repeating: {
    queue: 'ignored',
    prack: ['idle', 'halt', 'taken'],
    repeat: ['repeating', 'sendAgain'],
    limit: ['over', 'halt', 'giveUp'],
    stop: ['over', 'halt'],
  },
  over: {
    queue: 'ignored',
    prack: 'ignored',
    repeat: 'impossible',
    limit: 'impossible',
    stop: 'ignored',
  },
}

export class ReliableResponses {
  readonly #core: Core
  readonly #transaction: InviteServer
  readonly #machine: Machine<State, Event, Action>
  readonly #timers: Timers<'repeat' | 'limit'>
  readonly #waiting: SipResponse[] = []
  #current: SipResponse | null = null
  #rseq: number
  #gapMs = 0
  #onAllTaken: (() => void) | null = null

  /** `onUnacknowledged`: no PRACK in 64 T1. */
  constructor(core: Core, transaction: InviteServer, onUnacknowledged: () => void) {
    this.#core = core
    this.#transaction = transaction
    this.#rseq = core.random.int(1, MAX_FIRST_RSEQ)
    this.#timers = new Timers(core.clock)
    this.#machine = new Machine(RELIABLE_TABLE, 'idle', {
      sendNext: () => this.#sendNext(),
      sendAgain: () => this.#sendAgain(),
      taken: () => this.#onTaken(),
      giveUp: onUnacknowledged,
      halt: () => this.#timers.stopAll(),
    })
  }

  /** Sends a 101-199, or lets it wait for the PRACK of the one before (section 3). */
  send(response: SipResponse): void {
    if (this.#waiting.length >= MAX_WAITING) return
    this.#waiting.push(response)
    this.#machine.step('queue')
  }

  /** False when the PRACK is for nothing that is out (481). */
  takes(prack: SipRequest): boolean {
    const invite = cseqOf(this.#transaction.request).number
    const found = /^\s*(\d{1,10})\s+(\d{1,10})\s+INVITE\s*$/.exec(prack.headers.get('rack') ?? '')
    const known = this.#current !== null && this.#machine.state === 'repeating'
    return known && Number(found?.[1]) === this.#rseq && Number(found?.[2]) === invite
  }

  /** The PRACK of what is out; the next goes out. */
  taken(): void {
    this.#machine.step('prack')
  }

  /** Calls `use` once everything sent has been acknowledged: a 2xx may have to wait for that (section 3). */
  afterAll(use: () => void): void {
    if (this.#machine.state === 'repeating') this.#onAllTaken = use
    else use()
  }

  /** The INVITE has its final response. */
  stop(): void {
    this.#onAllTaken = null
    this.#machine.step('stop')
  }

  #sendNext(): void {
    const response = this.#waiting.shift()!
    response.headers.add('require', '100rel').add('rseq', String(this.#rseq))
    this.#current = response
    this.#gapMs = this.#core.timers.t1Ms
    this.#transaction.respond(response)
    this.#arm()
    this.#timers.start('limit', lifetimeMs(this.#core.timers), () => this.#machine.step('limit'))
  }

  #sendAgain(): void {
    this.#transaction.respond(this.#current!)
    this.#gapMs *= 2
    this.#arm()
  }

  #arm(): void {
    this.#timers.start('repeat', this.#gapMs, () => this.#machine.step('repeat'))
  }

  #onTaken(): void {
    this.#current = null
    this.#rseq++
    if (this.#waiting.length > 0) return this.#machine.step('queue')
    const use = this.#onAllTaken
    this.#onAllTaken = null
    use?.()
  }
}
