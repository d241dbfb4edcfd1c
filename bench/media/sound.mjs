// What the far side says: a vowel-like sound for half of the time, near silence for the other.
import { createEncoder } from '../../packages/network/dist/codec/codec.js'

const FRAME_SAMPLES = 160
const RATE = 8000

/** `frames` payloads of 20 ms: the first half voice, the rest a whisper of noise. */
export function vowel(frames, codec) {
  const encoder = createEncoder(codec)
  return Array.from({ length: frames }, (_, frame) => {
    const loud = frame < frames / 2
    const pcm = Int16Array.from({ length: FRAME_SAMPLES }, (_, i) => {
      const t = (frame * FRAME_SAMPLES + i) / RATE
      if (!loud) return ((i * 7919 + frame * 104_729) % 17) - 8
      let sample = 0
      for (let harmonic = 1; harmonic <= 12; harmonic++) {
        const hertz = 120 * harmonic
        const near =
          Math.exp(-(((hertz - 700) / 300) ** 2)) + 0.5 * Math.exp(-(((hertz - 1200) / 300) ** 2))
        sample += (near + 0.1) * Math.sin(2 * Math.PI * hertz * t)
      }
      return Math.round(3500 * sample)
    })
    return Buffer.from(encoder.encode(pcm))
  })
}
