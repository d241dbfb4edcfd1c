// The priority of a media thread, in a thread of its own.
import { once } from 'node:events'
import { getPriority } from 'node:os'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { MEDIA_PRIORITY } from './thread-priority.ts'

const built = new URL('../../dist/media/thread-priority.js', import.meta.url)

/** What one thread finds when it raises itself: whether it may, and its priority afterwards. */
async function raised(): Promise<{ may: boolean; priority: number | null }> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const { getPriority } = require('node:os')
     import('${built.href}').then(({ raiseThread, threadId }) => {
       const may = raiseThread()
       parentPort.postMessage({ may, priority: process.platform === 'linux' ? getPriority(threadId()) : null })
     })`,
    { eval: true },
  )
  const [found] = (await once(worker, 'message')) as [{ may: boolean; priority: number | null }]
  await worker.terminate()
  return found
}

describe('the priority of a media thread', () => {
  test('is high where that is allowed, and nobody else is moved', async () => {
    const own = getPriority()
    const { may, priority } = await raised()
    if (may) expect(priority).toBe(MEDIA_PRIORITY)
    else if (priority !== null) expect(priority).toBe(own)
    expect(getPriority()).toBe(own)
  })
})
