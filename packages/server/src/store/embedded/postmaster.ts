// The server process itself: the file that says it runs, starting it, and asking it to stop.
import { spawn } from 'node:child_process'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@saperly/kernel'
import { spawnOptions } from './command.ts'
import { SOCKET_PORT } from './places.ts'
import type { RunAs } from './user.ts'

/** How often a condition of the server is looked at again. */
const POLL_MS = 20
/** A log longer than this is set aside at a start; one old log is kept. */
const LOG_MAX_BYTES = 10 * 1024 * 1024

/** What postmaster.pid says. */
export interface Postmaster {
  pid: number
  socketFolder: string
  /** False while the server starts or stops. */
  ready: boolean
  /** The process was seen to be this server; elsewhere than on Linux that can't be told. */
  certain: boolean
}

/** Durable, private, small: everything that the embedded server is told at its start. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  max_connections: '50',
  shared_buffers: '64MB',
  timezone: 'UTC',
  datestyle: 'ISO',
  // What people said and whom they called stays out of the log.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
}

/** The server of this cluster as its pid file has it, if its process is there. */
export function runningPostmaster(cluster: string): Promise<Postmaster | null> {
  return readLockFile(join(cluster, 'postmaster.pid'), cluster)
}

/**
 * A server that still sits on the socket although the cluster it served was removed under it (and perhaps made anew
 * under the same name).
 */
export function strayPostmaster(socketFolder: string, cluster: string): Promise<Postmaster | null> {
  return readLockFile(join(socketFolder, `.s.PGSQL.${SOCKET_PORT}.lock`), cluster)
}

/**
 * Both files have the same lines. One that names a process which is something else by now (pids are used again, in
 * containers at once) is removed.
 */
async function readLockFile(path: string, cluster: string): Promise<Postmaster | null> {
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) return null
  // Lines: pid, data folder, start, port, socket folder, address, shared memory, status.
  const lines = text.split('\n').map((line) => line.trim())
  const pid = Number(lines[0])
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isAlive(pid)) return null
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null)
  // While nobody has buried it, a new server takes its pid file for that of one that runs, and refuses to start.
  if (command === '' && (await isUnburied(pid))) {
    return { pid, socketFolder: lines[4] ?? '', ready: false, certain: false }
  }
  if (command !== null && !command.split('\0').includes(cluster)) {
    // An empty command line is a process that is just ending.
    if (command !== '') await rm(path, { force: true })
    return null
  }
  const ready = lines[7] === 'ready'
  return { pid, socketFolder: lines[4] ?? '', ready, certain: command !== null }
}

/** Dead, but its parent has not asked for it: after a crash that is whoever adopts orphans, in its own time. */
async function isUnburied(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return /\) [ZX] /.test(stat)
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Starts the server in a session of its own, so that neither our end nor a Ctrl-C meant for us takes it down: it is
 * stopped in order, after its last client. What it has to say goes to `postgres.log` in `home`. Returns a question:
 * has it ended?
 */
export async function spawnPostmaster(
  bin: string,
  home: string,
  socketFolder: string,
  user: RunAs,
): Promise<() => boolean> {
  const settings = Object.entries({ ...SETTINGS, unix_socket_directories: socketFolder })
  const logPath = join(home, 'postgres.log')
  const size = await stat(logPath).then(
    (found) => found.size,
    () => 0,
  )
  if (size > LOG_MAX_BYTES) await rename(logPath, `${logPath}.old`)
  const log = await open(logPath, 'a', 0o600)
  try {
    const child = spawn(
      join(bin, 'postgres'),
      [
        '-D',
        join(home, 'cluster'),
        ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      {
        ...spawnOptions(user),
        env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
        cwd: '/',
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      },
    )
    let ended = false
    child.on('error', () => (ended = true))
    child.on('exit', () => (ended = true))
    child.unref()
    return () => ended
  } finally {
    await log.close()
  }
}

/**
 * Ends the server and tells whether it ended in time. SIGINT: clients are sent away and everything is written. SIGQUIT:
 * at once, and nothing is written any more.
 */
export async function stopPostmaster(
  pid: number,
  signal: 'SIGINT' | 'SIGQUIT',
  clock: Clock,
  limitMs: number,
): Promise<boolean> {
  if (!isAlive(pid)) return true
  process.kill(pid, signal)
  return until(() => Promise.resolve(!isAlive(pid)), clock, limitMs)
}

/** Looks at a condition until it holds; false when it did not within `limitMs`. */
export async function until(
  condition: () => Promise<boolean>,
  clock: Clock,
  limitMs: number,
): Promise<boolean> {
  const never = new AbortController().signal
  const deadlineMs = clock.monotonicMs() + limitMs
  while (!(await condition())) {
    if (clock.monotonicMs() > deadlineMs) return false
    await clock.sleep(POLL_MS, never)
  }
  return true
}
