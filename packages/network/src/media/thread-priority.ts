// A media thread goes before the other threads of its process: a packet that is late is lost, whatever else waits for a
// core only comes later.
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

/** A nice value, as of setpriority(2). */
export const MEDIA_PRIORITY = constants.priority.PRIORITY_HIGH
/** Not allowed; or no /proc, or a sandboxed kernel that knows no threads by number. */
const UNABLE = new Set(['EACCES', 'EPERM', 'ENOENT', 'ESRCH', 'ENOSYS'])

/**
 * Puts the calling thread at `MEDIA_PRIORITY`. False where the system doesn't let us (without CAP_SYS_NICE, or /proc), or
 * has no priority for a thread of its own (all but Linux).
 */
export function raiseThread(): boolean {
  if (process.platform !== 'linux') return false
  try {
    setPriority(threadId(), MEDIA_PRIORITY)
    return true
  } catch (error) {
    const { code, info } = error as { code?: string; info?: { code?: string } }
    if (UNABLE.has(info?.code ?? code ?? '')) return false
    throw error
  }
}

/** The kernel's number of the calling thread: the link names it as `pid/task/tid` (proc(5)). */
export function threadId(): number {
  return Number(readlinkSync('/proc/thread-self').split('/').at(-1))
}
