// `saperly start`: a server in this process, whole or in one role, and the commands for a first call.
import { DEMO_NUMBER, readConfig, ROLES, type RunningRole, startRole } from '@saperly/server'
import { answers, listenUrl } from '../client.ts'
import { type Command, UsageError } from '../command.ts'
import type { Terminal } from '../terminal.ts'
import { version } from '../version.ts'

/** A phone of the sandbox that answers and talks along. */
export const FIRST_PEER = '+15555550123'

export const start: Command = {
  words: 'start',
  says: 'Start the server, with an embedded database, a test key and a demo number.',
  options: {
    role: { value: ROLES.join('|'), says: 'what this process does on a cluster (SAPERLY_ROLE)' },
    quiet: { says: 'print no commands for a first call' },
  },
  async run(given, { terminal, environment, directory, signal, hurry }) {
    const role = given.option('role')
    const asked = role === undefined ? environment : { ...environment, SAPERLY_ROLE: role }
    const config = readConfig(asked, directory)
    const url = listenUrl(config)
    if (config.port !== 0 && (await answers(url, signal))) {
      throw new UsageError(`a server answers at ${url} already: use that one, or set PORT`)
    }
    const server = await startRole(config)
    try {
      greet(terminal, server, given.flag('quiet'))
      await aborted(signal)
      const { live } = server
      if (live > 0) {
        const { drainSec } = config.limits
        terminal.line(
          `Waiting for live calls (${live}), at most ${drainSec} s; once more ends them …`,
        )
      }
      await server.drain(hurry)
      terminal.line('Closing …')
    } finally {
      await server.close()
    }
  },
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function greet(terminal: Terminal, { url, role, first }: RunningRole, quiet: boolean): void {
  const what = role === 'all' ? '' : ` (${role})`
  terminal.line(
    `${terminal.paint('bold', `Saperly ${version}`)}${what} is ready at ${terminal.paint('cyan', url)}`,
  )
  if (quiet || first === null) return
  terminal.line()
  terminal.line(`  test key     ${first.token}`)
  terminal.line(`  demo number  ${first.demoNumberId} (${DEMO_NUMBER})`)
  terminal.line(`  API          ${url}/docs`)
  terminal.line()
  terminal.line('Place the first call, to a phone of the sandbox. In another terminal:')
  terminal.line()
  for (const line of firstCall(url, first.token, first.demoNumberId)) terminal.line(`  ${line}`)
  terminal.line()
  terminal.line('Or watch a whole conversation: npm run saperly -- demo')
}

/** Consent, a call, its live events, its end and what it cost: with curl alone. */
export function firstCall(url: string, token: string, numberId: string): string[] {
  const key = `-H 'authorization: Bearer ${token}'`
  const json = `-H 'content-type: application/json'`
  const consent = {
    numberId,
    peerNumber: FIRST_PEER,
    consentType: 'explicit_outbound',
    source: 'my own test',
  }
  const call = { fromNumberId: numberId, to: FIRST_PEER }
  return [
    `curl -s ${url}/consent ${key} ${json} \\`,
    `  -d '${JSON.stringify(consent)}'`,
    `CALL=$(curl -s ${url}/calls ${key} ${json} \\`,
    `  -d '${JSON.stringify(call)}' | grep -o 'call_[0-9a-z]*' | head -1); echo $CALL`,
    `curl -sN ${url}/calls/$CALL/events ${key} -H 'accept: text/event-stream'  # live; Ctrl-C leaves`,
    `curl -s ${url}/calls/$CALL/end ${key} ${json} -d '{"durationSec": 42}'`,
    `curl -s ${url}/usage ${key}`,
  ]
}
