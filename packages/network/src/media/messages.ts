// What the plane and its worker threads say to each other, and a log that writes through such messages.
import type { MessagePort } from 'node:worker_threads'
import type { Log, LogFields } from '@saperly/kernel'
import type { ConfiguredSpeech } from '../speech/settings.ts'
import type { HostOptions } from './host.ts'
import type { WorkerLoad } from './load.ts'
import type { MediaCommand, MediaEvent, MediaPlaneOptions } from './port.ts'

/** The `workerData` of a media worker. */
export type MediaWorkerData = HostOptions & Pick<SpeechWorkerData, 'engine'>

/** The `workerData` of the speech worker. */
export interface SpeechWorkerData {
  engine: MediaPlaneOptions['engine']
  speech: ConfiguredSpeech
}

export type ToMediaWorker =
  /** The way to the speech worker; always the first message, and again whenever that worker was replaced. */
  | { type: 'speech'; port: MessagePort }
  | { type: 'command'; command: MediaCommand }
  /** Ends every leg; the thread then exits. */
  | { type: 'close' }

export type FromMediaWorker =
  | { type: 'event'; event: MediaEvent }
  /** About once a second. */
  | { type: 'load'; load: WorkerLoad }
  | LogMessage

export type ToSpeechWorker =
  | { type: 'connect'; port: MessagePort }
  /** Closes the engines; the thread then exits. */
  | { type: 'close' }

type Level = 'debug' | 'info' | 'warn' | 'error'

export interface LogMessage {
  type: 'log'
  level: Level
  event: string
  fields: LogFields
  cause: { name: string; message: string; stack: string | undefined } | null
}

/** A log inside a worker thread; its lines come out of the main thread's log. */
export function messageLog(post: (message: LogMessage) => void, base: LogFields = {}): Log {
  const line =
    (level: Level) =>
    (event: string, fields: LogFields = {}, cause?: unknown): void => {
      const error = cause === undefined ? null : cause instanceof Error ? cause : new Error('other')
      post({
        type: 'log',
        level,
        event,
        fields: { ...base, ...fields },
        cause: error && { name: error.name, message: error.message, stack: error.stack },
      })
    }
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: (fields) => messageLog(post, { ...base, ...fields }),
  }
}

/** Writes a worker's line into the main thread's log. */
export function writeMessage(log: Log, { level, event, fields, cause }: LogMessage): void {
  if (level !== 'error') return log[level](event, fields)
  if (cause === null) return log.error(event, fields)
  const error = Object.assign(new Error(cause.message), { name: cause.name, stack: cause.stack })
  log.error(event, fields, error)
}
