// A model of the operator's as a speech service: it hears or it speaks, and is ready when it has done so once.
import { Fault, type Log } from '@saperly/kernel'
import { ChunkQueue } from './chunk-queue.ts'
import { EngineFault } from './engine.ts'
import { SAMPLE_RATE } from './pcm.ts'
import type { AudioChunk, Ears, EarsOptions, Mouth, SpeechService } from './port.ts'
import { Resampler } from './resample.ts'
import { SherpaOfflineEars, SherpaOnlineEars } from './sherpa-ears.ts'
import { constructorConfig, FAMILIES } from './sherpa-families.ts'
import type { SherpaModel, SherpaVoice } from './sherpa-manifest.ts'
import type { OfflineTts, SherpaModule } from './sherpa-module.ts'

const WARM_UP_TEXT = 'Ready.'
const WARM_UP_MS = 500

/** Opens the model in this thread, which it then computes in. Throws a Fault when it can't be used. */
export async function openSherpa(
  model: SherpaModel,
  module: SherpaModule,
  log: Log,
): Promise<SpeechService> {
  const config = constructorConfig(model.family, model.files, model.sampleRate)
  const { kind } = FAMILIES[model.family]
  try {
    if (kind === 'tts') return await speaking(new module.OfflineTts(config), model)
    const open =
      kind === 'online'
        ? onlineEars(new module.OnlineRecognizer(config), model)
        : offlineEars(new module.OfflineRecognizer(config), model, log)
    await warmUp(open)
    return { openEars: open, mouth: MUTE, close: async () => {} }
  } catch (cause) {
    throw new Fault(`the ${model.family} model can’t be used`, { cause, retryable: false })
  }
}

type OpenEars = (options: EarsOptions) => Ears

function onlineEars(
  recognizer: InstanceType<SherpaModule['OnlineRecognizer']>,
  { sampleRate }: SherpaModel,
): OpenEars {
  return (options) => new SherpaOnlineEars(recognizer, sampleRate, options)
}

function offlineEars(
  recognizer: InstanceType<SherpaModule['OfflineRecognizer']>,
  { sampleRate }: SherpaModel,
  log: Log,
): OpenEars {
  return (options) => new SherpaOfflineEars(recognizer, sampleRate, options, log)
}

/** Hears silence once: the first decoding is the slowest. */
async function warmUp(open: OpenEars): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const ears = open({
      language: 'en-US',
      phrases: [],
      onEvent: (event) => {
        if (event.type === 'final') resolve()
        if (event.type === 'fault') reject(new EngineFault(event.code))
      },
    })
    ears.start(0)
    for (let ms = 0; ms < WARM_UP_MS; ms += 20) ears.write(new Int16Array(160))
    ears.finish()
  })
}

/** What only hears. */
const MUTE: Mouth = {
  wordTimes: 'estimated',
  speak: () => {
    throw new EngineFault('no_mouth')
  },
}

async function speaking(tts: OfflineTts, model: SherpaModel): Promise<SpeechService> {
  const mouth = new SherpaMouth(tts, model.voices)
  const signal = new AbortController().signal
  for await (const chunk of mouth.speak(WARM_UP_TEXT, null, signal)) if (!chunk) break
  const openEars = (): Ears => {
    throw new EngineFault('no_ears')
  }
  return { openEars, mouth, close: async () => {} }
}

class SherpaMouth implements Mouth {
  readonly wordTimes = 'estimated'
  readonly #tts: OfflineTts
  readonly #voices: readonly SherpaVoice[]

  constructor(tts: OfflineTts, voices: readonly SherpaVoice[]) {
    this.#tts = tts
    this.#voices = voices
  }

  async *speak(
    text: string,
    voice: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<AudioChunk, void, void> {
    if (signal.aborted) return
    const { speaker } = this.#voices.find(({ id }) => id === voice) ?? this.#voices[0]!
    const queue = new ChunkQueue()
    const resampler = new Resampler(this.#tts.sampleRate, SAMPLE_RATE)
    let told = 0
    const put = (samples: Float32Array): void => {
      told += samples.length
      queue.put(resampler.process(toPcm(samples)))
    }
    const done = this.#tts
      .generateAsync({
        text,
        sid: speaker,
        speed: 1,
        enableExternalBuffer: false,
        onProgress: ({ samples }) => {
          put(samples)
          return !signal.aborted
        },
      })
      .then(
        // What was not told on the way: the result holds all of it.
        ({ samples }) => {
          put(samples.subarray(told))
          queue.end()
        },
        () => queue.fail(new EngineFault('generate_failed')),
      )
    for (let chunk = await queue.next(); chunk && !signal.aborted; chunk = await queue.next()) {
      yield chunk
    }
    await done
  }
}

function toPcm(samples: Float32Array): Int16Array {
  return Int16Array.from(samples, (s) =>
    Math.max(-32_768, Math.min(32_767, Math.round(s * 32_767))),
  )
}
