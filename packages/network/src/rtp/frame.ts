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

/** Frames cut from one piece of memory: a buffer of its own for each costs several times what is done with it. */
const SLAB_FRAMES = 16
let slab = new Int16Array(0)
let used = 0

/**
 * A new frame of digital silence, never given out twice. It is a view into memory that it shares with its neighbours, so
 * it must be copied before its buffer is handed to another thread.
 */
export function silentFrame(): Int16Array {
  if (used === slab.length) {
    slab = new Int16Array(SLAB_FRAMES * FRAME_SAMPLES)
    used = 0
  }
  const frame = slab.subarray(used, used + FRAME_SAMPLES)
  used += FRAME_SAMPLES
  return frame
}
