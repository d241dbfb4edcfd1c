// What each engine can say and hear, known without loading it: WebAssembly stays out of the main thread.
import type { SpeechEngine, Voice } from './port.ts'

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

/** What an engine can speak with; the first is its default. */
export function voices(engine: SpeechEngine): readonly Voice[] {
  return engine === 'tone' ? TONE_VOICES : FLITE_VOICES
}

/** What an engine can hear: anything, or the phrases of a list. */
export function recognizerOf(engine: SpeechEngine): 'phrases' | 'free' {
  return engine === 'tone' ? 'free' : 'phrases'
}
