// The entry of a media worker thread: a media host with the machine's clock, sockets and randomness.
import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { assert, SystemClock, systemRandom, type Timer } from '@saperly/kernel'
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
/** Milliseconds that the thread slept on purpose since the load was last told. */
let restedMs = 0
/** Nobody ever rings it: it is what the thread sleeps at. */
const bell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))

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
    rest,
  })
  loadTimer = clock.schedule(LOAD_INTERVAL_MS, () => reportLoad(host))
  return { speech, host }
}

/** Sleeps, event loop and all; what arrives meanwhile is read together afterwards. */
function rest(ms: number): void {
  const beganMs = clock.monotonicMs()
  Atomics.wait(bell, 0, 0, ms)
  restedMs += clock.monotonicMs() - beganMs
}

function reportLoad(host: MediaHost): void {
  const loop = performance.eventLoopUtilization()
  const { active, idle } = performance.eventLoopUtilization(loop, loopBefore)
  loopBefore = loop
  // The loop takes a rest for work.
  const use = active + idle > 0 ? Math.max(0, active - restedMs) / (active + idle) : 0
  restedMs = 0
  post({ type: 'load', load: host.load(use) })
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
