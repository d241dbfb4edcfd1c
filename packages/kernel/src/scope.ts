// Structured concurrency: work that has a parent, an end, and a written closing order.
//
// `withScope` returns only after every forked child has ended and every finalizer has run, in reverse order of
// registration. The first child that throws cancels its siblings, and its error is what `withScope` rejects with.
// Finalizers run after cancellation, each with its own time limit. Every wait inside a scope takes `scope.signal`.
import { assert } from './assert.ts'
import { Cancelled, cancelledBy } from './cancel.ts'
import type { Clock } from './clock.ts'

/** How long one finalizer may take before it is reported as stuck. */
export const FINALIZER_LIMIT_MS = 10_000

let live = 0

/** Number of scopes not yet closed in this process; zero when nothing leaked. */
export function liveScopes(): number {
  return live
}

export class Scope {
  readonly #controller = new AbortController()
  readonly #children = new Set<Promise<void>>()
  readonly #finalizers: { name: string; run: () => Promise<void> | void }[] = []
  #failure: { error: unknown } | null = null
  #closed = false

  /** Aborts when the scope is cancelled; its reason is a {@link Cancelled}. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Asks everything inside to stop. Idempotent; the first reason stands. */
  cancel(reason: string): void {
    if (!this.signal.aborted) this.#controller.abort(new Cancelled(reason))
  }

  /** Starts a child. Its failure (other than {@link Cancelled}) cancels the scope and is thrown by `withScope`. */
  fork(name: string, body: (signal: AbortSignal) => Promise<void>): void {
    assert(!this.#closed, `fork ${name} in a closed scope`)
    const child = body(this.signal).catch((error: unknown) => {
      if (error instanceof Cancelled) return
      this.#failure ??= { error }
      this.cancel(`child ${name} failed`)
    })
    this.#children.add(child)
    void child.finally(() => this.#children.delete(child))
  }

  /** Registers work for the end of the scope; runs in reverse order, also after a failure or a cancellation. */
  defer(name: string, run: () => Promise<void> | void): void {
    assert(!this.#closed, `defer ${name} in a closed scope`)
    this.#finalizers.push({ name, run })
  }

  /** Waits for the children, runs the finalizers, and throws the first failure. Called by `withScope` only. */
  async close(clock: Clock): Promise<void> {
    while (this.#children.size > 0) await Promise.all(this.#children)
    this.#closed = true
    const faults: unknown[] = []
    for (const { name, run } of this.#finalizers.toReversed()) {
      const limit = new AbortController()
      const stuck = clock.sleep(FINALIZER_LIMIT_MS, limit.signal).then(
        () => {
          throw new Error(`finalizer ${name} took more than ${FINALIZER_LIMIT_MS} ms`)
        },
        () => undefined,
      )
      try {
        await Promise.race([
          Promise.resolve().then(run),
          stuck.then(() => new Promise<void>(() => {})),
        ])
      } catch (error) {
        faults.push(error)
      } finally {
        limit.abort()
      }
    }
    if (this.#failure) throw this.#failure.error
    if (faults.length > 0) throw faults[0]
  }
}

/**
 * Runs `body` in a scope of its own. A parent's abort cancels it. Rejects with the first failure of the body, a
 * child or a finalizer; a cancellation rejects with {@link Cancelled} only if the body itself let it through.
 */
export async function withScope<T>(
  parent: AbortSignal | null,
  clock: Clock,
  body: (scope: Scope) => Promise<T>,
): Promise<T> {
  const scope = new Scope()
  const onAbort = (): void => scope.cancel(cancelledBy(parent!).reason)
  if (parent?.aborted) onAbort()
  parent?.addEventListener('abort', onAbort, { once: true })
  live++
  try {
    let outcome: { value: T } | { error: unknown }
    try {
      outcome = { value: await body(scope) }
    } catch (error) {
      outcome = { error }
    }
    scope.cancel('scope ended')
    await scope.close(clock)
    if ('error' in outcome) throw outcome.error
    return outcome.value
  } finally {
    live--
    parent?.removeEventListener('abort', onAbort)
  }
}
