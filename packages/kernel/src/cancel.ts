// Cancellation: an abort with a typed reason, neither a failure nor a fault.

/** Why a piece of work was told to stop. `reason` is a short word, e.g. `hangup`, `shutdown`, `timeout`. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled'
  readonly reason: string

  constructor(reason: string) {
    super(`cancelled: ${reason}`)
    this.reason = reason
  }
}

/** The {@link Cancelled} that an aborted signal stands for. */
export function cancelledBy(signal: AbortSignal): Cancelled {
  return signal.reason instanceof Cancelled
    ? signal.reason
    : new Cancelled(signal.reason instanceof Error ? signal.reason.name : 'aborted')
}

/** Throws {@link Cancelled} when the signal has been aborted. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelledBy(signal)
}

/** Settles as `promise` does, or rejects with {@link Cancelled} as soon as `signal` aborts. */
export function untilCancelled<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => undefined)
      return reject(cancelledBy(signal))
    }
    const onAbort = (): void => reject(cancelledBy(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(
      (value) => {
        signal.removeEventListener('abort', onAbort)
        resolve(value)
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort)
        reject(error)
      },
    )
  })
}
