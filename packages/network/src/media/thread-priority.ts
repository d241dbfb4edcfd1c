// A media thread goes before the other threads of its process: a packet that is late is lost, whatever else waits for a
// core only comes later.
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

/** A nice value, as of setpriority(2). */
export const MEDIA_PRIORITY = constants.priority.PRIORITY_HIGH
const DENIED = new Set(['EACCES', 'EPERM'])

/**
 * Puts the calling thread at `MEDIA_PRIORITY`. False where the system doesn't let us (without CAP_SYS_NICE), or has no
 * priority for a thread of its own (all but Linux).
 */
export function raiseThread(): boolean {
  if (process.platform !== 'linux') return false
  try {
    setPriority(threadId(), MEDIA_PRIORITY)
    return true
  } catch (error) {
    const { info } = error as { info?: { code?: string } }
    if (info?.code && DENIED.has(info.code)) return false
    throw error
  }
}

/** The kernel's number of the calling thread: the link names it as `pid/task/tid` (proc(5)). */
export function threadId(): number {
  return Number(readlinkSync('/proc/thread-self').split('/').at(-1))
}
