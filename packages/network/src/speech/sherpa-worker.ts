// The entry of a thread that runs one model of sherpa-onnx, serving the speech worker.
import type { MessagePort } from 'node:worker_threads'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '@saperly/kernel'
import { messageLog } from '../media/messages.ts'
import { serveSpeech } from './serve.ts'
import { openSherpa } from './sherpa.ts'
import type { SherpaModel } from './sherpa-manifest.ts'
import { loadSherpa } from './sherpa-module.ts'

export interface SherpaWorkerData {
  model: SherpaModel
}

export type ToSherpaWorker = { type: 'connect'; port: MessagePort }

assert(parentPort, 'the sherpa worker runs as a worker thread')
const port = parentPort
const { model } = workerData as SherpaWorkerData
const log = messageLog((message) => port.postMessage(message))
const opening = loadSherpa().then((module) => openSherpa(model, module, log))

port.on('message', (message: ToSherpaWorker) => {
  void opening.then((service) => {
    log.info('speech.sherpa_ready', { family: model.family })
    serveSpeech(message.port, service, 'free', log)
  })
})
