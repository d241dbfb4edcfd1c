// The tone after a voicemail greeting, as a voice: whatever it is asked to say, it says beep.
import { SAMPLE_RATE, msOf, samplesOf } from './pcm.ts'
import type { AudioChunk, Mouth } from './port.ts'

/** Not listed among the voices: sandbox phones speak with it, customers don't. */
export const BEEP_VOICE = 'beep'

const BEEP_MS = 500
const BEEP_HZ = 1000
/** About -9 dBFS. */
const AMPLITUDE = 11_600
/** Rises and falls without a click. */
const RAMP_SAMPLES = samplesOf(5)

function beep(text: string): AudioChunk {
  const count = samplesOf(BEEP_MS)
  const pcm = Int16Array.from({ length: count }, (_, i) => {
    const ramp = Math.min(1, i / RAMP_SAMPLES, (count - 1 - i) / RAMP_SAMPLES)
    return Math.round(AMPLITUDE * ramp * Math.sin((2 * Math.PI * BEEP_HZ * i) / SAMPLE_RATE))
  })
  return { pcm, words: [{ text, fromMs: 0, toMs: msOf(count) }] }
}

/** `mouth`, with the beep as one more voice. */
export function withBeep(mouth: Mouth): Mouth {
  return {
    wordTimes: mouth.wordTimes,
    async *speak(text, voice, signal): AsyncGenerator<AudioChunk> {
      if (voice !== BEEP_VOICE) return yield* mouth.speak(text, voice, signal)
      if (!signal.aborted) yield beep(text)
    },
  }
}
