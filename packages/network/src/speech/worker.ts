// The entry of the speech worker thread: the engines of the node, serving every media worker that connects.
import { parentPort, workerData } from 'node:worker_threads'
import { assert, SystemClock } from '@saperly/kernel'
import { messageLog } from '../media/messages.ts'
import type { SpeechWorkerData, ToSpeechWorker } from '../media/messages.ts'
import { serveSpeech } from './serve.ts'
import { recognizerOf } from './catalogue.ts'
import { openSpeech } from './engines.ts'
import { startSherpa } from './sherpa-process.ts'

assert(parentPort, 'the speech worker runs as a worker thread')
const port = parentPort
const { engine, speech } = workerData as SpeechWorkerData
const log = messageLog((message) => port.postMessage(message))
const clock = new SystemClock()
const opening = openSpeech(engine, speech, {
  clock,
  log,
  startSherpa: (name, { model }) => startSherpa(name, model, { clock, log }),
})

/** Engines may have sockets and processes of their own, which would outlive this thread. */
async function close(): Promise<void> {
  const service = await opening
  await service.close()
  process.exit()
}

// A port queues what is asked of it until it is served, so nothing is lost while the engine opens.
port.on('message', (message: ToSpeechWorker) => {
  if (message.type === 'close') return void close()
  void opening.then((service) => serveSpeech(message.port, service, recognizerOf(engine), log))
})
