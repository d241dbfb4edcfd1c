// A worker thread as the plane sees it: messages, one end, and a difference between being stopped and having crashed.
import { Worker, type TransferListItem } from 'node:worker_threads'
import { Fault, type Clock } from '@saperly/kernel'

/** How long a thread may take to end by itself. */
const STOP_LIMIT_MS = 5000

let live = 0

/** Number of worker threads that have not ended yet; zero when nothing leaked. */
export function liveThreads(): number {
  return live
}

export interface ThreadListeners<From> {
  message: (message: From) => void
  /** The thread ended without having been asked to. Called once. */
  crash: (fault: Fault) => void
}

export class Thread<To, From> {
  readonly #worker: Worker
  readonly #exited: Promise<void>
  #stopping = false

  /** Starts the built file that belongs to the source `entry` (a worker thread can't load TypeScript). */
  constructor(entry: URL, workerData: unknown, on: ThreadListeners<From>) {
    this.#worker = new Worker(builtFile(entry), { workerData, execArgv: [] })
    live++
    let cause: unknown
    this.#worker.on('message', on.message)
    this.#worker.on('error', (error) => (cause = error))
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        live--
        resolve()
        if (this.#stopping) return
        on.crash(new Fault('a worker thread has crashed', { cause, retryable: true }))
      })
    })
  }

  post(message: To, transfer: readonly TransferListItem[] = []): void {
    this.#worker.postMessage(message, transfer)
  }

  /** Asks the thread to end with `request`, and ends it by force when it takes too long. */
  async stop(request: To, clock: Clock): Promise<void> {
    this.#stopping = true
    this.post(request)
    const force = clock.schedule(STOP_LIMIT_MS, () => void this.#worker.terminate())
    await this.#exited
    force.cancel()
  }
}

/** Where the compiler puts the source `entry`. */
export function builtFile(entry: URL): URL {
  return new URL(
    entry.href.replace(/\/src(\/[\w-]+\/[\w-]+)\.ts$/, '/dist$1.js').replace(/\.ts$/, '.js'),
  )
}
