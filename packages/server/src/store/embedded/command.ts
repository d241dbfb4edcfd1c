// Runs a short command to its end, as the user of the embedded database.
import { spawn } from 'node:child_process'
import type { RunAs } from './user.ts'

/** What is kept of a command's output; the end says why it failed. */
const OUTPUT_MAX = 8_192
/** No command that the supervisor runs takes longer; one that does is killed. */
const COMMAND_TIMEOUT_MS = 120_000

export interface CommandResult {
  /** Exit code; null when it was killed or could not be started. */
  code: number | null
  output: string
}

export function spawnOptions({ uid, gid }: RunAs): { uid?: number; gid?: number } {
  return { ...(uid === null ? {} : { uid }), ...(gid === null ? {} : { gid }) }
}

/** Never rejects: a command that can't be started has a null code and says so in its output. */
export function runCommand(
  file: string,
  args: readonly string[],
  user: RunAs,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      ...spawnOptions(user),
      // Messages in English whatever the machine speaks, and nothing of our own environment.
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_TIMEOUT_MS,
    })
    let output = ''
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-OUTPUT_MAX)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', (error) => resolve({ code: null, output: error.message }))
    child.on('close', (code) => resolve({ code, output: output.trim() }))
  })
}
