// A model of sherpa-onnx as the speech worker sees it: a service whose computing is done in a thread of its own.
import { MessageChannel } from 'node:worker_threads'
import type { Log } from '@saperly/kernel'
import { writeMessage, type LogMessage } from '../media/messages.ts'
import { Thread } from '../media/thread.ts'
import type { SpeechService } from './port.ts'
import { createRemoteSpeech } from './remote.ts'
import type { SherpaSettings } from './settings.ts'
import type { SherpaWorkerData, ToSherpaWorker } from './sherpa-worker.ts'

const ENTRY = new URL('./sherpa-worker.ts', import.meta.url)

/**
 * Starts the thread. What is asked before the model is in memory waits; a model that can't be used, or that crashes, is
 * gone: its ears and speeches end with a fault, and the others of the configuration take their place.
 */
export function startSherpa(name: string, { model }: SherpaSettings, log: Log): SpeechService {
  const { port1, port2 } = new MessageChannel()
  const data: SherpaWorkerData = { model }
  const thread = new Thread<ToSherpaWorker, LogMessage>(ENTRY, data, {
    message: (line) => writeMessage(log, line),
    crash: (fault) => {
      log.error('speech.engine_crashed', { engine: name }, fault)
      port2.close()
    },
  })
  thread.post({ type: 'connect', port: port1 }, [port1])
  const remote = createRemoteSpeech(port2)
  return {
    openEars: (options) => remote.openEars(options),
    mouth: remote.mouth,
    close: async () => {
      await remote.close()
      await thread.terminate()
    },
  }
}
