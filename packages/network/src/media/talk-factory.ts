// How a media session gets its talking part: the real one with a voice detector of its own, or a test's.
import type { Clock, Log } from '@saperly/kernel'
import { createFvad } from '../speech/fvad.ts'
import type { SpeechService } from '../speech/port.ts'
import type { Talk, TalkEvent, TalkOptions } from '../talk/port.ts'
import { createTalk } from '../talk/talk.ts'
import type { MediaPlaneOptions } from './port.ts'

export interface TalkDeps {
  clock: Clock
  log: Log
  speech: SpeechService
  options: TalkOptions
  onEvent: (event: TalkEvent) => void
  /** Queues digits on the wire; `done` follows when the last one has been sent. */
  sendDigits: (digits: string, done: () => void) => void
}

/** Opens the talking part of a leg. */
export type TalkFactory = (deps: TalkDeps) => Promise<Talk>

/** Talking as `engine` needs it: tones are found by their energy, voices by a detector. */
export function talkFactory(engine: MediaPlaneOptions['engine']): TalkFactory {
  return async (deps) => {
    if (engine === 'tone') return createTalk({ ...deps, vad: null })
    const vad = await createFvad(3)
    const talk = createTalk({ ...deps, vad })
    return {
      hear: (frame, at) => talk.hear(frame, at),
      play: (at) => talk.play(at),
      digit: (digit, at) => talk.digit(digit, at),
      command: (command) => talk.command(command),
      close: () => {
        talk.close()
        vad.close()
      },
    }
  }
}
