// Where the embedded database lives: its home in the data folder, and a socket folder with a short path.
import { createHash } from 'node:crypto'
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  realpath,
  rmdir,
  stat,
  symlink,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault, type Log } from '@saperly/kernel'
import { runCommand } from './command.ts'
import type { RunAs } from './user.ts'

/** The socket's name is `.s.PGSQL.<port>`; no TCP port is ever opened. */
export const SOCKET_PORT = 5432
/** What the shortest `sun_path` (macOS) holds, less its final zero. */
const SOCKET_PATH_MAX = 103
/** For data folders that the database's user can't reach, such as those below /root. */
const REACHABLE_HOME = '/var/lib/saperly'

function hashOf(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 12)
}

/** What the database's folder is called in the data folder, whether it is there or a link to elsewhere. */
export function homeOf(dataDir: string): string {
  return join(dataDir, 'postgres')
}

/**
 * The folder that belongs to the database's user: `postgres` in the data folder; or, where that user can't get there,
 * a link of this name to a folder below /var/lib/saperly.
 * @throws Fault when neither can be used
 */
export async function prepareHome(dataDir: string, user: RunAs, log: Log): Promise<string> {
  await mkdir(dataDir, { recursive: true }).catch((cause: unknown) => {
    throw new Fault(`the data folder ${dataDir} can't be made: set DATA_DIR to one that can`, {
      cause,
      retryable: false,
    })
  })
  const home = homeOf(dataDir)
  const known = await realpath(home).catch(() => null)
  if (known !== null && (await usable(known, user))) return known
  if (known === null) await mkdir(home, { mode: 0o700 })
  if (user.uid !== null && user.gid !== null) {
    // Passing through is enough; listing and reading the data folder stay as they were.
    await chmod(dataDir, (await stat(dataDir)).mode | 0o011)
    await chown(await realpath(home), user.uid, user.gid)
  }
  const own = await realpath(home)
  if (await usable(own, user)) return own
  if (user.uid === null || known !== null) {
    throw new Fault(
      `the database's user can't write to ${own}: give it the folder, or set DATABASE_URL`,
      {
        retryable: false,
      },
    )
  }
  return elsewhere(home, user, log)
}

async function usable(folder: string, user: RunAs): Promise<boolean> {
  const { code } = await runCommand('/bin/sh', ['-c', 'cd "$0" && test -w .', folder], user)
  return code === 0
}

async function elsewhere(home: string, user: RunAs, log: Log): Promise<string> {
  await mkdir(REACHABLE_HOME, { recursive: true, mode: 0o755 })
  // Never a name used before: whoever removed the data folder meant to begin anew.
  const folder = await mkdtemp(join(REACHABLE_HOME, 'postgres-'))
  await chown(folder, user.uid!, user.gid!)
  await rmdir(home)
  await symlink(folder, home)
  log.warn('database_lives_elsewhere', { folder, reason: 'its user cannot reach the data folder' })
  return folder
}

/**
 * A folder for the socket, mode 0700, owned by the database's user, the same for the same home.
 * @throws Fault when somebody else owns the name
 */
export async function prepareSocketFolder(home: string, user: RunAs): Promise<string> {
  const name = `saperly-${hashOf(home)}`
  const candidates = [join(tmpdir(), name), join('/tmp', name)]
  const folder = candidates.find(
    (path) => Buffer.byteLength(`${path}/.s.PGSQL.${SOCKET_PORT}`) <= SOCKET_PATH_MAX,
  )!
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const ownUid = process.getuid?.() ?? 0
  const found = await lstat(folder)
  if (!found.isDirectory() || ![ownUid, user.uid].includes(found.uid)) {
    throw new Fault(`${folder} belongs to somebody else: remove it, or set TMPDIR`, {
      retryable: false,
    })
  }
  if (user.uid !== null && user.gid !== null) await chown(folder, user.uid, user.gid)
  await chmod(folder, 0o700)
  return folder
}

/** After the server has ended its folder is empty; what is not ours to remove stays. */
export async function removeSocketFolder(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY') throw error
  })
}
