// Waiting and cancelling, in runtimes that have no more in common than timers and AbortSignal.

/** Resolves after `ms`. Rejects with the signal's reason when it is aborted before. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/** A controller that is aborted with its parent; `release` lets go of the parent. */
export function childOf(parent: AbortSignal | null | undefined): {
  controller: AbortController
  release: () => void
} {
  const controller = new AbortController()
  if (!parent) return { controller, release: () => undefined }
  const pass = (): void => controller.abort(parent.reason)
  if (parent.aborted) pass()
  else parent.addEventListener('abort', pass, { once: true })
  return { controller, release: () => parent.removeEventListener('abort', pass) }
}
