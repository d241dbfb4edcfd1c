// `saperly doctor`: can a server run here, and what to do where it can't.
import { type Config, readConfig } from '@saperly/server'
import * as checks from '../checks.ts'
import { answers, urlOf } from '../client.ts'
import type { Command, Surroundings } from '../command.ts'
import { explain } from '../explain.ts'
import type { Terminal } from '../terminal.ts'

const STYLES = { ok: 'green', warn: 'yellow', fail: 'red' } as const
const WIDEST = 14

export const doctor: Command = {
  words: 'doctor',
  says: 'Check whether a server can run here: ports, folders, database, speech, trunks.',
  options: { json: { says: 'print JSON' } },
  async run(given, around) {
    const { terminal } = around
    const findings: checks.Finding[] = []
    for await (const finding of examined(around)) {
      findings.push(finding)
      if (!given.flag('json')) show(terminal, finding)
    }
    if (given.flag('json')) terminal.json(findings)
    return findings.some(({ state }) => state === 'fail') ? 1 : 0
  },
}

async function* examined(around: Surroundings): AsyncGenerator<checks.Finding> {
  yield checks.node(process.versions.node)
  const read = configOf(around)
  yield read.finding
  if (read.config === null) return
  const { config } = read
  const serverRuns = await answers(urlOf(around, config), around.signal)
  yield await checks.dataFolder(config)
  yield await checks.apiPort(config, around)
  yield await checks.sipPort(config, serverRuns)
  yield await checks.rtpPorts(config)
  yield checks.media()
  yield await checks.database(config)
  yield* await checks.bus(config)
  yield await checks.speech(config)
  yield* await checks.trunks(config)
}

function configOf({ environment, directory }: Surroundings): {
  config: Config | null
  finding: checks.Finding
} {
  const what = 'configuration'
  try {
    const config = readConfig(environment, directory)
    return { config, finding: { state: 'ok', what, says: 'complete' } }
  } catch (error) {
    return { config: null, finding: { state: 'fail', what, says: explain(error) } }
  }
}

function show(terminal: Terminal, { state, what, says }: checks.Finding): void {
  terminal.line(
    `${terminal.paint(STYLES[state], state.padEnd(4))}  ${what.padEnd(WIDEST)}  ${says}`,
  )
}
