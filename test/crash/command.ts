// `npm run crash`: round after round on one installation, or every named point; a line for each.
import type { DatabaseKind } from './databases.ts'
import { playEvery } from './points.ts'
import { DEATHS, type RoundReport, Rounds } from './rounds.ts'

/** Installations side by side: a death waits mostly for processes to start. */
const LANES = 2

export interface Options {
  rounds: number
  /** Of the first round; each following one takes the next. */
  seed: number
  database: DatabaseKind
  /** Dies only at points with this in their name; all when empty. */
  only: string
  /** Of what is checked out, so that a failure names it. */
  commit: string
  print: (line: string) => void
}

/** Plays rounds up to the first that breaks something; whether none did. A failing round leaves its data where it is. */
export async function play(options: Options): Promise<boolean> {
  const { database, seed, print } = options
  const rounds = await Rounds.open(database, seed)
  const reports: RoundReport[] = []
  const begunMs = performance.now()
  let problems: string[] = []
  while (reports.length < options.rounds && problems.length === 0) {
    const report = await rounds.play()
    reports.push(report)
    print(lineOf(report))
    problems = report.problems
  }
  if (problems.length === 0) problems = await rounds.conclude()
  const seconds = (performance.now() - begunMs) / 1000
  print(summaryOf(rounds, reports, seconds))
  for (const problem of problems) print(`BROKEN ${problem}`)
  const sound = problems.length === 0
  if (!sound) print(againOf(options, rounds))
  await rounds.installation.close(!sound)
  return sound
}

/** Dies at every named point; whether nothing was broken. */
export async function playPoints({ database, commit, only, print }: Options): Promise<boolean> {
  const begunMs = performance.now()
  const { points, beginnings, problems } = await playEvery({
    kind: database,
    lanes: LANES,
    only,
    print,
  })
  const seconds = Math.round((performance.now() - begunMs) / 1000)
  const at = (when: string): number => points.filter(({ way }) => way === when).length
  const [starting, ending] = [at('start'), at('end')]
  print(
    `${points.length + beginnings.length} deaths in ${seconds} s: ` +
      `${points.length - starting - ending} while the server runs, ${starting} in a start after a ` +
      `death, ${ending} while it ends, ${beginnings.length} in the first start; commit ${commit}`,
  )
  for (const problem of problems) print(`BROKEN ${problem}`)
  return problems.length === 0
}

function lineOf(report: RoundReport): string {
  const { round, seed, death, afterMs, placed, orphans, acknowledged, recoveredMs } = report
  return (
    `round ${round + 1}, seed ${seed}: ${death} killed after ${afterMs} ms, ${placed} calls placed, ` +
    `${acknowledged} answers noted, ${orphans} calls live; all looked at ${recoveredMs} ms later: ` +
    (report.problems.length === 0 ? 'right' : 'BROKEN')
  )
}

function summaryOf(rounds: Rounds, reports: readonly RoundReport[], seconds: number): string {
  const { receiver, phones } = rounds.installation
  const orphans = reports.reduce((sum, report) => sum + report.orphans, 0)
  const deaths = DEATHS.map(
    (death) => `${reports.filter((report) => report.death === death).length} ${death}`,
  )
  return [
    `${reports.length} rounds (${deaths.join(', ')}) in ${Math.round(seconds)} s`,
    `${rounds.placed} calls were answered with 201, ${orphans} were live when their server died`,
    `${rounds.acknowledged} answers were looked at again`,
    `${receiver.delivered.size} events came to the receiver, ${receiver.repeated} of them again`,
    `${receiver.refused} first attempts were refused, ${receiver.hung} never answered`,
    `${phones.count('hung up')} phones on the trunk were hung up on`,
  ].join('\n')
}

function againOf({ database, seed, rounds, commit }: Options, played: Rounds): string {
  return (
    `commit ${commit}, data in ${played.installation.folder}; again: ` +
    `npm run crash -- --database ${database} --seed ${seed} --rounds ${rounds}`
  )
}
