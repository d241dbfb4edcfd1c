// Tells a leg the moment its speech becomes ready, so that the first packet needn't wait for the leg's next turn.
import type { AudioChunk, SpeechService } from '../speech/port.ts'

/** `service`, calling `onReady` with the first chunk of each piece of speech. */
export function promptSpeech(service: SpeechService, onReady: () => void): SpeechService {
  const { mouth } = service
  return {
    openEars: (options) => service.openEars(options),
    mouth: {
      // Asked for each time: a speech worker just started has not said it yet.
      get wordTimes() {
        return mouth.wordTimes
      },
      speak: (...asked) => announcing(mouth.speak(...asked), onReady),
    },
    close: () => service.close(),
  }
}

async function* announcing(
  chunks: AsyncIterable<AudioChunk>,
  onReady: () => void,
): AsyncGenerator<AudioChunk> {
  let first = true
  for await (const chunk of chunks) {
    if (first) onReady()
    first = false
    yield chunk
  }
}
