// `npm run sim`: many seeds after each other; a seed that breaks something is printed whole, and can be played again.
import { simulate, type SimulationResult } from './simulate.ts'

export interface Options {
  /** The first seed; each following simulation takes the next. */
  seed: number
  /** Calls altogether. */
  calls: number
  /** Calls asked for in one simulation, that is with one seed. */
  callsPerSeed: number
  /** Processes that share the database. */
  processes: number
  /** Prints the whole log of every simulation, not only of those that broke something. */
  log: boolean
  /** Of what is checked out, so that a failure names it. */
  commit: string
  print: (line: string) => void
  /** A clock of the machine, milliseconds: how fast it went. */
  elapsedMs: () => number
}

/** Log lines of a broken simulation that are printed: its last ones. */
const MAX_PRINTED = 200_000

/** Plays them; how many seeds broke an invariant. */
export async function play(options: Options): Promise<number> {
  const { seed: first, calls, callsPerSeed, processes, print, elapsedMs } = options
  const ended: Record<string, number> = {}
  const failing: number[] = []
  let crashes = 0
  let lost = 0
  let orphans = 0
  let recorded = 0
  let asked = 0
  let seeds = 0
  const startedMs = elapsedMs()
  while (asked < calls) {
    const seed = first + seeds++
    const result = await simulate({ seed, calls: Math.min(callsPerSeed, calls - asked), processes })
    asked += result.asked
    crashes += result.crashes
    lost += result.lost
    orphans += result.orphans
    for (const [how, count] of Object.entries(result.ended)) {
      ended[how] = (ended[how] ?? 0) + count
      recorded += count
    }
    if (result.violations.length > 0) failing.push(seed)
    if (result.violations.length > 0 || options.log) report(result, options)
  }
  const seconds = (elapsedMs() - startedMs) / 1000
  for (const [how, count] of Object.entries(ended).toSorted(([, a], [, b]) => b - a)) {
    print(`${String(count).padStart(9)}  ${how}`)
  }
  print(
    `${asked} calls asked for, ${recorded} recorded, ${seeds} seeds, ${crashes} crashes, ${lost} given up while they were paused, ` +
      `${orphans} calls ended by the next process only, ` +
      `${seconds.toFixed(1)} s, ${Math.round(recorded / seconds)} recorded calls a second`,
  )
  print(failing.length === 0 ? 'no invariant was broken' : `broken: seeds ${failing.join(', ')}`)
  return failing.length
}

function report({ seed, violations, lines, asked }: SimulationResult, options: Options): void {
  const { print, commit, processes } = options
  const from = Math.max(0, lines.length - MAX_PRINTED)
  if (from > 0) print(`(${from} lines before)`)
  for (const line of lines.slice(from)) print(line)
  for (const { invariant, what, at } of violations) print(`${at} BROKEN ${invariant}: ${what}`)
  print(
    `seed ${seed}, commit ${commit}; again: npm run sim -- --seed ${seed} --calls ${asked} --processes ${processes}`,
  )
}
