// The embedded database that another process runs: where an operator's command finds it while the server is up.
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseAddress } from '../database.ts'
import { SOCKET_PORT, homeOf } from './places.ts'
import { runningPostmaster } from './postmaster.ts'
import { DATABASE, USER, clientOf } from './server.ts'

/**
 * The address of the embedded database of `dataDir` while some process works with it; null when none does. One that
 * outlived its owner counts as none: `startEmbedded` goes on with it, and stops it in the end.
 */
export async function runningEmbedded(dataDir: string): Promise<DatabaseAddress | null> {
  const home = await realpath(homeOf(dataDir)).catch(() => null)
  if (home === null) return null
  const postmaster = await runningPostmaster(join(home, 'cluster'))
  if (!postmaster?.ready) return null
  const { socketFolder } = postmaster
  if (!(await isInUse(socketFolder))) return null
  return { host: socketFolder, port: SOCKET_PORT, user: USER, database: DATABASE }
}

/** Its owner keeps a connection open for as long as it lives. */
async function isInUse(socketFolder: string): Promise<boolean> {
  const client = clientOf(socketFolder)
  // A server that stops under our question is not in use.
  let lost = false
  client.on('error', () => (lost = true))
  try {
    await client.connect()
    const { rowCount } = await client.query(
      `select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
    )
    return !lost && (rowCount ?? 0) > 0
  } finally {
    await client.end()
  }
}
