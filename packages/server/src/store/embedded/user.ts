// Who the embedded PostgreSQL runs as: it refuses to be root, so root steps down to a user that can't do much.
import { readFile, stat } from 'node:fs/promises'
import { Fault } from '@saperly/kernel'

/** The user to spawn as; null ids mean: as we are. */
export interface RunAs {
  uid: number | null
  gid: number | null
}

/** In this order: PostgreSQL's own user where the machine has one, or the one that owns nothing. */
const CANDIDATES = ['postgres', 'nobody']

/**
 * Whoever owns the database's folder already, if it is there; else the first candidate that exists.
 * @throws Fault when this is root and there is nobody to step down to
 */
export async function unprivilegedUser(home: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { uid: null, gid: null }
  const owner = await stat(home).catch(() => null)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  for (const name of CANDIDATES) {
    const entry = passwd.split('\n').find((line) => line.startsWith(`${name}:`))
    const [, , uid, gid] = entry?.split(':') ?? []
    // macOS writes nobody as -2.
    if (Number(uid) > 0 && Number(gid) > 0) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Fault(
    'the embedded PostgreSQL does not run as root, and there is no user postgres or nobody: ' +
      'start as another user, or set DATABASE_URL',
    { retryable: false },
  )
}
