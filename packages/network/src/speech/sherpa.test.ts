// Models of sherpa-onnx behind our port, against a module of the documented shape: no model is at hand in tests.
import { Fault, silentLog } from '@saperly/kernel'
import { beforeEach, describe, expect, it } from 'vitest'
import { EngineFault } from './engine.ts'
import type { AudioChunk, EarsEvent, SpeechService } from './port.ts'
import { openSherpa } from './sherpa.ts'
import type { SherpaModel } from './sherpa-manifest.ts'
import {
  hasSherpa,
  loadSherpa,
  type SherpaModule,
  type SherpaOnlineStream,
  type Waveform,
} from './sherpa-module.ts'
import { eventually } from './testing-vendors.ts'

/** A step of the fake model: 320 ms of 16 kHz. */
const STEP_SAMPLES = 5_120

class Stream implements SherpaOnlineStream {
  samples = 0
  decoded = 0
  peak = 0
  rates = new Set<number>()
  finished = false
  acceptWaveform({ samples, sampleRate }: Waveform): void {
    this.samples += samples.length
    this.rates.add(sampleRate)
    this.peak = samples.reduce((peak, value) => Math.max(peak, Math.abs(value)), this.peak)
  }
  inputFinished(): void {
    this.finished = true
  }
}

let streams: Stream[]
let configs: object[]
let said: { text: string; sid: number }[]
let broken: boolean
/** How much of the audio is told on the way. */
let progressive: boolean
beforeEach(() => {
  streams = []
  configs = []
  said = []
  broken = false
  progressive = true
})

const open = (): Stream => {
  const stream = new Stream()
  streams.push(stream)
  return stream
}

const MODULE: SherpaModule = {
  OnlineRecognizer: class {
    constructor(config: object) {
      if (broken) throw new Error('no such model')
      configs.push(config)
    }
    createStream = open
    isReady(stream: Stream): boolean {
      return stream.samples - stream.decoded >= (stream.finished ? 1 : STEP_SAMPLES)
    }
    decode(stream: Stream): void {
      stream.decoded = Math.min(stream.samples, stream.decoded + STEP_SAMPLES)
    }
    getResult(stream: Stream): { text: string; ys_probs: number[] } {
      const words = stream.peak > 0.1 ? Math.ceil(stream.decoded / STEP_SAMPLES) : 0
      return { text: 'word '.repeat(words), ys_probs: [Math.log(0.8)] }
    }
  },
  OfflineRecognizer: class {
    constructor(config: object) {
      configs.push(config)
    }
    createStream = open
    async decodeAsync(stream: Stream): Promise<{ text: string }> {
      if (broken) throw new Error('out of memory')
      return { text: stream.peak > 0.1 ? ` heard ${stream.samples} ` : '' }
    }
  },
  OfflineTts: class {
    readonly sampleRate = 16_000
    readonly numSpeakers = 2
    constructor(config: object) {
      configs.push(config)
    }
    async generateAsync({
      text,
      sid,
      onProgress,
    }: Parameters<InstanceType<SherpaModule['OfflineTts']>['generateAsync']>[0]) {
      said.push({ text, sid })
      if (broken) throw new Error('out of memory')
      const samples = new Float32Array(16_000).fill(0.5)
      for (let at = 0; at < 16_000 && progressive; at += 4_000) {
        if (!onProgress({ samples: samples.subarray(at, at + 4_000), progress: 0 })) break
        await new Promise((resolve) => setImmediate(resolve))
      }
      return { samples, sampleRate: 16_000 }
    }
  },
}

const model = (family: SherpaModel['family'], more: Partial<SherpaModel> = {}): SherpaModel => ({
  family,
  sampleRate: 16_000,
  languages: ['en-US'],
  files: { tokens: '/t' },
  voices: [],
  ...more,
})

/** What is heard of an utterance of 1 s. */
async function hear(service: SpeechService, level = 8_000): Promise<EarsEvent[]> {
  const events: EarsEvent[] = []
  const onEvent = (event: EarsEvent): void => void events.push(event)
  const ears = service.openEars({ language: 'en-US', phrases: [], onEvent })
  ears.start(4)
  for (let i = 0; i < 50; i++) ears.write(new Int16Array(160).fill(level))
  ears.finish()
  await eventually('a conclusion', () => events.some(({ type }) => /final|fault/.test(type)))
  ears.close()
  return events
}

async function speak(service: SpeechService, voice: string | null): Promise<AudioChunk[]> {
  const chunks: AudioChunk[] = []
  const { signal } = new AbortController()
  for await (const chunk of service.mouth.speak('Hello.', voice, signal)) chunks.push(chunk)
  return chunks
}

describe('a streaming model', () => {
  it('is warm before it is used, and hears as the peer speaks', async () => {
    const service = await openSherpa(model('streaming_transducer'), MODULE, silentLog)
    expect(streams[0]).toMatchObject({ finished: true, peak: 0 })
    const events = await hear(service)
    const partials = events.filter(({ type }) => type === 'partial')
    expect(partials.map((event) => 'text' in event && event.text)).toEqual([
      'word',
      'word word',
      'word word word',
    ])
    expect(events.at(-1)).toEqual({
      type: 'final',
      utterance: 4,
      text: 'word word word word word',
      noMatch: false,
      confidence: expect.closeTo(0.8) as number,
    })
    // 1 s of speech and 0.5 s of silence behind it, at the model's own rate.
    expect(streams[1]!.samples).toBe(24_000)
    expect([...streams[1]!.rates]).toEqual([16_000])
  })

  it('says no match to silence', async () => {
    const service = await openSherpa(model('streaming_zipformer2_ctc'), MODULE, silentLog)
    expect((await hear(service, 0)).at(-1)).toMatchObject({
      text: '',
      noMatch: true,
      confidence: 0,
    })
  })

  it('gets telephone audio as it is when it was made for it', async () => {
    const telephone = model('streaming_transducer', { sampleRate: 8_000 })
    await hear(await openSherpa(telephone, MODULE, silentLog))
    expect(streams[1]!.samples).toBe(12_000)
  })

  it('that can’t be loaded is a fault', async () => {
    broken = true
    await expect(openSherpa(model('streaming_transducer'), MODULE, silentLog)).rejects.toThrow(
      Fault,
    )
  })
})

describe('a model of whole utterances', () => {
  it('hears one at its end, and faults when it fails', async () => {
    const service = await openSherpa(model('offline_whisper'), MODULE, silentLog)
    expect(await hear(service)).toEqual([
      { type: 'final', utterance: 4, text: 'heard 16000', noMatch: false, confidence: 0.5 },
    ])
    broken = true
    expect(await hear(service)).toEqual([{ type: 'fault', utterance: 4, code: 'decode_failed' }])
  })

  it('tells nothing of an utterance that was cancelled meanwhile', async () => {
    const service = await openSherpa(model('offline_whisper'), MODULE, silentLog)
    const events: EarsEvent[] = []
    const onEvent = (event: EarsEvent): void => void events.push(event)
    const ears = service.openEars({ language: 'en-US', phrases: [], onEvent })
    ears.start(1)
    ears.finish()
    ears.cancel()
    ears.start(2)
    ears.finish()
    await eventually('a conclusion', () => events.length > 0)
    expect(events).toMatchObject([{ utterance: 2 }])
  })
})

describe('a voice', () => {
  const VOICES = [
    { id: 'amy', name: 'Amy', gender: 'female', language: 'en-US', speaker: 0 },
    { id: 'joe', name: 'Joe', gender: 'male', language: 'en-US', speaker: 1 },
  ] as const

  it.each([true, false])('speaks at 8 kHz, all of it and once (progressive: %s)', async (steps) => {
    progressive = steps
    const service = await openSherpa(model('tts_vits', { voices: VOICES }), MODULE, silentLog)
    expect(said).toHaveLength(1)
    const chunks = await speak(service, 'joe')
    expect(said[1]).toEqual({ text: 'Hello.', sid: 1 })
    const samples = chunks.reduce((sum, { pcm }) => sum + pcm.length, 0)
    expect(samples).toBe(8_000)
    expect(Math.abs(chunks.at(-1)!.pcm.at(-1)! - 16_384)).toBeLessThan(200)
    expect(service.mouth.wordTimes).toBe('estimated')
  })

  it('stops when it is told to, and fails as a fault', async () => {
    const service = await openSherpa(model('tts_matcha', { voices: VOICES }), MODULE, silentLog)
    const abort = new AbortController()
    let chunks = 0
    for await (const chunk of service.mouth.speak('Hello.', 'amy', abort.signal)) {
      chunks += chunk.pcm.length > 0 ? 1 : 0
      abort.abort()
    }
    expect(chunks).toBe(1)
    broken = true
    await expect(speak(service, null)).rejects.toThrow(EngineFault)
  })
})

it('the package has what we call where it is installed, and says so where it is not', async () => {
  if (!hasSherpa()) return expect(loadSherpa()).rejects.toThrow(Fault)
  const module = await loadSherpa()
  const methods = (one: abstract new (...args: never[]) => object): string[] =>
    Object.getOwnPropertyNames(one.prototype)
  expect(methods(module.OnlineRecognizer)).toEqual(
    expect.arrayContaining(['createStream', 'isReady', 'decode', 'getResult']),
  )
  expect(methods(module.OfflineRecognizer)).toEqual(
    expect.arrayContaining(['createStream', 'decodeAsync']),
  )
  expect(methods(module.OfflineTts)).toEqual(expect.arrayContaining(['generateAsync']))
})
