// The speech engines that an operator configures beside the node's own pair, as plain data that crosses threads.
import type { SherpaModel } from './sherpa-manifest.ts'
import type { Voice } from './port.ts'

/** Deepgram Flux: hears English (`flux-general-en`) or ten languages (`flux-general-multi`), and ends of turns. */
export interface DeepgramSettings {
  kind: 'deepgram'
  apiKey: string
  /** `wss:` address of the endpoint; another one for a self-hosted server. */
  url: string
  model: string
}

/** Cartesia: speaks, with word times. */
export interface CartesiaSettings {
  kind: 'cartesia'
  apiKey: string
  url: string
  /** The date that names the version of the wire. */
  version: string
  model: string
  /** Ids are the vendor's. The first is the default. */
  voices: readonly Voice[]
}

/** A model of the operator's, run by sherpa-onnx on this machine. */
export interface SherpaSettings {
  kind: 'sherpa'
  model: SherpaModel
}

export type EngineSettings = DeepgramSettings | CartesiaSettings | SherpaSettings

/** Engines by name, and who takes over when one fails. */
export interface ConfiguredSpeech {
  engines: Readonly<Record<string, EngineSettings>>
  fallback: {
    /** Names of engines that hear, in order. */
    hear: readonly string[]
    /** Voices (`engine:voice`), in order. */
    speak: readonly string[]
  }
}

export const NOTHING_CONFIGURED: ConfiguredSpeech = {
  engines: {},
  fallback: { hear: [], speak: [] },
}

/** What stands between the name of an engine and its voice. */
const SEPARATOR = ':'

/** The id by which the platform knows a voice of a configured engine. */
export function voiceId(engine: string, voice: string): string {
  return `${engine}${SEPARATOR}${voice}`
}

/** Engine and voice of an id; engine null: a voice of the node's own engine. */
export function parseVoiceId(id: string): { engine: string | null; voice: string } {
  const at = id.indexOf(SEPARATOR)
  return at < 0 ? { engine: null, voice: id } : { engine: id.slice(0, at), voice: id.slice(at + 1) }
}
