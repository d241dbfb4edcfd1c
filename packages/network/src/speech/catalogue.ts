// What each engine can say and hear, known without loading it: WebAssembly stays out of the main thread.
import type { Hearing, SpeechEngine, Voice } from './port.ts'
import { partOf } from './sherpa-manifest.ts'
import {
  NOTHING_CONFIGURED,
  voiceId,
  type ConfiguredSpeech,
  type EngineSettings,
} from './settings.ts'

export const FLITE_VOICES: readonly Voice[] = [
  { id: 'slt', name: 'Slt', gender: 'female', language: 'en-US' },
  { id: 'rms', name: 'Rms', gender: 'male', language: 'en-US' },
  { id: 'awb', name: 'Awb', gender: 'male', language: 'en-GB' },
  { id: 'kal', name: 'Kal', gender: 'male', language: 'en-US' },
  { id: 'kal16', name: 'Kal 16', gender: 'male', language: 'en-US' },
]

export const TONE_VOICES: readonly Voice[] = [
  { id: 'tone', name: 'Tone', gender: 'neutral', language: 'mul' },
]

/** Beyond what 99 in 100 final texts take, an engine gets this much more, milliseconds. */
const FINAL_GRACE_MS = 500
/** How long 99 in 100 final texts of an engine take at most; published, or a guess until it is measured. */
const DEEPGRAM_FINAL_P99_MS = 350
const STREAMING_FINAL_P99_MS = 500
const OFFLINE_FINAL_P99_MS = 1_500
/** What the engines of the node itself get. */
const OWN_FINAL_LIMIT_MS = 1_000

/** What a node can speak with; the first is its default. */
export function voices(
  engine: SpeechEngine,
  configured: ConfiguredSpeech = NOTHING_CONFIGURED,
): readonly Voice[] {
  const own = engine === 'tone' ? TONE_VOICES : FLITE_VOICES
  const others = Object.entries(configured.engines).flatMap(([name, settings]) =>
    voicesOf(settings).map((voice) => ({ ...voice, id: voiceId(name, voice.id) })),
  )
  return [...own, ...others]
}

/** The voices of one configured engine, by the engine's own ids. */
export function voicesOf(settings: EngineSettings): readonly Voice[] {
  if (settings.kind === 'cartesia') return settings.voices
  return settings.kind === 'sherpa' ? settings.model.voices : []
}

/** What an engine of the node itself can hear: anything, or the phrases of a list. */
export function recognizerOf(engine: SpeechEngine): 'phrases' | 'free' {
  return engine === 'tone' ? 'free' : 'phrases'
}

/** What each engine hears, by name; the node's own is among them. Engines that only speak are not. */
export function hearings(
  engine: SpeechEngine,
  configured: ConfiguredSpeech = NOTHING_CONFIGURED,
): Readonly<Record<string, Hearing>> {
  const own = {
    recognizer: recognizerOf(engine),
    endsTurns: false,
    finalLimitMs: OWN_FINAL_LIMIT_MS,
  }
  const others = Object.entries(configured.engines).flatMap(([name, settings]) => {
    const hearing = hearingOf(settings)
    return hearing ? [[name, hearing] as const] : []
  })
  return Object.fromEntries([[engine, own], ...others])
}

/** What a configured engine hears; null: it only speaks. */
export function hearingOf(settings: EngineSettings): Hearing | null {
  if (settings.kind === 'deepgram') return free(true, DEEPGRAM_FINAL_P99_MS)
  if (settings.kind === 'cartesia' || partOf(settings.model.family) !== 'hear') return null
  return free(
    false,
    settings.model.family.startsWith('streaming') ? STREAMING_FINAL_P99_MS : OFFLINE_FINAL_P99_MS,
  )
}

function free(endsTurns: boolean, finalP99Ms: number): Hearing {
  return { recognizer: 'free', endsTurns, finalLimitMs: finalP99Ms + FINAL_GRACE_MS }
}
