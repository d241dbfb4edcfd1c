// What is measured: one media host, as a worker thread runs it, in a process of its own so that its CPU time can be told.
//
// Every leg hears through the real talking part with its voice detector and speaks all the time; the recogniser and the
// voice are stood in for, since they run in another thread in production.
import { Resampler } from '../../packages/network/dist/speech/resample.js'
import { SystemClock, systemRandom, silentLog } from '../../packages/kernel/dist/index.js'
import { MediaHost } from '../../packages/network/dist/media/host.js'
import { talkFactory } from '../../packages/network/dist/media/talk-factory.js'
import { warmUp } from '../../packages/network/dist/media/warm-up.js'
import { openSweptUdp } from '../../packages/network/dist/rtp/swept-udp.js'
import { systemUdp } from '../../packages/network/dist/rtp/udp.js'

/** Each utterance has a length of its own: calls that began together don't speak in step for long. */
const SPEECH_SECONDS = { least: 2, most: 6 }
const clock = new SystemClock()
const pcm = Int16Array.from({ length: SPEECH_SECONDS.most * 8000 }, (_, i) =>
  Math.round(6000 * Math.sin(i / 3) * Math.sin(i / 700)),
)

/** Ears that understand nothing, a voice that is ready at once. */
const speech = {
  openEars: ({ onEvent }) => {
    let utterance = 0
    return {
      recognizer: 'free',
      expect: () => {},
      start: (id) => void (utterance = id),
      write: () => {},
      finish: () => onEvent({ type: 'final', utterance, text: '', noMatch: true, confidence: 0 }),
      cancel: () => {},
      close: () => {},
    }
  },
  mouth: {
    wordTimes: 'estimated',
    speak: async function* () {
      const seconds =
        SPEECH_SECONDS.least + Math.random() * (SPEECH_SECONDS.most - SPEECH_SECONDS.least)
      yield { pcm: pcm.subarray(0, Math.round(seconds * 8000)), words: [] }
    },
  },
  close: async () => {},
}

/** The talking part behind a change of rate in each direction, as an engine at 16 kHz needs it. */
function resampled(create) {
  return async (deps) => {
    const talk = await create(deps)
    const [up, down] = [new Resampler(8000, 16_000), new Resampler(16_000, 8000)]
    const wide = new Int16Array(320)
    return {
      hear: (frame, at) => {
        up.process(frame)
        talk.hear(frame, at)
      },
      play: (at) => {
        down.process(wide)
        return talk.play(at)
      },
      digit: (digit, at) => talk.digit(digit, at),
      command: (command) => talk.command(command),
      close: () => talk.close(),
    }
  }
}

let host = null
let legs = 0
const opened = []

function speak(legId) {
  host.post({
    type: 'talk',
    legId,
    command: {
      type: 'speak',
      utteranceId: `u${Math.floor(performance.now() * 1000)}`,
      text: 'bench',
      more: false,
      interruptible: false,
      protected: true,
      voice: null,
    },
  })
}

function onEvent(event, { agreement }) {
  if (event.type === 'opened') {
    opened.push(event.port)
    host.post({ type: 'connect', legId: event.legId, agreement })
    // One in hand: a leg that has nothing to say moves its turns when it has again, and that is not lateness.
    speak(event.legId)
    speak(event.legId)
    if (opened.length === legs) process.send({ type: 'opened', ports: opened })
  } else if (event.type === 'talk' && event.event.type === 'spoke') speak(event.legId)
  else if (event.type === 'failed') process.send({ type: 'failed', reason: event.reason })
}

function open(message) {
  legs = message.legs
  const talk = talkFactory('embedded')
  const swept = message.sockets === 'node' ? null : openSweptUdp(clock)
  host = new MediaHost(
    {
      ports: null,
      recognizer: 'free',
      timeouts: { firstPacketTimeoutMs: 60_000, packetTimeoutMs: 60_000 },
    },
    {
      clock,
      random: systemRandom,
      log: silentLog,
      udp: swept ?? systemUdp,
      speech,
      createTalk: message.resampling ? resampled(talk) : talk,
      emit: (event) => queueMicrotask(() => onEvent(event, message)),
    },
  )
  const options = {
    language: 'en-US',
    voice: null,
    phrases: [],
    endpointingMs: null,
    interruptible: true,
  }
  for (let i = 0; i < legs; i++) {
    host.post({
      type: 'open',
      legId: `leg${i}`,
      address: '127.0.0.1',
      talk: options,
      recordTo: null,
    })
  }
}

let loopBefore = performance.eventLoopUtilization()
process.on('message', (message) => {
  if (message.type === 'open') open(message)
  else if (message.type === 'measure') {
    const { user, system } = process.cpuUsage()
    const { utilization } = performance.eventLoopUtilization(loopBefore)
    loopBefore = performance.eventLoopUtilization()
    const load = host.load(utilization)
    process.send({ type: 'measured', cpuMs: (user + system) / 1000, load })
  } else if (message.type === 'stop') {
    void host.close().then(() => process.disconnect())
  }
})
warmUp(clock, systemRandom)
