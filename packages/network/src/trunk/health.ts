// Whether one hop of a trunk is alive: OPTIONS now and then, down after three without an answer, up after one.
import type { Clock, Random } from '@saperly/kernel'
import { Machine, Timers } from '../sip/machine.ts'
import type { Table } from '../sip/machine.ts'

/** How long a hop may take to answer an OPTIONS, milliseconds; far below timer F, so that three fit in a minute or two. */
export const PROBE_LIMIT_MS = 8_000
/** Each wait is up to so much of the interval shorter, so that many trunks are not asked in the same moment. */
const JITTER = 0.2

type State = 'up' | 'missedOnce' | 'missedTwice' | 'down' | 'closed'
type Event = 'answered' | 'missed' | 'close'
type Action = 'tellUp' | 'tellDown' | 'stop'

/** A hop that has never been asked counts as up: what isn't known must not keep calls away. */
export const HEALTH: Table<State, Event, Action> = {
  up: { answered: ['up'], missed: ['missedOnce'], close: ['closed', 'stop'] },
  missedOnce: { answered: ['up'], missed: ['missedTwice'], close: ['closed', 'stop'] },
  missedTwice: { answered: ['up'], missed: ['down', 'tellDown'], close: ['closed', 'stop'] },
  down: { answered: ['up', 'tellUp'], missed: ['down'], close: ['closed', 'stop'] },
  closed: { answered: 'ignored', missed: 'ignored', close: 'ignored' },
}

export interface HealthOptions {
  clock: Clock
  random: Random
  /** Time between two questions, milliseconds. */
  intervalMs: number
  /** Asks once; `onAnswer` hears the code of any final response, or null for none. */
  probe: (onAnswer: (sipCode: number | null) => void) => void
  /** The hop went down, or came back. */
  onChange: (up: boolean) => void
}

export class HopHealth {
  readonly #options: HealthOptions
  readonly #timers: Timers<'probe' | 'limit'>
  readonly #machine: Machine<State, Event, Action>
  /** Tells the answer to the last question from one that came too late. */
  #question = 0

  constructor(options: HealthOptions) {
    this.#options = options
    this.#timers = new Timers(options.clock)
    this.#machine = new Machine(HEALTH, 'up', {
      tellUp: () => options.onChange(true),
      tellDown: () => options.onChange(false),
      stop: () => this.#timers.stopAll(),
    })
  }

  /** Asks for the first time, soon. */
  open(): void {
    const delayMs = this.#options.random.float() * JITTER * this.#options.intervalMs
    this.#timers.start('probe', delayMs, () => this.#ask())
  }

  get up(): boolean {
    return this.#machine.state !== 'down'
  }

  close(): void {
    this.#machine.step('close')
  }

  #ask(): void {
    const question = ++this.#question
    const settle = (event: 'answered' | 'missed'): void => {
      if (question !== this.#question) return
      this.#question++
      this.#timers.stop('limit')
      this.#machine.step(event)
      this.#rest()
    }
    this.#timers.start('limit', PROBE_LIMIT_MS, () => settle('missed'))
    this.#options.probe((sipCode) => settle(sipCode === null ? 'missed' : 'answered'))
  }

  #rest(): void {
    if (this.#machine.state === 'closed') return
    const { random, intervalMs } = this.#options
    const delayMs = intervalMs * (1 - JITTER * random.float())
    this.#timers.start('probe', delayMs, () => this.#ask())
  }
}
