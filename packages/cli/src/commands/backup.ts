// The whole database into a file, and back from it into an empty place, where it is proved.
import { resolve } from 'node:path'
import { restoreBackup, writeBackup } from '@saperly/server'
import type { Command } from '../command.ts'
import { configOf, proof } from './operator.ts'

export const backup: Command = {
  words: 'backup',
  takes: ['<file>'],
  says: 'Write the whole database into a new file, also while a server runs.',
  async run(given, around) {
    const path = resolve(around.directory, given.argument('file'))
    const { bytes } = await writeBackup(configOf(around), path)
    around.terminal.line(`${path}: ${bytes} bytes`)
    around.terminal.line('not in it: secret.key and the recordings, in DATA_DIR; keep them too')
  },
}

export const restore: Command = {
  words: 'restore',
  takes: ['<file>'],
  says: 'Load a backup into an empty database, and prove its ledger and its audit trail.',
  async run(given, around) {
    const path = resolve(around.directory, given.argument('file'))
    const { rows, createdAt } = await restoreBackup(configOf(around), path)
    around.terminal.line(`${rows} rows as of ${createdAt}`)
    const books = await proof(around, 'the ledger adds up', (operator) => operator.verifyLedger())
    const trail = await proof(around, 'the audit trail is whole', (operator) =>
      operator.verifyAudit(),
    )
    return books + trail === 0 ? 0 : 1
  },
}
