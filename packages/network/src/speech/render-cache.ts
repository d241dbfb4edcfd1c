// What a voice has said before, kept in memory: greetings, fillers and menus then cost nothing.
import { LruCache } from './lru.ts'
import type { AudioChunk, Mouth } from './port.ts'

/** Rendered audio kept of one engine, bytes: about a quarter of an hour of speech. */
const CACHE_BYTES = 16 * 1024 * 1024
const BYTES_PER_SAMPLE = 2

/** `mouth`, but a sentence that was rendered to its end once is not asked for again. */
export function withCache(mouth: Mouth): Mouth {
  const rendered = new LruCache<readonly AudioChunk[]>(CACHE_BYTES)
  return {
    wordTimes: mouth.wordTimes,
    async *speak(text, voice, signal, begun): AsyncGenerator<AudioChunk> {
      const key = JSON.stringify([voice, text])
      const known = rendered.get(key)
      if (known) return yield* known
      const chunks: AudioChunk[] = []
      for await (const chunk of mouth.speak(text, voice, signal, begun)) {
        chunks.push(chunk)
        yield chunk
      }
      if (!signal.aborted) rendered.set(key, chunks, sizeOf(chunks))
    },
  }
}

function sizeOf(chunks: readonly AudioChunk[]): number {
  return chunks.reduce((sum, { pcm }) => sum + pcm.length * BYTES_PER_SAMPLE, 0)
}
