// A voice detector that is still being opened: until it is there, energy alone decides.
import type { Log } from '@saperly/kernel'
import type { Vad } from './activity.ts'

/** Stands for the detector that `opening` will give; if it fails, that is logged, and energy alone goes on deciding. */
export function deferredVad(opening: Promise<Vad>, log: Log): Vad {
  let vad: Vad | null = null
  let mode: 2 | 3 = 3
  let closed = false
  opening.then(
    (opened) => {
      if (closed) return opened.close()
      opened.setMode(mode)
      vad = opened
    },
    (error: unknown) => log.error('talk.vad_failed', {}, error),
  )
  return {
    process: (frame) => vad?.process(frame) ?? true,
    setMode: (next) => {
      mode = next
      vad?.setMode(next)
    },
    close: () => {
      closed = true
      vad?.close()
    },
  }
}
