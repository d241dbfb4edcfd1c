// When a trunk registers (RFC 3261 section 10.2): first, before it expires, after a failure, and to take it back.
import type { Clock, Random } from '@saperly/kernel'
import { Machine, Timers } from '../sip/machine.ts'
import type { Table } from '../sip/machine.ts'

/** Wait after the first failure, milliseconds; it doubles with each further one. */
export const FIRST_RETRY_MS = 2_000
/** Longest wait after a failure, milliseconds. */
export const MAX_RETRY_MS = 300_000
/** Shortest wait before a refresh, milliseconds: a registrar that grants less is asked no more often. */
export const MIN_REFRESH_MS = 5_000
/** Part of the granted time after which it is refreshed: between the two, by chance. */
const REFRESH_AT = [0.7, 0.9] as const
/** Longest expiry that a registrar may insist on, seconds. */
const MAX_EXPIRES_SEC = 7 * 86_400

/** What a registrar says to a REGISTER, all its challenges answered. */
export type RegisterAnswer =
  | { kind: 'granted'; expiresSec: number }
  /** 423: no shorter than this. */
  | { kind: 'tooBrief'; minExpiresSec: number }
  /** Any other final response, or (null) none from any of its hosts. */
  | { kind: 'refused'; sipCode: number | null; retryAfterSec: number | null }

type State =
  | 'idle'
  | 'registering'
  | 'registered'
  | 'refreshing'
  | 'waiting'
  /** Closed while an answer was under way: only one REGISTER may be out at a time. */
  | 'finishing'
  | 'leaving'
  | 'closed'
type Event = 'open' | 'granted' | 'tooBrief' | 'refused' | 'due' | 'close'
type Action = 'ask' | 'hold' | 'backOff' | 'tellUp' | 'tellDown' | 'leave' | 'stop'

export const REGISTRATION: Table<State, Event, Action> = {
  idle: {
    open: ['registering', 'ask'],
    granted: 'impossible',
    tooBrief: 'impossible',
    refused: 'impossible',
    due: 'impossible',
    close: ['closed', 'stop'],
  },
  registering: {
    open: 'impossible',
    granted: ['registered', 'hold', 'tellUp'],
    tooBrief: ['registering', 'ask'],
    refused: ['waiting', 'backOff'],
    due: 'impossible',
    close: ['finishing'],
  },
  registered: {
    open: 'impossible',
    granted: 'impossible',
    tooBrief: 'impossible',
    refused: 'impossible',
    due: ['refreshing', 'ask'],
    close: ['leaving', 'leave'],
  },
  refreshing: {
    open: 'impossible',
    granted: ['registered', 'hold'],
    tooBrief: ['refreshing', 'ask'],
    refused: ['waiting', 'tellDown', 'backOff'],
    due: 'impossible',
    close: ['finishing'],
  },
  waiting: {
    open: 'impossible',
    granted: 'impossible',
    tooBrief: 'impossible',
    refused: 'impossible',
    due: ['registering', 'ask'],
    close: ['closed', 'stop'],
  },
  finishing: {
    open: 'impossible',
    granted: ['leaving', 'leave'],
    tooBrief: ['closed', 'stop'],
    refused: ['closed', 'stop'],
    due: 'impossible',
    close: 'ignored',
  },
  leaving: {
    open: 'impossible',
    granted: ['closed', 'stop'],
    tooBrief: ['closed', 'stop'],
    refused: ['closed', 'stop'],
    due: 'impossible',
    close: 'ignored',
  },
  closed: {
    open: 'ignored',
    granted: 'ignored',
    tooBrief: 'ignored',
    refused: 'ignored',
    due: 'impossible',
    close: 'ignored',
  },
}

export interface RegistrationOptions {
  clock: Clock
  random: Random
  /** What is asked for first, seconds. */
  expiresSec: number
  /** Sends one REGISTER; 0 takes the binding back. `onAnswer` is called once, later. */
  ask: (expiresSec: number, onAnswer: (answer: RegisterAnswer) => void) => void
  /** Registered, or no longer so, and why not. */
  onChange: (registered: boolean, sipCode: number | null) => void
}

export class Registration {
  readonly #options: RegistrationOptions
  readonly #timers: Timers<'due'>
  readonly #machine: Machine<State, Event, Action>
  readonly #onClosed: (() => void)[] = []
  #expiresSec: number
  #grantedSec = 0
  #failures = 0
  #refusal: Extract<RegisterAnswer, { kind: 'refused' }> | null = null

  constructor(options: RegistrationOptions) {
    this.#options = options
    this.#expiresSec = options.expiresSec
    this.#timers = new Timers(options.clock)
    this.#machine = new Machine(REGISTRATION, 'idle', {
      ask: () => this.#ask(this.#expiresSec),
      hold: () => this.#hold(),
      backOff: () => this.#backOff(),
      tellUp: () => options.onChange(true, 200),
      tellDown: () => options.onChange(false, this.#refusal?.sipCode ?? null),
      leave: () => {
        this.#timers.stopAll()
        this.#ask(0)
      },
      stop: () => this.#stop(),
    })
  }

  get registered(): boolean {
    return this.#machine.state === 'registered' || this.#machine.state === 'refreshing'
  }

  open(): void {
    this.#machine.step('open')
  }

  /** Takes the binding back, where there is one; `onClosed` is called when the registrar has answered. */
  close(onClosed: () => void): void {
    if (this.#machine.state === 'closed') return onClosed()
    this.#onClosed.push(onClosed)
    this.#machine.step('close')
  }

  #ask(expiresSec: number): void {
    this.#options.ask(expiresSec, (answer) => this.#onAnswer(answer))
  }

  #onAnswer(answer: RegisterAnswer): void {
    if (answer.kind === 'granted') {
      this.#grantedSec = answer.expiresSec
      this.#failures = 0
      return this.#machine.step('granted')
    }
    if (answer.kind === 'tooBrief') {
      // One that asks for no more than it was given, or for ages, would be asked for ever.
      const { minExpiresSec } = answer
      if (minExpiresSec > this.#expiresSec && minExpiresSec <= MAX_EXPIRES_SEC) {
        this.#expiresSec = minExpiresSec
        return this.#machine.step('tooBrief')
      }
    }
    this.#failures++
    this.#refusal =
      answer.kind === 'refused' ? answer : { kind: 'refused', sipCode: 423, retryAfterSec: null }
    this.#machine.step('refused')
  }

  #hold(): void {
    const [early, late] = REFRESH_AT
    const part = early + (late - early) * this.#options.random.float()
    const delayMs = Math.max(MIN_REFRESH_MS, this.#grantedSec * 1000 * part)
    this.#timers.start('due', delayMs, () => this.#machine.step('due'))
  }

  /** Doubles from failure to failure, and is never less than the registrar asked for; half of it is left to chance. */
  #backOff(): void {
    const fullMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(20, this.#failures - 1))
    const askedMs = Math.min(MAX_RETRY_MS, (this.#refusal?.retryAfterSec ?? 0) * 1000)
    const delayMs = Math.max(askedMs, fullMs * (0.5 + 0.5 * this.#options.random.float()))
    this.#timers.start('due', delayMs, () => this.#machine.step('due'))
  }

  #stop(): void {
    this.#timers.stopAll()
    for (const closed of this.#onClosed.splice(0)) closed()
  }
}
