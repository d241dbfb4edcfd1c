// The entry of a media worker thread: a media host with the machine's clock, sockets and randomness.
import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { assert, SystemClock, systemRandom, type Timer } from '@saperly/kernel'
import { openSweptUdp } from '../rtp/swept-udp.ts'
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
import { raiseThread } from './thread-priority.ts'
import { warmUp } from './warm-up.ts'

assert(parentPort, 'a media worker runs as a worker thread')
const port = parentPort
const data = workerData as MediaWorkerData
const post = (message: FromMediaWorker): void => port.postMessage(message)
const clock = new SystemClock()
const log = messageLog(post)
raiseThread()
warmUp(clock, systemRandom)

/** How often the plane hears how busy this worker is. */
const LOAD_INTERVAL_MS = 1000
let loadTimer: Timer | null = null
let loopBefore = performance.eventLoopUtilization()
const swept = openSweptUdp(clock)
log.debug('media.sockets', { read: swept ? 'in sweeps' : 'one by one' })

/** Exists from the first message on, which brings the way to the speech worker. */
let running: { speech: SpeechLink; host: MediaHost } | null = null

function start(speech: SpeechLink): { speech: SpeechLink; host: MediaHost } {
  const host = new MediaHost(data, {
    clock,
    random: systemRandom,
    log,
    udp: swept ?? systemUdp,
    speech,
    createTalk: talkFactory(data.engine),
    emit: (event) => post({ type: 'event', event }),
  })
  loadTimer = clock.schedule(LOAD_INTERVAL_MS, () => reportLoad(host))
  return { speech, host }
}

function reportLoad(host: MediaHost): void {
  const loop = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(loop, loopBefore)
  loopBefore = loop
  post({ type: 'load', load: host.load(utilization) })
  loadTimer = clock.schedule(LOAD_INTERVAL_MS, () => reportLoad(host))
}

/** Ends every leg and everything that keeps the thread alive. */
async function stop(): Promise<void> {
  loadTimer?.cancel()
  await running?.host.close()
  await running?.speech.close()
  port.close()
}

port.on('message', (message: ToMediaWorker) => {
  switch (message.type) {
    case 'speech': {
      const service = createRemoteSpeech(message.port)
      if (running) void running.speech.replace(service)
      else running = start(new SpeechLink(service, data.recognizer, data.hearings))
      return
    }
    case 'command':
      return running?.host.post(message.command)
    case 'close':
      return void stop()
  }
})
