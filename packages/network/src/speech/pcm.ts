// The one audio format of the speech engines: 8 kHz, 16 bit, mono, in frames of 20 ms.

export const SAMPLE_RATE = 8000
export const FRAME_SAMPLES = 160
export const FRAME_MS = 20

/** Length of `samples` at 8 kHz, milliseconds. */
export function msOf(samples: number): number {
  return (samples * 1000) / SAMPLE_RATE
}

/** Samples at 8 kHz in `ms`, rounded. */
export function samplesOf(ms: number): number {
  return Math.round((ms * SAMPLE_RATE) / 1000)
}
