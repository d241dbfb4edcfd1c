// Server-sent events: the past first, then live, until the call ends, the client goes, or its key is revoked.
import { Readable } from 'node:stream'
import { Cancelled, type Clock } from '@saperly/kernel'
import type { CallEvent } from '@saperly/contract'

/** A comment goes out this often, so that nothing between us and the client takes the stream for dead. */
export const HEARTBEAT_MS = 15_000
/** Streams that one key may hold open. */
export const MAX_STREAMS_PER_KEY = 100

/** What a stream may run ahead of a slow client; beyond it the store is simply not read. */
const BUFFER_BYTES = 64 * 1024

export interface OpenStream {
  readonly signal: AbortSignal
  close(reason: string): void
}

/** Streams that are open, by key: so that revoking a key, or closing the server, ends them at once. */
export class Streams {
  readonly #byKey = new Map<string, Set<AbortController>>()

  /** Registers a stream; null when the key has too many. Whoever opens it closes it. */
  open(keyId: string): OpenStream | null {
    const open = this.#byKey.get(keyId) ?? new Set<AbortController>()
    if (open.size >= MAX_STREAMS_PER_KEY) return null
    const controller = new AbortController()
    this.#byKey.set(keyId, open.add(controller))
    return {
      signal: controller.signal,
      close: (reason) => {
        if (open.delete(controller) && open.size === 0) this.#byKey.delete(keyId)
        controller.abort(new Cancelled(reason))
      },
    }
  }

  /** Ends every stream of these keys. */
  revoke(keyIds: readonly string[]): void {
    for (const keyId of keyIds) this.#end(keyId, 'revoked')
  }

  closeAll(): void {
    for (const keyId of this.#byKey.keys()) this.#end(keyId, 'shutdown')
  }

  get size(): number {
    let size = 0
    for (const open of this.#byKey.values()) size += open.size
    return size
  }

  #end(keyId: string, reason: string): void {
    for (const controller of this.#byKey.get(keyId) ?? []) controller.abort(new Cancelled(reason))
  }
}

/** One event as the stream writes it. */
export function frame(event: CallEvent): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

/** The bytes of a stream of events. Closes `stream` at its end; whoever knows that the client went closes it before. */
export function eventStream(
  events: AsyncIterable<CallEvent>,
  stream: OpenStream,
  { clock, stillValid }: { clock: Clock; stillValid: () => Promise<boolean> },
): Readable {
  return Readable.from(frames(events, stream, clock, stillValid), {
    objectMode: false,
    highWaterMark: BUFFER_BYTES,
  })
}

async function* frames(
  events: AsyncIterable<CallEvent>,
  stream: OpenStream,
  clock: Clock,
  stillValid: () => Promise<boolean>,
): AsyncGenerator<string> {
  yield ': open\n\n'
  const iterator = events[Symbol.asyncIterator]()
  let next = iterator.next()
  try {
    for (;;) {
      const won = await orHeartbeat(next, clock, stream.signal)
      if (won === null) {
        if (!(await stillValid())) return
        yield ': still here\n\n'
        continue
      }
      if (won.done) return
      yield frame(won.value)
      if (won.value.type === 'ended') return
      next = iterator.next()
    }
  } catch (error) {
    // The client went, the key was revoked or the server closes: the stream just ends.
    if (!(error instanceof Cancelled)) throw error
  } finally {
    // A source that still waits for its next event ends only by cancellation, which nobody listens to any more.
    next.catch(() => undefined)
    stream.close('over')
    await iterator.return?.()
  }
}

/** The next event, or null when none has come for one heartbeat. */
async function orHeartbeat<T>(
  next: Promise<T>,
  clock: Clock,
  signal: AbortSignal,
): Promise<T | null> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const beat = clock.sleep(HEARTBEAT_MS, either).then(() => null)
  try {
    return await Promise.race([next, beat])
  } finally {
    stop.abort()
    beat.catch(() => undefined)
  }
}
