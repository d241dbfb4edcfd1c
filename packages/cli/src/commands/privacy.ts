// What an operator does about people, directly on the database: do-not-call files, and erasing one of them.
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, UsageError } from '../command.ts'
import { tenantOf, whose, withOperator } from './operator.ts'

const MAX_FILE_BYTES = 16 * 1024 * 1024

export const optOutsImport: Command = {
  words: 'opt-outs import',
  takes: ['<file>'],
  says: 'Opt out every number of a do-not-call file: one a line, or the first column of a CSV.',
  options: whose,
  async run(given, around) {
    const file = await textOf(resolve(around.directory, given.argument('file')))
    const tenant = tenantOf(given)
    const { added, known } = await withOperator(around, (operator) =>
      operator.importOptOuts(tenant, file),
    )
    around.terminal.line(
      `${tenant.workspaceId} (${tenant.environment}): ${added} opted out now, ${known} had been before`,
    )
  },
}

export const erase: Command = {
  words: 'erase',
  takes: ['<number>'],
  says: 'Erase a person from a workspace: calls, texts, recordings, traces; an opt-out still blocks.',
  options: { workspace: whose.workspace, json: { says: 'print JSON' } },
  async run(given, around) {
    const number = given.argument('number')
    if (!/^\+[1-9]\d{6,14}$/.test(number))
      throw new UsageError('<number> must be an E.164 number such as +15551234567')
    const { workspaceId } = tenantOf(given)
    const erased = await withOperator(around, (operator) =>
      operator.erasePerson(workspaceId, number),
    )
    if (given.flag('json')) return around.terminal.json(erased)
    for (const [environment, counts] of Object.entries(erased)) {
      const { calls, recordings, mentions, deliveries, feedEvents, auditEntries } = counts
      around.terminal.line(
        `${workspaceId} (${environment}): ${calls} calls, ${recordings} recordings, ${mentions} mentions in ` +
          `other calls, ${deliveries} webhook payloads, ${feedEvents} of the feed, ${auditEntries} entries of the audit trail`,
      )
    }
  },
}

async function textOf(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > MAX_FILE_BYTES) throw new UsageError(`<file> may have ${MAX_FILE_BYTES} bytes`)
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${path} can't be read`)
  }
}
