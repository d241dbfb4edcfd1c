// The beat of the media plane: 20 ms frames of 160 samples, 16-bit linear PCM at 8 kHz.

export const SAMPLE_RATE = 8000
export const SAMPLES_PER_MS = SAMPLE_RATE / 1000
export const FRAME_MS = 20
export const FRAME_SAMPLES = FRAME_MS * SAMPLES_PER_MS

/** A new frame of digital silence. */
export function silentFrame(): Int16Array {
  return new Int16Array(FRAME_SAMPLES)
}
