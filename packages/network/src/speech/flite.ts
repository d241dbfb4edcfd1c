// The embedded voice: flite, rendering one sentence at a time to 8 kHz, with word times from its own phones.
import { drain, Fault } from '@saperly/kernel'
import type { FliteProgram } from './flite-wasi.ts'
import { isForeign, isSpeakable, plainWord, wordsOf } from './flite-text.ts'
import { LruCache } from './lru.ts'
import { msOf, SAMPLE_RATE, samplesOf } from './pcm.ts'
import { FLITE_VOICES } from './catalogue.ts'
import type { AudioChunk, Mouth, Word } from './port.ts'
import { resample } from './resample.ts'
import { PAUSE, parseSegments, timeWords } from './word-times.ts'
import type { Segment, SpokenWord } from './word-times.ts'

/** The longest text of one `speak`, characters. */
export const MAX_SPEAK_CHARS = 500
/** Rendered audio kept for the next time it is said, bytes: about half an hour of speech. */
const CACHE_BYTES = 32 * 1024 * 1024
/** Words whose phones are remembered. */
const MAX_KNOWN_WORDS = 20_000
/** flite begins and ends with a pause; this much of it stays. */
const LEAD_MS = 20
const TRAIL_MS = 120
/** A longer pause inside of a sentence would be taken for its end. */
const MAX_PAUSE_MS = 130
/** Peak of normalised audio, -4 dBFS, and the most a quiet voice is lifted by. */
const PEAK = 32_767 * 10 ** (-4 / 20)
const MAX_GAIN = 20
/** The cheapest voice: asked for phones alone, its audio thrown away. */
const PHONE_VOICE = 'kal'

/** Speaks English with flite. Rendering blocks its thread for some 15–80 ms a sentence. */
export class FliteMouth implements Mouth {
  readonly wordTimes = 'aligned'
  readonly #program: FliteProgram
  readonly #rendered = new LruCache<AudioChunk>(CACHE_BYTES)
  readonly #phones = new LruCache<readonly string[]>(MAX_KNOWN_WORDS)

  constructor(program: FliteProgram) {
    this.#program = program
  }

  /** One chunk a sentence. An unknown voice is replaced by the first one. */
  async *speak(
    text: string,
    voice: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<AudioChunk, void, void> {
    if (text.length > MAX_SPEAK_CHARS) {
      throw new Fault('text is too long to be spoken at once', { retryable: false })
    }
    if (isForeign(text)) {
      throw new Fault('text is in a script that this voice cannot read', { retryable: false })
    }
    const known = FLITE_VOICES.find(({ id }) => id === voice) ?? FLITE_VOICES[0]!
    // Other legs' frames come before the next sentence, which holds the thread while it renders.
    await drain()
    if (signal.aborted) return
    yield this.render(text, known.id)
  }

  /** The audio of `text`, from the cache when it was said before. */
  render(text: string, voice: string): AudioChunk {
    const key = `${voice}\n${text}`
    const cached = this.#rendered.get(key)
    if (cached) return cached
    const chunk = this.#synthesise(text, voice)
    this.#rendered.set(key, chunk, chunk.pcm.byteLength + 2 * key.length)
    return chunk
  }

  /** The phones of each word as flite would say it on its own; empty for what cannot be spoken. */
  pronounce(words: readonly string[]): SpokenWord[] {
    const plain = words.map(plainWord)
    const unknown = [
      ...new Set(plain.filter((word) => isSpeakable(word) && !this.#phones.get(word))),
    ]
    if (unknown.length > 0) this.#learn(unknown)
    return words.map((text, i) => ({ text, phones: this.#phones.get(plain[i]!) ?? [] }))
  }

  #synthesise(text: string, voice: string): AudioChunk {
    const words = wordsOf(text)
    const plain = words.map(plainWord).filter((word) => word !== '')
    if (!plain.some(isSpeakable)) return { pcm: new Int16Array(0), words: silentWords(words) }
    const run = this.#program.run(['-voice', voice, '-psdur', '-o', 'o.wav', '-t', plain.join(' ')])
    const segments = parseSegments(run.printed)
    const { pcm, rate } = readWav(run.written)
    const times = timeWords(this.pronounce(words), segments)
    return trim(resample(pcm, rate, SAMPLE_RATE), times, segments)
  }

  /** Has flite say the words one by one, a comma's pause between, and remembers each one's phones. */
  #learn(words: readonly string[]): void {
    const list = words.map((word) => word.replaceAll(/^\W+|[^\w$%&@#+=]+$/g, '') || word)
    const run = this.#program.run([
      '-voice',
      PHONE_VOICE,
      '-ps',
      '-o',
      'o.wav',
      '-t',
      list.join(', '),
    ])
    const groups = run.printed
      .split(/\bpau\b/)
      .map((group) =>
        group
          .trim()
          .split(/\s+/)
          .filter((phone) => phone !== ''),
      )
      .filter((group) => group.length > 0)
    if (groups.length === words.length) {
      words.forEach((word, i) => this.#phones.set(word, groups[i]!, 1))
    } else if (words.length > 1) {
      // A word with a pause inside ("3:30,") shifts the rest: ask for each on its own.
      for (const word of words) this.#learn([word])
    } else {
      this.#phones.set(words[0]!, groups.flat(), 1)
    }
  }
}

function silentWords(words: readonly string[]): Word[] {
  return words.map((text) => ({ text, fromMs: 0, toMs: 0 }))
}

/** Reads the WAV that flite writes: 16 bit mono after a 44 byte header. */
function readWav(wav: Uint8Array): { pcm: Int16Array; rate: number } {
  if (wav.length < 46) throw new Fault('flite gave no audio', { retryable: false })
  const bytes = wav.slice(44, wav.length - (wav.length % 2))
  const header = new DataView(wav.buffer, wav.byteOffset, 44)
  return { pcm: new Int16Array(bytes.buffer), rate: header.getUint32(24, true) }
}

function normalise(pcm: Int16Array): Int16Array {
  const peak = pcm.reduce((most, x) => Math.max(most, Math.abs(x)), 1)
  const gain = Math.min(MAX_GAIN, PEAK / peak)
  return pcm.map((x) => Math.round(x * gain))
}

/** Cuts the silence at both ends and long pauses down to what sounds natural on the phone, and sets the level. */
function trim(pcm: Int16Array, words: readonly Word[], segments: readonly Segment[]): AudioChunk {
  const cuts = cutsOf(msOf(pcm.length), segments)
  const kept: Int16Array[] = []
  let fromMs = 0
  for (const cut of cuts) {
    kept.push(pcm.subarray(samplesOf(fromMs), samplesOf(cut.fromMs)))
    fromMs = cut.toMs
  }
  kept.push(pcm.subarray(samplesOf(fromMs)))
  const shift = (ms: number): number =>
    cuts.reduce((left, cut) => left - Math.max(0, Math.min(ms, cut.toMs) - cut.fromMs), ms)
  return {
    pcm: normalise(join(kept)),
    words: words.map((word) => ({
      text: word.text,
      fromMs: Math.round(shift(word.fromMs)),
      toMs: Math.round(shift(word.toMs)),
    })),
  }
}

/** The stretches of silence to be left out, in order. */
function cutsOf(
  lengthMs: number,
  segments: readonly Segment[],
): { fromMs: number; toMs: number }[] {
  const cuts = segments
    .filter(({ phone }) => phone === PAUSE)
    .map((pause) => {
      if (pause.fromMs === 0) return { fromMs: 0, toMs: pause.toMs - LEAD_MS }
      if (pause === segments.at(-1)) return { fromMs: pause.fromMs + TRAIL_MS, toMs: lengthMs }
      // The middle of a pause is its quietest part.
      const surplusMs = pause.toMs - pause.fromMs - MAX_PAUSE_MS
      const fromMs = pause.fromMs + MAX_PAUSE_MS / 2
      return { fromMs, toMs: fromMs + surplusMs }
    })
  return cuts.filter(({ fromMs, toMs }) => toMs > fromMs)
}

function join(parts: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
