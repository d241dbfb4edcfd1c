// Who has answered, as one total table: what the audio showed so far, and what each new finding makes of it.

export type Verdict = 'human' | 'machine' | 'beep'

/** `doubtful`: a machine by its greeting, but no beep came; only a beep convinces any more. `over`: nothing does. */
export type VerdictState = 'listening' | 'human' | 'machine' | 'doubtful' | 'over'

export type Finding =
  /** A greeting, and then the silence of somebody who waits for an answer. */
  | 'short'
  /** A greeting that goes on and on. */
  | 'long'
  /** Nothing was heard. */
  | 'silent'
  /** Time is up, and nothing was clear. */
  | 'unclear'
  /** Silence after a long greeting, without a beep. */
  | 'unbeeped'
  | 'beep'
  /** Watching ends. */
  | 'limit'

export interface VerdictStep {
  to: VerdictState
  /** What is to be told, or null. */
  tell: Verdict | null
}

const HUMAN: VerdictStep = { to: 'human', tell: 'human' }
const MACHINE: VerdictStep = { to: 'machine', tell: 'machine' }
const DOUBT: VerdictStep = { to: 'doubtful', tell: 'human' }
const BEEP: VerdictStep = { to: 'over', tell: 'beep' }
const OVER: VerdictStep = { to: 'over', tell: null }

type Cell = VerdictStep | 'ignored'

export const VERDICTS: Readonly<Record<VerdictState, Readonly<Record<Finding, Cell>>>> = {
  listening: {
    short: HUMAN,
    long: MACHINE,
    silent: HUMAN,
    unclear: HUMAN,
    unbeeped: 'ignored',
    beep: BEEP,
    limit: OVER,
  },
  human: {
    short: 'ignored',
    long: MACHINE,
    silent: 'ignored',
    unclear: 'ignored',
    unbeeped: 'ignored',
    beep: BEEP,
    limit: OVER,
  },
  machine: {
    short: 'ignored',
    long: 'ignored',
    silent: 'ignored',
    unclear: 'ignored',
    unbeeped: DOUBT,
    beep: BEEP,
    limit: OVER,
  },
  doubtful: {
    short: 'ignored',
    long: 'ignored',
    silent: 'ignored',
    unclear: 'ignored',
    unbeeped: 'ignored',
    beep: BEEP,
    limit: OVER,
  },
  over: {
    short: 'ignored',
    long: 'ignored',
    silent: 'ignored',
    unclear: 'ignored',
    unbeeped: 'ignored',
    beep: 'ignored',
    limit: 'ignored',
  },
}

/** What `finding` makes of `state`; null when nothing. */
export function stepVerdict(state: VerdictState, finding: Finding): VerdictStep | null {
  const cell = VERDICTS[state][finding]
  return cell === 'ignored' ? null : cell
}
