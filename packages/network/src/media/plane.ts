// The media plane of one node: legs spread over media worker threads, with one speech worker behind them all.
import { MessageChannel } from 'node:worker_threads'
import type { Clock, Fault, Log, Random } from '@saperly/kernel'
import { repairWav, wavDurationMs, WAV_HEADER_BYTES } from '../record/wav.ts'
import { slicePorts } from '../rtp/ports.ts'
import { LegListeners } from './listeners.ts'
import type { PlaneLoad, WorkerLoad } from './load.ts'
import {
  writeMessage,
  type FromMediaWorker,
  type LogMessage,
  type SpeechWorkerData,
  type MediaWorkerData,
  type ToMediaWorker,
  type ToSpeechWorker,
} from './messages.ts'
import type {
  MediaCommand,
  MediaEvent,
  MediaPlane,
  MediaPlaneOptions,
  RecordingFile,
} from './port.ts'
import { OverloadWatch } from './overload.ts'
import { hearings, recognizerOf } from '../speech/catalogue.ts'
import { NOTHING_CONFIGURED, type ConfiguredSpeech } from '../speech/settings.ts'
import { RestartLimit } from './restart-limit.ts'
import { Thread } from './thread.ts'

const ENTRIES: PlaneEntries = {
  media: new URL('./worker.ts', import.meta.url),
  speech: new URL('../speech/worker.ts', import.meta.url),
}

/** The sources of the two kinds of worker thread; each runs from its built file. */
export interface PlaneEntries {
  media: URL
  speech: URL
}

export interface MediaPlaneDeps {
  clock: Clock
  random: Random
  log: Log
}

type MediaThread = Thread<ToMediaWorker, FromMediaWorker>
type SpeechThread = Thread<ToSpeechWorker, LogMessage>

interface Leg {
  worker: MediaWorker
  recordTo: string | null
  opened: boolean
}

interface MediaWorker {
  readonly data: MediaWorkerData
  readonly legs: Map<string, Leg>
  readonly restarts: RestartLimit
  /** Null when it has crashed too often. */
  thread: MediaThread | null
  /** What it last said of itself; null before the first time. */
  load: WorkerLoad | null
  overload: OverloadWatch
}

/** Starts the threads of a media plane. `close` joins them all. */
export function createMediaPlane(
  options: MediaPlaneOptions,
  deps: MediaPlaneDeps,
  entries: PlaneEntries = ENTRIES,
): MediaPlane {
  return new ThreadedPlane(options, deps, entries)
}

class ThreadedPlane implements MediaPlane {
  readonly #deps: MediaPlaneDeps
  readonly #entries: PlaneEntries
  readonly #engine: MediaPlaneOptions['engine']
  readonly #configured: ConfiguredSpeech
  readonly #listeners = new LegListeners()
  readonly #legs = new Map<string, Leg>()
  readonly #workers: MediaWorker[]
  readonly #speechRestarts: RestartLimit
  readonly #repairs = new Set<Promise<void>>()
  #speech: SpeechThread | null
  #closed: Promise<void> | null = null

  constructor(options: MediaPlaneOptions, deps: MediaPlaneDeps, entries: PlaneEntries) {
    this.#deps = deps
    this.#entries = entries
    this.#engine = options.engine
    this.#configured = options.speech ?? NOTHING_CONFIGURED
    this.#speechRestarts = new RestartLimit(deps.clock)
    this.#speech = this.#startSpeech()
    const { firstPacketTimeoutMs, packetTimeoutMs } = options
    const slices = options.ports && slicePorts(options.ports, options.workers)
    this.#workers = Array.from({ length: options.workers }, (_, i) => {
      const data: MediaWorkerData = {
        engine: options.engine,
        ports: slices?.[i] ?? null,
        recognizer: recognizerOf(options.engine),
        hearings: hearings(options.engine, options.speech),
        timeouts: { firstPacketTimeoutMs, packetTimeoutMs },
        opusComplexity: options.opusComplexity,
      }
      return {
        data,
        legs: new Map(),
        restarts: new RestartLimit(deps.clock),
        thread: null,
        load: null,
        overload: new OverloadWatch(),
      }
    })
    for (const worker of this.#workers) this.#startMedia(worker)
  }

  get sessions(): number {
    return this.#legs.size
  }

  get load(): PlaneLoad {
    const alive = this.#workers.filter(({ thread }) => thread !== null)
    return {
      workers: this.#workers.flatMap(({ load }) => load ?? []),
      overloaded: alive.length > 0 && alive.every(({ overload }) => overload.overloaded),
    }
  }

  post(command: MediaCommand): void {
    const worker =
      command.type === 'open' ? this.#place(command) : this.#legs.get(command.legId)?.worker
    worker?.thread?.post({ type: 'command', command })
  }

  subscribe(legId: string, listener: (event: MediaEvent) => void): () => void {
    return this.#listeners.add(legId, listener)
  }

  close(): Promise<void> {
    this.#closed ??= this.#closeAll()
    return this.#closed
  }

  async #closeAll(): Promise<void> {
    const { clock } = this.#deps
    await Promise.all(
      this.#workers.map(async (worker) => worker.thread?.stop({ type: 'close' }, clock)),
    )
    await this.#speech?.stop({ type: 'close' }, clock)
    // Legs are left only where a thread had to be ended by force.
    for (const [legId, leg] of this.#legs) await this.#endCrashed(legId, leg)
    await Promise.all(this.#repairs)
  }

  /**
   * Gives a new leg to the worker of the one that it is to be bridged with, else to that with the fewest, one that isn't
   * overloaded if there is; null when it was refused.
   */
  #place(command: MediaCommand & { type: 'open' }): MediaWorker | null {
    const { legId, recordTo, beside } = command
    const alive = this.#workers.filter((worker) => worker.thread !== null)
    const worker =
      alive.find(({ legs }) => legs.has(beside ?? '')) ??
      alive.sort(
        (a, b) =>
          Number(a.overload.overloaded) - Number(b.overload.overloaded) ||
          a.legs.size - b.legs.size,
      )[0]
    if (worker === undefined || this.#closed || this.#legs.has(legId)) {
      const reason = this.#legs.has(legId) ? 'leg_exists' : 'media_unavailable'
      queueMicrotask(() => this.#listeners.tell({ type: 'failed', legId, reason }))
      return null
    }
    const leg = { worker, recordTo, opened: false }
    this.#legs.set(legId, leg)
    worker.legs.set(legId, leg)
    return worker
  }

  #onEvent(event: MediaEvent): void {
    const leg = this.#legs.get(event.legId)
    if (leg === undefined) return
    if (event.type === 'opened') leg.opened = true
    if (event.type === 'closed' || (event.type === 'failed' && !leg.opened)) {
      this.#forget(event.legId, leg)
    }
    this.#listeners.tell(event)
  }

  #onLoad(worker: MediaWorker, load: WorkerLoad): void {
    const before = worker.overload.overloaded
    worker.load = load
    worker.overload.look(load)
    if (worker.overload.overloaded === before) return
    const { legs, loopUse, slipP99Ms, lateShare } = load
    const event = before ? 'media.relieved' : 'media.overloaded'
    this.#deps.log.warn(event, { legs, loopUse, slipP99Ms, lateShare })
  }

  #forget(legId: string, leg: Leg): void {
    this.#legs.delete(legId)
    leg.worker.legs.delete(legId)
  }

  #startMedia(worker: MediaWorker): void {
    const { log } = this.#deps
    worker.thread = new Thread(this.#entries.media, worker.data, {
      message: (message) => {
        if (message.type === 'log') writeMessage(log, message)
        else if (message.type === 'load') this.#onLoad(worker, message.load)
        else this.#onEvent(message.event)
      },
      crash: (fault) => this.#onMediaCrash(worker, fault),
    })
    this.#connectSpeech(worker.thread)
  }

  /** Every leg of the thread is lost; what was recorded of it is saved. Then another thread takes its place. */
  #onMediaCrash(worker: MediaWorker, fault: Fault): void {
    this.#deps.log.error('media.worker_crashed', { legs: worker.legs.size }, fault)
    worker.thread = null
    worker.load = null
    worker.overload = new OverloadWatch()
    for (const [legId, leg] of worker.legs) {
      this.#listeners.tell({ type: 'failed', legId, reason: 'media_worker_crashed' })
      const end = this.#endCrashed(legId, leg).finally(() => this.#repairs.delete(end))
      this.#repairs.add(end)
    }
    if (this.#closed === null && worker.restarts.allows()) this.#startMedia(worker)
  }

  async #endCrashed(legId: string, leg: Leg): Promise<void> {
    const recording = leg.recordTo && (await this.#saveRecording(leg.recordTo))
    this.#forget(legId, leg)
    if (!leg.opened) return
    const saved = recording || null
    this.#listeners.tell({ type: 'closed', legId, recording: saved, quality: null })
  }

  async #saveRecording(path: string): Promise<RecordingFile | null> {
    try {
      const dataBytes = await repairWav(path)
      if (dataBytes === null) return null
      return { path, durationMs: wavDurationMs(dataBytes), bytes: WAV_HEADER_BYTES + dataBytes }
    } catch (error) {
      this.#deps.log.error('recording.repair_failed', {}, error)
      return null
    }
  }

  #startSpeech(): SpeechThread {
    const data: SpeechWorkerData = { engine: this.#engine, speech: this.#configured }
    return new Thread(this.#entries.speech, data, {
      message: (line) => writeMessage(this.#deps.log, line),
      crash: (fault) => this.#onSpeechCrash(fault),
    })
  }

  /** Calls go on: what was just being heard or spoken is lost, and the next sentence finds the new engine. */
  #onSpeechCrash(fault: Fault): void {
    this.#deps.log.error('media.speech_crashed', {}, fault)
    this.#speech = null
    if (this.#closed || !this.#speechRestarts.allows()) return
    this.#speech = this.#startSpeech()
    for (const worker of this.#workers) if (worker.thread) this.#connectSpeech(worker.thread)
  }

  #connectSpeech(thread: MediaThread): void {
    const { port1, port2 } = new MessageChannel()
    this.#speech?.post({ type: 'connect', port: port1 }, [port1])
    thread.post({ type: 'speech', port: port2 }, [port2])
  }
}
