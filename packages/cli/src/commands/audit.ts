// The audit trail in an operator's hands: exported as lines of JSON, and proved, in the database or in a file.
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { OperatorError, verifyAuditFile } from '@saperly/server'
import { type Command, type Surroundings, UsageError } from '../command.ts'
import { configOf, proof, verdict, withOperator } from './operator.ts'

export const auditExport: Command = {
  words: 'audit export',
  says: 'Write the audit trail as lines of JSON that prove themselves.',
  options: {
    workspace: { value: '<id>', says: 'of this workspace alone (default: all)' },
    out: { value: '<file>', says: 'where to (default: standard output)' },
  },
  async run(given, around) {
    const out = given.option('out')
    const workspaceId = given.option('workspace') ?? null
    await withOperator(around, async (operator) => {
      const lines = operator.exportAudit(workspaceId)
      if (out === undefined) for await (const line of lines) around.terminal.line(line)
      else await write(resolve(around.directory, out), lines)
    })
  },
}

/** Into a new file, for its owner alone: what stands there may be about people. */
async function write(path: string, lines: AsyncIterable<string>): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'EEXIST' ? `${path} is there already` : `${path} can't be written`,
    )
  })
  try {
    for await (const line of lines) await file.appendFile(`${line}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

export const auditVerify: Command = {
  words: 'audit verify',
  takes: ['[file]'],
  says: 'Prove that the audit trail, or an export of it, is whole: nothing changed, nothing missing.',
  async run(given, around) {
    const file = given.argument('file')
    if (file === '')
      return proof(around, 'the audit trail is whole', (operator) => operator.verifyAudit())
    const problems = await verifyAuditFile(configOf(around), linesOf(around, file))
    return verdict(around, 'the export is whole', problems)
  },
}

async function* linesOf({ directory }: Surroundings, file: string): AsyncGenerator<string> {
  const input = createReadStream(resolve(directory, file), 'utf8')
  try {
    yield* createInterface({ input, crlfDelay: Infinity })
  } catch (error) {
    throw new OperatorError(`${file} can't be read`, { cause: error })
  } finally {
    input.destroy()
  }
}
