// The entry of a media worker thread: a media host with the machine's clock, sockets and randomness.
import { parentPort, workerData } from 'node:worker_threads'
import { assert, SystemClock, systemRandom } from '@saperly/kernel'
import { systemUdp } from '../rtp/udp.ts'
import { createRemoteSpeech } from '../speech/remote.ts'
import { MediaHost } from './host.ts'
import {
  messageLog,
  type FromMediaWorker,
  type MediaWorkerData,
  type ToMediaWorker,
} from './messages.ts'
import { SpeechLink } from './speech-link.ts'
import { talkFactory } from './talk-factory.ts'
import { warmUp } from './warm-up.ts'

assert(parentPort, 'a media worker runs as a worker thread')
const port = parentPort
const data = workerData as MediaWorkerData
const post = (message: FromMediaWorker): void => port.postMessage(message)
const clock = new SystemClock()
const log = messageLog(post)
warmUp(clock, systemRandom)

/** Exists from the first message on, which brings the way to the speech worker. */
let running: { speech: SpeechLink; host: MediaHost } | null = null

function start(speech: SpeechLink): { speech: SpeechLink; host: MediaHost } {
  const host = new MediaHost(data, {
    clock,
    random: systemRandom,
    log,
    udp: systemUdp,
    speech,
    createTalk: talkFactory(data.engine),
    emit: (event) => post({ type: 'event', event }),
  })
  return { speech, host }
}

/** Ends every leg and everything that keeps the thread alive. */
async function stop(): Promise<void> {
  await running?.host.close()
  await running?.speech.close()
  port.close()
}

port.on('message', (message: ToMediaWorker) => {
  switch (message.type) {
    case 'speech': {
      const service = createRemoteSpeech(message.port)
      if (running) void running.speech.replace(service)
      else running = start(new SpeechLink(service, data.recognizer))
      return
    }
    case 'command':
      return running?.host.post(message.command)
    case 'close':
      return void stop()
  }
})
