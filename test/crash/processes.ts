// Server processes that are killed: started, told where to die, and replaced by one that has been loaded meanwhile.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { deferred } from '@saperly/kernel'
import { WRITES } from './writes.ts'

const MAIN = new URL('./server.mjs', import.meta.url).pathname
/**
 * How long a process may take to load and to start, recovery included. These limits only end what hangs: on a machine of
 * two cores with thirty processes that want them, the start of one was seen to take more than a minute.
 */
const START_LIMIT_MS = 180_000
/** How long it may take to answer an order. */
const ORDER_LIMIT_MS = 60_000
const CLOSE_LIMIT_MS = 180_000

export interface Beginning {
  environment: Record<string, string>
  /** Where the config file is. */
  directory: string
  /** The place at which it dies before it is ready. */
  place?: string | null
}

/** One life of the server, as its parent sees it. */
export class Life {
  readonly #child: ChildProcess
  /** Resolves when the process is gone, with the signal that ended it. */
  readonly ended: Promise<NodeJS.Signals | null>
  #over = false
  url = ''
  /** The test key of the default workspace. */
  token = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    this.ended = once(child, 'exit').then((values) => {
      this.#over = true
      return values[1] as NodeJS.Signals | null
    })
  }

  /** A process with everything loaded, that has not begun. Its output goes to the open file `log`. */
  static load(log: number): Life {
    return new Life(spawn(process.execPath, [MAIN], { stdio: ['ignore', log, log, 'ipc'] }))
  }

  get over(): boolean {
    return this.#over
  }

  /** Resolves with whether the server is ready: false when it died first. */
  async start({ environment, directory, place = null }: Beginning): Promise<boolean> {
    const order = { type: 'start', environment, directory, writes: WRITES, place }
    const ready = await this.#ask<{ url: string; token: string }>(order, 'ready', START_LIMIT_MS)
    if (!ready) return false
    this.url = ready.url
    this.token = ready.token
    return true
  }

  /** The process dies when it passes this place the next time. */
  async arm(place: string | null): Promise<void> {
    await this.#ask({ type: 'arm', place }, 'armed', ORDER_LIMIT_MS)
  }

  /** The places that were passed since the last report. */
  async report(): Promise<string[]> {
    const order = { type: 'report' }
    return (await this.#ask<{ places: string[] }>(order, 'places', ORDER_LIMIT_MS))?.places ?? []
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  /** Ends in order, as at a SIGTERM; the places that it passed since the last report. */
  async close(): Promise<string[]> {
    const order = { type: 'close' }
    const answer = await this.#ask<{ places: string[] }>(order, 'places', CLOSE_LIMIT_MS)
    await this.ended
    return answer?.places ?? []
  }

  /** The answer, or null when the process died of the order. */
  async #ask<T>(order: object, answer: string, limitMs: number): Promise<T | null> {
    if (this.#over) return null
    const answered = deferred<T | null>()
    const onMessage = (message: { type: string } & T): void => {
      if (message.type === answer) answered.resolve(message)
    }
    const limit = setTimeout(
      () => answered.reject(new Error(`the server did not answer with ${answer}`)),
      limitMs,
    )
    this.#child.on('message', onMessage)
    void this.ended.then(() => answered.resolve(null))
    this.#child.send(order, (error) => error && answered.resolve(null))
    try {
      return await answered.promise
    } finally {
      clearTimeout(limit)
      this.#child.off('message', onMessage)
    }
  }
}
