// A model in a process of its own: it serves as any engine, and when it dies only its utterances are lost.
// Runs the built entry (`npm run build` first), with a module of the package's shape in place of the package.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { silentLog, SystemClock } from '@saperly/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EarsEvent, SpeechService } from './port.ts'
import type { SherpaModel } from './sherpa-manifest.ts'
import { startSherpa, trySherpa } from './sherpa-process.ts'
import { eventually } from './testing-vendors.ts'

/** Hears how much it was given; aborts its process, as the real one does, at full volume or for a bad model. */
const MODULE = `
class Recognizer {
  constructor(config) {
    if (config.modelConfig.tokens === 'bad') process.abort()
  }
  createStream() {
    const stream = { count: 0, acceptWaveform({ samples }) {
      if (samples.some((one) => one > 0.9)) process.abort()
      stream.count += samples.length
    } }
    return stream
  }
  async decodeAsync(stream) {
    return { text: 'heard ' + stream.count + ' samples, env ' + Object.keys(process.env).length }
  }
}
export default { OnlineRecognizer: Recognizer, OfflineRecognizer: Recognizer, OfflineTts: Recognizer }
`
const MODEL: SherpaModel = {
  family: 'offline_whisper',
  sampleRate: 8_000,
  languages: ['en'],
  files: { tokens: 'good' },
  voices: [],
}

const clock = new SystemClock()
let folder: string
let module: string
const open: SpeechService[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'saperly-model-'))
  const path = join(folder, 'module.mjs')
  await writeFile(path, MODULE)
  module = pathToFileURL(path).href
})
afterEach(async () => {
  for (const service of open.splice(0)) await service.close()
  await rm(folder, { recursive: true })
})

/** Says one second of `level` to new ears. */
async function hear(service: SpeechService, level: number): Promise<EarsEvent> {
  const events: EarsEvent[] = []
  const onEvent = (event: EarsEvent): void => void events.push(event)
  const ears = service.openEars({ language: 'en', phrases: [], onEvent })
  ears.start(1)
  for (let i = 0; i < 50; i++) ears.write(new Int16Array(160).fill(level))
  ears.finish()
  const event = await eventually('a conclusion', () => events[0])
  ears.close()
  return event
}

test('a model hears through the channel, and nothing of our environment', async () => {
  const service = startSherpa('local', MODEL, { clock, log: silentLog, module })
  open.push(service)
  const heard = await hear(service, 1_000)
  expect(heard).toMatchObject({ type: 'final', text: 'heard 8000 samples, env 0' })
})

test('a model that aborts takes its utterance along, and comes back', async () => {
  const service = startSherpa('local', MODEL, { clock, log: silentLog, module })
  open.push(service)
  expect(await hear(service, 32_000)).toMatchObject({ type: 'fault', utterance: 1 })
  expect(await hear(service, 1_000)).toMatchObject({ type: 'final' })
})

test('a trial says whether a model can be used, whatever it does', async () => {
  const deps = { clock, log: silentLog, module }
  expect(await trySherpa(MODEL, deps)).toBeNull()
  expect(await trySherpa({ ...MODEL, files: { tokens: 'bad' } }, deps)).toBe('SIGABRT')
  expect(await trySherpa(MODEL, { ...deps, module: `${module}.missing` })).toBe('exit code 1')
  expect(clock.pending()).toBe(0)
})
