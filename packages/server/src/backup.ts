// Backups of the platform's database as files: written while a server runs, and restored into an empty place.
import { createReadStream } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { Fault, SystemClock } from '@saperly/kernel'
import type { Config } from './config.ts'
import { openLog } from './log.ts'
import { openDatabase } from './operator-database.ts'
import { OperatorError } from './operator-error.ts'
import { keyIdOf, storedKey } from './secrets/box.ts'
import { dump } from './store/backup/dump.ts'
import { readManifest } from './store/backup/format.ts'
import { load } from './store/backup/load.ts'

/**
 * Writes the whole database, as of one moment, into a new file for its owner alone. Recordings are files of their own,
 * and the secret key is never in it.
 * @throws OperatorError when the file is there already, or there is no key, and so no database of ours
 * @throws Fault when the database is away or the file can't be written; no file is left then
 */
export async function writeBackup(config: Config, path: string): Promise<{ bytes: number }> {
  const clock = new SystemClock()
  const keyId = keyIdOf(await keyOf(config))
  const database = await openDatabase(config, clock, openLog(config.logLevel))
  try {
    const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EEXIST' ? 'is there already' : "can't be written"
      throw new OperatorError(`${path} ${why}`)
    })
    try {
      const lines = dump(database.address, { keyId, createdAt: clock.now() })
      await pipeline(Readable.from(lines), createGzip(), async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) await file.appendFile(chunk)
      })
      await file.sync()
      return { bytes: (await file.stat()).size }
    } catch (cause) {
      await unlink(path)
      throw cause instanceof Fault
        ? cause
        : new Fault(`${path} can't be written`, { cause, retryable: false })
    } finally {
      await file.close()
    }
  } finally {
    await database.stop()
  }
}

/**
 * Loads a backup into the database of this configuration, which must be empty: an empty data directory, or an empty
 * database at `DATABASE_URL`. The secret key must be in place, and be that of the backup.
 * @throws OperatorError when the key is missing or another
 * @throws Fault when the file is not whole, or the database is in use; nothing is loaded then
 */
export async function restoreBackup(
  config: Config,
  path: string,
): Promise<{ rows: number; createdAt: string }> {
  const keyId = keyIdOf(await keyOf(config))
  for await (const head of linesOf(path)) {
    if (readManifest(head).keyId !== keyId)
      throw new OperatorError(
        'the secret key in place is not the one that the backup was made with',
      )
    break
  }
  const log = openLog(config.logLevel)
  const database = await openDatabase(config, new SystemClock(), log)
  try {
    const { rows, manifest } = await load(database.address, () => linesOf(path), log)
    return { rows, createdAt: manifest.createdAt }
  } finally {
    await database.stop()
  }
}

async function keyOf({ secretKey, dataDir }: Config): Promise<Uint8Array> {
  const key = await storedKey({ fromEnvironment: secretKey, dataDir })
  if (key) return key
  throw new OperatorError(
    'the secret key is missing: put secret.key into DATA_DIR, or set SAPERLY_SECRET_KEY',
  )
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path)
  const input = createGunzip()
  // What goes wrong with the file goes wrong with what is read from it.
  file.on('error', (cause) => input.destroy(cause))
  try {
    yield* createInterface({ input: file.pipe(input), crlfDelay: Infinity })
  } catch (cause) {
    throw new Fault(`${path} can't be read as a backup`, { cause, retryable: false })
  } finally {
    file.destroy()
    input.destroy()
  }
}
