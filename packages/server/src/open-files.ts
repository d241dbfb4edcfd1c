// How many sockets this process can afford: its limit of open files, shared between who calls in and everything else.
import { readFile } from 'node:fs/promises'

/** What the platform is built for, of HTTP clients and of brains' sockets each, where the machine allows it. */
export const MAX_CLIENTS = 10_000
/** The part of all open files that each of the two may have; the rest is for media, the database, files and requests. */
const SHARE = 0.4
const SOFT_LIMIT = /^Max open files\s+(\d+|unlimited)/m

/** Sockets at once for HTTP clients, and as many for brains. */
export function clientLimit(openFiles: number): number {
  return Math.max(1, Math.min(MAX_CLIENTS, Math.floor(openFiles * SHARE)))
}

/** The limit of open files of this process; Infinity where the system does not say (elsewhere than on Linux). */
export async function openFilesLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const soft = Number(SOFT_LIMIT.exec(limits)?.[1] ?? NaN)
  return Number.isNaN(soft) ? Infinity : soft
}
