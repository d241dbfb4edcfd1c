// The families of models that sherpa-onnx runs for us: which files each needs, and how its constructor wants them.

/** What a family's model does: hear while the peer speaks, hear a whole utterance at its end, or speak. */
export type FamilyKind = 'online' | 'offline' | 'tts'

export interface Family {
  kind: FamilyKind
  /** Keys of the manifest's `files`. */
  needs: readonly string[]
  optional: readonly string[]
  /** Where the constructor's configuration takes the files, but for `tokens` of recognisers. */
  section: string
}

const online = (section: string, ...needs: string[]): Family => ({
  kind: 'online',
  section,
  needs: [...needs, 'tokens'],
  optional: [],
})

const offline = (section: string, ...needs: string[]): Family => ({
  ...online(section, ...needs),
  kind: 'offline',
})

const tts = (section: string, ...needs: string[]): Family => ({
  kind: 'tts',
  section,
  needs: [...needs, 'tokens'],
  optional: ['lexicon', 'dataDir'],
})

export const FAMILIES = {
  streaming_transducer: online('transducer', 'encoder', 'decoder', 'joiner'),
  streaming_paraformer: online('paraformer', 'encoder', 'decoder'),
  streaming_zipformer2_ctc: online('zipformer2Ctc', 'model'),
  streaming_nemo_ctc: online('nemoCtc', 'model'),
  offline_transducer: offline('transducer', 'encoder', 'decoder', 'joiner'),
  offline_whisper: offline('whisper', 'encoder', 'decoder'),
  offline_nemo_ctc: offline('nemoCtc', 'model'),
  offline_sense_voice: offline('senseVoice', 'model'),
  offline_moonshine: offline(
    'moonshine',
    'preprocessor',
    'encoder',
    'uncachedDecoder',
    'cachedDecoder',
  ),
  tts_vits: tts('vits', 'model'),
  tts_matcha: tts('matcha', 'acousticModel', 'vocoder'),
} as const satisfies Record<string, Family>

export type FamilyName = keyof typeof FAMILIES

export function isFamily(name: unknown): name is FamilyName {
  return typeof name === 'string' && Object.hasOwn(FAMILIES, name)
}

/** Threads of one model: media workers need the other cores. */
const NUM_THREADS = 1
const FEATURE_DIM = 80

/** The object for the constructor of a recogniser (`OnlineRecognizer`, `OfflineRecognizer`) or of `OfflineTts`. */
export function constructorConfig(
  family: FamilyName,
  paths: Readonly<Record<string, string>>,
  sampleRate: number,
): object {
  const { kind, section } = FAMILIES[family]
  const { tokens, ...files } = paths
  if (kind === 'tts') {
    const model = { [section]: { ...files, tokens }, numThreads: NUM_THREADS, provider: 'cpu' }
    return { model, maxNumSentences: 1 }
  }
  return {
    featConfig: { sampleRate, featureDim: FEATURE_DIM },
    modelConfig: {
      [section]: files,
      tokens,
      numThreads: NUM_THREADS,
      provider: 'cpu',
      debug: false,
    },
    decodingMethod: 'greedy_search',
    // When a turn is over is not the model's to say: its rules wait for seconds.
    ...(kind === 'online' && { enableEndpoint: false }),
  }
}
