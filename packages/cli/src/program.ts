// The program: finds the command that the words name, reads its arguments, runs it, and explains what went wrong.
import {
  type Command,
  helpOf,
  readArguments,
  type Surroundings,
  usageOf,
  UsageError,
} from './command.ts'
import {
  ledgerVerify,
  numbersImport,
  topup,
  workspacesCreate,
  workspacesList,
} from './commands/operator.ts'
import { auditExport, auditVerify } from './commands/audit.ts'
import { backup, restore } from './commands/backup.ts'
import { call } from './commands/call.ts'
import { demo } from './commands/demo.ts'
import { doctor } from './commands/doctor.ts'
import { keysCreate, keysList, keysRevoke } from './commands/keys.ts'
import { erase, optOutsImport } from './commands/privacy.ts'
import { start } from './commands/start.ts'
import { explain } from './explain.ts'
import { aligned, type Streams, Terminal } from './terminal.ts'
import { version } from './version.ts'

export interface Program extends Streams {
  environment: Record<string, string | undefined>
  directory: string
  /** Standard output is a terminal that shows colours; `NO_COLOR` switches them off all the same. */
  colour: boolean
  signal: AbortSignal
  hurry: AbortSignal
}

const commands: readonly Command[] = [
  start,
  demo,
  call,
  keysList,
  keysCreate,
  keysRevoke,
  workspacesList,
  workspacesCreate,
  topup,
  numbersImport,
  optOutsImport,
  erase,
  ledgerVerify,
  auditVerify,
  auditExport,
  backup,
  restore,
  doctor,
]

/** Runs one command line; the exit code. Never throws. */
export async function runProgram(args: readonly string[], program: Program): Promise<number> {
  const { environment, directory, signal, hurry } = program
  const colour = program.colour && !environment['NO_COLOR']
  const terminal = new Terminal(program, colour)
  const found = commandOf(args)
  try {
    if (!found) return outside(args, terminal)
    const { command, rest } = found
    if (rest.some((arg) => arg === '--help' || arg === '-h')) {
      for (const line of helpOf(command)) terminal.line(line)
      return 0
    }
    const around: Surroundings = { terminal, environment, directory, signal, hurry }
    return (await command.run(readArguments(command, rest), around)) ?? 0
  } catch (error) {
    // Whoever asked for the end needs no word about it.
    if (signal.aborted && error === signal.reason) return 1
    terminal.error(`saperly: ${explain(error)}`)
    if (error instanceof UsageError && found) terminal.error(`Usage: ${usageOf(found.command)}`)
    return 1
  }
}

function commandOf(args: readonly string[]): { command: Command; rest: string[] } | null {
  for (const length of [2, 1]) {
    const words = args.slice(0, length).join(' ')
    const command = commands.find((one) => one.words === words)
    if (command) return { command, rest: args.slice(length) }
  }
  return null
}

/** Everything that is no command: help, version, and words that nobody knows. */
function outside(args: readonly string[], terminal: Terminal): number {
  const [first = '--help'] = args
  if (first === '--version' || first === '-v') {
    terminal.line(version)
    return 0
  }
  if (first === '--help' || first === '-h' || first === 'help') {
    for (const line of overview()) terminal.line(line)
    return 0
  }
  const near = commands.filter(({ words }) => words.startsWith(`${first} `))
  if (near.length === 0) throw new UsageError(`there is no command ${first}; see saperly --help`)
  for (const command of near) terminal.error(`Usage: ${usageOf(command)}`)
  return 1
}

function overview(): string[] {
  return [
    `Saperly ${version}: the open phone carrier for AI agents.`,
    '',
    'Usage: saperly <command> [options]',
    '',
    ...aligned(commands.map((command) => [`  ${usageOf(command).slice(8)}`, command.says])),
    '',
    'saperly <command> --help says more. Settings come from the environment: PORT, HOST, DATA_DIR, DATABASE_URL,',
    'SAPERLY_CONFIG and others for the server; SAPERLY_URL and SAPERLY_API_KEY for commands that talk to one.',
  ]
}
