// A transfer we asked for: the REFER, its NOTIFYs, and how it came out (RFC 3515, RFC 6665).
import type { Clock } from '@saperly/kernel'
import { Machine, Timers } from './machine.ts'
import type { Table } from './machine.ts'
import type { SipRequest } from './message.ts'

/** A carrier that took the REFER and then says nothing for this long has failed us. */
export const REFER_SILENCE_MS = 32_000
/** Longest wait for the target's final answer once notices arrive. */
export const REFER_LIMIT_MS = 180_000
/** After a far-end BYE the last NOTIFY may still be on its way. */
export const REFER_GRACE_MS = 4_000

/** How a transfer ended. `transferred` only when the target answered. */
export type ReferOutcome =
  | { transferred: true; sipCode: number }
  | { transferred: false; reason: string; sipCode: number | null }

type State = 'asked' | 'accepted' | 'noticed' | 'done'
type Event =
  | 'taken'
  | 'refused'
  | 'underway'
  | 'success'
  | 'failure'
  | 'dropped'
  | 'peerGone'
  | 'timeout'
  | 'cancel'
type Action = 'accept' | 'waitNotice' | 'waitFinal' | 'grace' | 'progress' | 'finish' | 'stop'

/** `dropped`: the subscription ended without a final answer. A NOTIFY may overtake the 202. */
export const REFER_TABLE: Table<State, Event, Action> = {
  asked: {
    taken: ['accepted', 'accept', 'waitNotice'],
    refused: ['done', 'finish'],
    underway: ['noticed', 'accept', 'waitFinal', 'progress'],
    success: ['done', 'accept', 'finish'],
    failure: ['done', 'accept', 'finish'],
    dropped: ['done', 'accept', 'finish'],
    peerGone: ['done', 'finish'],
    timeout: ['done', 'finish'],
    cancel: ['done', 'stop'],
  },
  accepted: {
    taken: 'ignored',
    refused: 'ignored',
    underway: ['noticed', 'waitFinal', 'progress'],
    success: ['done', 'finish'],
    failure: ['done', 'finish'],
    dropped: ['done', 'finish'],
    peerGone: ['accepted', 'grace'],
    timeout: ['done', 'finish'],
    cancel: ['done', 'stop'],
  },
  noticed: {
    taken: 'ignored',
    refused: 'ignored',
    underway: ['noticed', 'progress'],
    success: ['done', 'finish'],
    failure: ['done', 'finish'],
    dropped: ['done', 'finish'],
    peerGone: ['noticed', 'grace'],
    timeout: ['done', 'finish'],
    cancel: ['done', 'stop'],
  },
  done: {
    taken: 'ignored',
    refused: 'ignored',
    underway: 'ignored',
    success: 'ignored',
    failure: 'ignored',
    dropped: 'ignored',
    peerGone: 'ignored',
    timeout: 'impossible',
    cancel: 'ignored',
  },
}

export interface ReferOwner {
  onAccepted(): void
  onProgress(sipCode: number): void
  onDone(outcome: ReferOutcome): void
}

export class ReferClient {
  readonly #machine: Machine<State, Event, Action>
  #outcome: ReferOutcome = { transferred: false, reason: 'no answer', sipCode: null }
  #progress = 100

  constructor(clock: Clock, owner: ReferOwner) {
    const timers = new Timers<'limit'>(clock)
    const wait = (delayMs: number, reason: string): void =>
      timers.start('limit', delayMs, () => {
        this.#outcome = { transferred: false, reason, sipCode: null }
        this.#machine.step('timeout')
      })
    this.#machine = new Machine(REFER_TABLE, 'asked', {
      accept: () => owner.onAccepted(),
      waitNotice: () => wait(REFER_SILENCE_MS, 'no notice after the transfer was accepted'),
      waitFinal: () => wait(REFER_LIMIT_MS, 'no final notice of the transfer'),
      grace: () => wait(REFER_GRACE_MS, 'the peer hung up before the transfer was reported'),
      progress: () => owner.onProgress(this.#progress),
      finish: () => {
        timers.stopAll()
        owner.onDone(this.#outcome)
      },
      stop: () => timers.stopAll(),
    })
  }

  get done(): boolean {
    return this.#machine.state === 'done'
  }

  /** The final response to the REFER, or null when none came. */
  answered(sipCode: number | null): void {
    if (sipCode !== null && sipCode < 300) return this.#machine.step('taken')
    const reason = sipCode === null ? 'no answer to the transfer request' : 'refused by the carrier'
    this.#settle('refused', { transferred: false, reason, sipCode })
  }

  /** A NOTIFY of this subscription. */
  notified(notify: SipRequest): void {
    const status = Number(/^\s*SIP\/2\.0 ([1-6]\d\d)/.exec(notify.body)?.[1] ?? Number.NaN)
    const ended = /^\s*terminated\b/i.test(notify.headers.get('subscription-state') ?? '')
    if (status >= 200 && status < 300) {
      return this.#settle('success', { transferred: true, sipCode: status })
    }
    if (status >= 300) {
      return this.#settle('failure', {
        transferred: false,
        reason: 'the target did not answer',
        sipCode: status,
      })
    }
    if (ended) {
      const reason = 'the carrier stopped reporting'
      return this.#settle('dropped', { transferred: false, reason, sipCode: null })
    }
    this.#progress = status >= 100 ? status : 100
    this.#machine.step('underway')
  }

  /** The far end hung up: the report may follow within the grace time. */
  peerGone(): void {
    if (this.#machine.state === 'asked') {
      this.#outcome = { transferred: false, reason: 'the peer hung up', sipCode: null }
    }
    this.#machine.step('peerGone')
  }

  /** Stops following, without a word to its owner. */
  cancel(): void {
    this.#machine.step('cancel')
  }

  #settle(event: Event, outcome: ReferOutcome): void {
    if (this.#machine.state === 'done') return
    this.#outcome = outcome
    this.#machine.step(event)
  }
}
