// The session timer of one dialog: who refreshes the session, when, and what happens when nobody does (RFC 4028).
import type { Clock } from '@saperly/kernel'
import type { Field } from './compose.ts'
import { parseParams } from './header.ts'
import { Machine, Timers } from './machine.ts'
import type { Table } from './machine.ts'
import type { SipMessage, SipRequest, SipResponse } from './message.ts'

/** What we ask for, seconds; null: we ask for no timer, but keep one that the peer wants. */
export interface TimerTerms {
  expiresSec: number | null
  /** Shortest interval that we take. */
  minSec: number
}

export const SESSION_TIMER: TimerTerms = { expiresSec: 1800, minSec: 90 }

/** RFC 4028 section 4: nobody may ask for less. */
const SMALLEST_SEC = 90
/** A peer that agrees to less than it may is taken at its word down to this, so that it can't make us busy. */
const SHORTEST_KEPT_SEC = 20
/** Longer intervals are cut to this: no session lasts a day without a word. */
const LARGEST_SEC = 86_400
/** The one who doesn't refresh hangs up so long before the end, or a third of the interval if that is less. */
const MARGIN_SEC = 32
/** A refresh that failed for the moment is tried again after so long, milliseconds. */
export const REFRESH_RETRY_MS = 3_000

/** `asleep`: not answered yet. `ours`, `theirs`: who refreshes. `refreshing`: our refresh is out. */
type State = 'asleep' | 'off' | 'ours' | 'refreshing' | 'theirs' | 'over'
type Event = 'wake' | 'weRefresh' | 'theyRefresh' | 'unlimited' | 'due' | 'failed' | 'end' | 'stop'
type Action = 'armOurs' | 'armTheirs' | 'halt' | 'refresh' | 'retry' | 'expire'

export const SESSION_TIMER_TABLE: Table<State, Event, Action> = {
  asleep: {
    wake: ['off'],
    weRefresh: 'ignored',
    theyRefresh: 'ignored',
    unlimited: 'ignored',
    due: 'impossible',
    failed: 'ignored',
    end: 'impossible',
    stop: ['over'],
  },
  off: {
    wake: 'ignored',
    weRefresh: ['ours', 'armOurs'],
    theyRefresh: ['theirs', 'armTheirs'],
    unlimited: 'ignored',
    due: 'impossible',
    failed: 'ignored',
    end: 'impossible',
    stop: ['over'],
  },
  ours: {
    wake: 'ignored',
    weRefresh: ['ours', 'armOurs'],
    theyRefresh: ['theirs', 'armTheirs'],
    unlimited: ['off', 'halt'],
    due: ['refreshing', 'refresh'],
    failed: 'ignored',
    end: ['over', 'halt', 'expire'],
    stop: ['over', 'halt'],
  },
  refreshing: {
    wake: 'ignored',
    weRefresh: ['ours', 'armOurs'],
    theyRefresh: ['theirs', 'armTheirs'],
    unlimited: ['off', 'halt'],
    due: 'impossible',
    failed: ['ours', 'retry'],
    end: ['over', 'halt', 'expire'],
    stop: ['over', 'halt'],
  },
  theirs: {
    wake: 'ignored',
    weRefresh: ['ours', 'armOurs'],
    theyRefresh: ['theirs', 'armTheirs'],
    unlimited: ['off', 'halt'],
    due: 'impossible',
    failed: 'ignored',
    end: ['over', 'halt', 'expire'],
    stop: ['over', 'halt'],
  },
  over: {
    wake: 'ignored',
    weRefresh: 'ignored',
    theyRefresh: 'ignored',
    unlimited: 'ignored',
    due: 'impossible',
    failed: 'ignored',
    end: 'impossible',
    stop: 'ignored',
  },
}

export interface SessionTimerOwner {
  /** Half of the interval is over, and refreshing is our part. */
  refresh(): void
  /** The session is about to expire. */
  expire(): void
}

export class SessionTimer {
  readonly #machine: Machine<State, Event, Action>
  readonly #timers: Timers<'refresh' | 'end'>
  #terms: TimerTerms
  #intervalSec = 0

  constructor(clock: Clock, terms: TimerTerms, owner: SessionTimerOwner) {
    this.#terms = terms
    this.#timers = new Timers(clock)
    const due = (delayMs: number): void =>
      this.#timers.start('refresh', delayMs, () => this.#machine.step('due'))
    this.#machine = new Machine(SESSION_TIMER_TABLE, 'asleep', {
      armOurs: () => {
        due((this.#intervalSec * 1000) / 2)
        this.#armEnd()
      },
      armTheirs: () => {
        this.#timers.stop('refresh')
        this.#armEnd()
      },
      halt: () => this.#timers.stopAll(),
      refresh: () => owner.refresh(),
      retry: () => due(REFRESH_RETRY_MS),
      expire: () => owner.expire(),
    })
  }

  /** The call is answered: from now on what is agreed counts. */
  wake(): void {
    this.#machine.step('wake')
  }

  /** The call ends. */
  stop(): void {
    this.#machine.step('stop')
  }

  /** Our refresh could not be made, for the moment. */
  refreshFailed(): void {
    this.#machine.step('failed')
  }

  /** What an INVITE or UPDATE of ours says; who refreshes now goes on with it. */
  requestFields(): Field[] {
    const { state } = this.#machine
    if (state === 'ours' || state === 'refreshing') return this.#ask(`;refresher=uac`)
    return state === 'theirs' ? this.#ask(';refresher=uas') : askForTimer(this.#terms)
  }

  #ask(refresher: string): Field[] {
    const { minSec } = this.#terms
    return [['session-expires', `${this.#intervalSec}${refresher}`], ...minField(minSec)]
  }

  /** Our INVITE or UPDATE was taken: the peer has decided (section 7.2). */
  onAnswer(response: SipResponse): void {
    const agreed = readExpires(response)
    if (!agreed) return this.#machine.step('unlimited')
    this.#intervalSec = Math.max(agreed.sec, SHORTEST_KEPT_SEC)
    this.#machine.step(agreed.refresher === 'uas' ? 'theyRefresh' : 'weRefresh')
  }

  /** Learns from a 422; false when asking again is of no use. */
  learn(response: SipResponse): boolean {
    const raised = raiseTerms(this.#terms, response)
    if (!raised) return false
    this.#terms = raised
    this.#intervalSec = Math.max(this.#intervalSec, raised.minSec)
    return true
  }

  /** The fields of a 422 when the peer asks for too short an interval, else null (section 9). */
  refusal(request: SipRequest): Field[] | null {
    return timerRefusal(request, this.#terms)
  }

  /** What a 2xx of ours to the peer's INVITE or UPDATE says; we decide, and the timer starts anew (section 9). */
  responseFields(request: SipRequest): Field[] {
    if (this.#machine.state === 'asleep') return []
    const interval = this.#chooseInterval(request)
    if (interval === null) {
      this.#machine.step('unlimited')
      return []
    }
    const refresher = this.#chooseRefresher(request)
    this.#intervalSec = interval
    this.#machine.step(refresher === 'uas' ? 'weRefresh' : 'theyRefresh')
    const required: Field[] = supportsTimer(request) ? [['require', 'timer']] : []
    return [['session-expires', `${interval};refresher=${refresher}`], ...required]
  }

  /** Never more than was asked for, never less than either side takes; null for a session without an end. */
  #chooseInterval(request: SipRequest): number | null {
    const asked = readExpires(request)
    const { expiresSec, minSec } = this.#terms
    const floorSec = Math.max(minSec, readMinimum(request))
    if (asked) {
      const wanted = Math.max(expiresSec ?? asked.sec, floorSec)
      return asked.sec < minSec ? null : Math.min(asked.sec, wanted)
    }
    return expiresSec !== null && supportsTimer(request) ? Math.max(expiresSec, floorSec) : null
  }

  /** Table 2 of section 9: a peer that doesn't know timers can't refresh; its own wish counts; else it stays as it is. */
  #chooseRefresher(request: SipRequest): 'uac' | 'uas' {
    if (!supportsTimer(request)) return 'uas'
    const asked = readExpires(request)
    if (asked?.refresher) return asked.refresher
    const { state } = this.#machine
    if (state === 'ours' || state === 'refreshing') return 'uas'
    return state === 'theirs' || asked ? 'uac' : 'uas'
  }

  #armEnd(): void {
    const marginSec = Math.min(MARGIN_SEC, this.#intervalSec / 3)
    this.#timers.start('end', (this.#intervalSec - marginSec) * 1000, () =>
      this.#machine.step('end'),
    )
  }
}

/** What a first INVITE asks for. */
export function askForTimer(terms: TimerTerms): Field[] {
  const { expiresSec, minSec } = terms
  if (expiresSec === null) return []
  return [['session-expires', String(Math.max(expiresSec, minSec))], ...minField(minSec)]
}

function minField(minSec: number): Field[] {
  return minSec > SMALLEST_SEC ? [['min-se', String(minSec)]] : []
}

/** The terms that a 422 demands; null when it names nothing new that we can give (section 7.3). */
export function raiseTerms(terms: TimerTerms, response: SipResponse): TimerTerms | null {
  const minSec = readMinimum(response)
  if (minSec <= terms.minSec || minSec > LARGEST_SEC) return null
  return { expiresSec: terms.expiresSec && Math.max(terms.expiresSec, minSec), minSec }
}

/** The fields of a 422 to that INVITE or UPDATE; null when its interval will do. */
export function timerRefusal(request: SipRequest, { minSec }: TimerTerms): Field[] | null {
  const asked = readExpires(request)
  const short = asked !== null && asked.sec < minSec && supportsTimer(request)
  return short ? [['min-se', String(minSec)]] : null
}

function supportsTimer(message: SipMessage): boolean {
  const names = [...message.headers.list('supported'), ...message.headers.list('require')]
  return names.some((name) => name.toLowerCase() === 'timer')
}

function readMinimum(message: SipMessage): number {
  const found = /^\s*(\d{1,9})\b/.exec(message.headers.get('min-se') ?? '')
  return Math.max(SMALLEST_SEC, Number(found?.[1] ?? 0))
}

/** Session-Expires, cut to what a timer can hold; null when there is none that can be read. */
function readExpires(message: SipMessage): { sec: number; refresher: 'uac' | 'uas' | null } | null {
  const found = /^\s*(\d{1,10})\s*(;.*)?$/s.exec(message.headers.get('session-expires') ?? '')
  if (!found || Number(found[1]) === 0) return null
  const named = parseParams(found[2] ?? '')
    .get('refresher')
    ?.toLowerCase()
  const refresher = named === 'uac' || named === 'uas' ? named : null
  return { sec: Math.min(Number(found[1]), LARGEST_SEC), refresher }
}
