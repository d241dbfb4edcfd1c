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

/**
 * How a transfer ended. `transferred` only when the target answered. `unable`: the far side can't do it or has fallen
 * silent, so that it may be done without it; `failed`: it was tried in vain, or the call is gone.
 */
export type ReferOutcome =
  | { transferred: true; sipCode: number }
  | {
      transferred: false
      why: 'unable' | 'failed'
      reason: string
      sipCode: number | null
    }

/** Answers that say that the far side knows nothing of the call any more (RFC 3261 section 12.2.1.2). */
const DIALOG_GONE: ReadonlySet<number> = new Set([408, 481])
const SILENT = 'no notice after the transfer was accepted'
const UNREPORTED = 'the peer hung up before the transfer was reported'

const failed = (reason: string, sipCode: number | null): ReferOutcome => {
  return { transferred: false, why: 'failed', reason, sipCode }
}
const unable = (reason: string, sipCode: number | null): ReferOutcome => {
  return { transferred: false, why: 'unable', reason, sipCode }
}

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
  #outcome: ReferOutcome = failed('no answer', null)
  #progress = 100

  constructor(clock: Clock, owner: ReferOwner) {
    const timers = new Timers<'limit'>(clock)
    const wait = (delayMs: number, outcome: ReferOutcome): void =>
      timers.start('limit', delayMs, () => {
        this.#outcome = outcome
        this.#machine.step('timeout')
      })
    this.#machine = new Machine(REFER_TABLE, 'asked', {
      accept: () => owner.onAccepted(),
      waitNotice: () => wait(REFER_SILENCE_MS, unable(SILENT, null)),
      waitFinal: () => wait(REFER_LIMIT_MS, failed('no final notice of the transfer', null)),
      grace: () => wait(REFER_GRACE_MS, failed(UNREPORTED, null)),
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
    if (sipCode === null) return this.#settle('refused', unable('no answer to the REFER', null))
    const outcome = DIALOG_GONE.has(sipCode) ? failed : unable
    this.#settle('refused', outcome('refused by the carrier', sipCode))
  }

  /** A NOTIFY of this subscription. */
  notified(notify: SipRequest): void {
    const status = Number(/^\s*SIP\/2\.0 ([1-6]\d\d)/.exec(notify.body)?.[1] ?? Number.NaN)
    const ended = /^\s*terminated\b/i.test(notify.headers.get('subscription-state') ?? '')
    if (status >= 200 && status < 300) {
      return this.#settle('success', { transferred: true, sipCode: status })
    }
    if (status >= 300) {
      return this.#settle('failure', failed('the target did not answer', status))
    }
    if (ended) return this.#settle('dropped', failed('the carrier stopped reporting', null))
    this.#progress = status >= 100 ? status : 100
    this.#machine.step('underway')
  }

  /** The far end hung up: the report may follow within the grace time. */
  peerGone(): void {
    if (this.#machine.state === 'asked') {
      this.#outcome = failed('the peer hung up', null)
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
