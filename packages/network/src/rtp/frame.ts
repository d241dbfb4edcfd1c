// The beat of the media plane: 20 ms frames of 160 samples, 16-bit linear PCM at 8 kHz.

export const SAMPLE_RATE = 8000
export const SAMPLES_PER_MS = SAMPLE_RATE / 1000
export const FRAME_MS = 20
export const FRAME_SAMPLES = FRAME_MS * SAMPLES_PER_MS

/**
 * Stands for a frame that is still on its way: nothing is sent in its place. Whoever receives hears it later and whole,
 * where silence would cut into it.
 */
export const LATE_FRAME: Int16Array = new Int16Array(0)

/** A new frame of digital silence. */
export function silentFrame(): Int16Array {
  return new Int16Array(FRAME_SAMPLES)
}
