// What a store does to a process in a bad world: slow answers, outages, commits that fail or whose answer is lost, death.
import type { Chance } from './chance.ts'
import type { Journal } from './journal.ts'
import type { LifeClock } from './life-clock.ts'
import { away, type Hooks, unknownOutcome } from './model/store.ts'

/** How often, per statement or per commit; outages in milliseconds. */
export interface FaultRates {
  slow: number
  slowMs: number
  away: number
  outageEvery: number
  outageMs: number
  commitRefused: number
  commitUnknown: number
  /** The answer to a statement of its own is lost, after it took effect. */
  answerLost: number
  crash: number
}

export const CALM: FaultRates = {
  slow: 0,
  slowMs: 0,
  away: 0,
  outageEvery: 0,
  outageMs: 0,
  commitRefused: 0,
  commitUnknown: 0,
  answerLost: 0,
  crash: 0,
}

/** Each world has a weather of its own, from slow to stormy. */
export function weatherOf(chance: Chance): FaultRates {
  const storm = chance.pick([0, 0.3, 1, 1, 3])
  return {
    slow: chance.pick([0.02, 0.1, 0.3]),
    slowMs: chance.pick([3, 30, 400]),
    away: 0.001 * storm,
    outageEvery: 0.0004 * storm,
    outageMs: chance.pick([500, 3_000, 9_000]),
    commitRefused: 0.004 * storm,
    commitUnknown: 0.003 * storm,
    answerLost: 0.001 * storm,
    crash: chance.pick([0, 0.0003, 0.0006, 0.002]),
  }
}

/** One of its own each time: whoever waits for one that all share is kept in memory by it, with the whole world. */
const never = (): Promise<never> => new Promise<never>(() => {})

export function faultyHooks(world: {
  rates: FaultRates
  chance: Chance
  clock: LifeClock
  journal: Journal
  /** Ends the process, here and now. */
  crash: () => void
}): Hooks {
  const { rates, chance, clock, journal, crash } = world
  let awayUntil = -1
  const pause = (ms: number): Promise<void> => clock.sleep(ms, new AbortController().signal)
  const die = (where: string): Promise<never> => {
    journal.note(`crash ${where}`)
    crash()
    return never()
  }
  const disturb = async (name: string): Promise<void> => {
    if (chance.hits(rates.slow)) await pause(chance.between(1, rates.slowMs))
    if (chance.hits(rates.crash)) await die(`before ${name}`)
    if (chance.hits(rates.outageEvery)) {
      awayUntil = clock.monotonicMs() + rates.outageMs
      journal.note(`the database goes away for ${rates.outageMs} ms`)
    }
    if (clock.monotonicMs() < awayUntil || chance.hits(rates.away)) {
      journal.note(`away at ${name}`)
      throw away()
    }
  }
  return {
    async statement(name, _args, run) {
      await disturb(name)
      const value = await run()
      await clock.running()
      // An answer takes its time too, and the world goes on meanwhile.
      if (chance.hits(rates.slow)) await pause(chance.between(1, rates.slowMs))
      if (chance.hits(rates.crash)) await die(`after ${name}`)
      if (chance.hits(rates.answerLost)) {
        journal.note(`the answer to ${name} is lost`)
        throw away()
      }
      return value
    },
    async commit(run) {
      await disturb('a commit')
      if (chance.hits(rates.commitRefused)) {
        journal.note('a commit is refused')
        throw away()
      }
      const unknown = chance.hits(rates.commitUnknown)
      if (unknown && chance.hits(0.5)) throw unknownOutcome()
      run()
      await clock.running()
      if (chance.hits(rates.crash)) await die('after a commit')
      if (unknown) {
        journal.note('the answer to a commit is lost')
        throw unknownOutcome()
      }
    },
  }
}
