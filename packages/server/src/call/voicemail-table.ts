// What it means for our speech that a machine answers, as one total table for each policy.
import type { MachinePolicy } from '@saperly/contract'

/**
 * `unknown`: nobody knows yet who answered, and speech waits to know it. `held`: a machine greets, and speech waits for
 * its beep. `open`: what is said is said. `recorded`: the same, after a beep.
 */
export type VoicemailState = 'unknown' | 'held' | 'open' | 'recorded'

export type VoicemailEvent =
  | 'human'
  | 'machine'
  | 'beep'
  /** No verdict came, or no beep, for as long as we wait. */
  | 'unheard'
  | 'unbeeped'

export type VoicemailEffect =
  /** Stops what is being said, and holds back what comes. */
  | 'hold'
  /** Says what was held back. */
  | 'release'
  /** Says the disclosure once more. */
  | 'disclose'
  /** Says the opening, or what was held back of it, from its beginning, to the machine that records now. */
  | 'repeat'
  | 'hangUp'

type Cell = { to: VoicemailState; effects: readonly VoicemailEffect[] } | 'ignored'
type Table = Readonly<Record<VoicemailState, Readonly<Record<VoicemailEvent, Cell>>>>

const go = (to: VoicemailState, ...effects: VoicemailEffect[]): Cell => ({ to, effects })

const RECORDED = {
  human: 'ignored',
  machine: 'ignored',
  beep: 'ignored',
  unheard: 'ignored',
  unbeeped: 'ignored',
} as const

/** Never waits: what is said is said, but a recording has its disclosure. */
const IGNORE: Table = {
  unknown: RECORDED,
  held: RECORDED,
  open: { ...RECORDED, beep: go('recorded', 'disclose') },
  recorded: RECORDED,
}

const HANG_UP: Table = {
  unknown: RECORDED,
  held: RECORDED,
  open: { ...RECORDED, machine: go('recorded', 'hangUp'), beep: go('recorded', 'hangUp') },
  recorded: RECORDED,
}

const WAIT: Table = {
  unknown: {
    human: go('open', 'release'),
    machine: go('held'),
    beep: go('recorded', 'disclose', 'repeat'),
    unheard: go('open', 'release'),
    unbeeped: 'ignored',
  },
  held: {
    // Taken back, or no beep: perhaps a machine without one, which records all the same.
    human: go('open', 'disclose', 'repeat'),
    machine: 'ignored',
    beep: go('recorded', 'disclose', 'repeat'),
    unheard: 'ignored',
    unbeeped: go('open', 'disclose', 'repeat'),
  },
  open: {
    human: 'ignored',
    machine: go('held', 'hold'),
    beep: go('recorded', 'hold', 'disclose', 'repeat'),
    unheard: 'ignored',
    unbeeped: 'ignored',
  },
  recorded: RECORDED,
}

export const VOICEMAIL: Readonly<Record<MachinePolicy, Table>> = {
  ignore: IGNORE,
  hangup: HANG_UP,
  wait_for_beep: WAIT,
}
