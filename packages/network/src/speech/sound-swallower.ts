// The embedded recogniser: SoundSwallower (PocketSphinx as WebAssembly) with the CMU telephone model of 8 kHz.
//
// Each decoder has a WebAssembly instance of its own: deleting a decoder leaks inside its memory, letting go of an
// instance gives all of it back. The glue hooks `uncaughtException` of the process for each instance; that hook is
// taken off at once, since it would hold the instance and rethrow what is not its own.
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import createModule from 'soundswallower'
import type { Decoder, SoundSwallowerModule } from 'soundswallower'
import { Fault } from '@saperly/kernel'
import { SAMPLE_RATE, samplesOf } from './pcm.ts'
import { garbageWord, PHONES } from './phrase-grammar.ts'
import type { PhraseGrammar } from './phrase-grammar.ts'

/** Cepstral mean that a call starts from, between the means measured for four voices through G.711. */
const CEPSTRAL_MEAN = '43,4,11,4,2,1,-5,2.5,4,3,4,0.8,2.3'
/** Words one decoder may have learned before it is let go. */
const MAX_LEARNED_WORDS = 4000

/** Where the acoustic model and its dictionary are. */
export function modelBase(): string {
  return `${dirname(createRequire(import.meta.url).resolve('soundswallower'))}/model/`
}

/** Length of the decoder's own frames, of which word times are multiples. */
const STEP_MS = 10
const STEP_SAMPLES = samplesOf(STEP_MS)
/** A step this far below the loudest one is silence or breath (-17 dB). */
const LOUD_SHARE = 0.02

/** What was heard of the grammar, and how well it accounts for the audio. */
export interface Hypothesis {
  /** The words' ids. */
  words: string
  /** How well the words fit, 0–1: all together, and the worst of them. */
  confidence: number
  weakest: number
  /** Sound that none of the words accounts for. */
  uncoveredMs: number
}

let glueLoading: Promise<unknown> = Promise.resolve()

/** Instantiates the module alone, so that the hook it adds can be told from others. */
async function loadModule(): Promise<SoundSwallowerModule> {
  const load = async (): Promise<SoundSwallowerModule> => {
    const before = new Set(process.listeners('uncaughtException'))
    const module = createModule({
      modelBase: modelBase(),
      print: () => {},
      printErr: () => {},
    } as Partial<SoundSwallowerModule>)
    for (const listener of process.listeners('uncaughtException')) {
      if (!before.has(listener)) process.off('uncaughtException', listener)
    }
    return module
  }
  const mine = glueLoading.then(load, load)
  glueLoading = mine
  return mine
}

/** One recogniser: takes a grammar, then utterances, one at a time. */
export class PhraseDecoder {
  readonly #decoder: Decoder
  readonly #learned = new Set<string>()
  #grammar: PhraseGrammar | null = null
  /** Energy of each step of the utterance. */
  #energies: number[] = []

  private constructor(decoder: Decoder) {
    this.#decoder = decoder
  }

  /** Loads the model (about 0.1 s of CPU, 15 MB) with an empty dictionary. */
  static async open(): Promise<PhraseDecoder> {
    const module = await loadModule()
    const decoder = new module.Decoder({
      dict: '/nonexistent',
      samprate: SAMPLE_RATE,
      cmninit: CEPSTRAL_MEAN,
      loglevel: 'FATAL',
    }) as Decoder & { init_featparams(): Promise<unknown> }
    // Noise removal halves accuracy on a stream, and the model's parameter file wins over the constructor's options.
    const readParameters = decoder.init_featparams.bind(decoder)
    decoder.init_featparams = async () => {
      await readParameters()
      decoder.set_config('remove_noise', 0)
    }
    await decoder.initialize()
    decoder.add_words(...PHONES.map((phone): [string, string] => [garbageWord(phone), phone]))
    return new PhraseDecoder(decoder)
  }

  /** True when it should be replaced before its dictionary grows further. */
  get worn(): boolean {
    return this.#learned.size > MAX_LEARNED_WORDS
  }

  get grammar(): PhraseGrammar | null {
    return this.#grammar
  }

  /** Some 2 ms; nothing when the grammar is the one in use. */
  setGrammar(grammar: PhraseGrammar): void {
    if (this.#grammar === grammar) return
    const entries: [string, string][] = []
    for (const { id, sounds } of grammar.words) {
      if (this.#learned.has(id)) continue
      this.#learned.add(id)
      sounds.forEach((sound, i) => entries.push([i === 0 ? id : `${id}(${i + 1})`, sound]))
    }
    if (entries.length > 0) this.#decoder.add_words(...entries)
    this.#decoder.set_grammar(grammar.jsgf)
    this.#grammar = grammar
  }

  /** Forgets what was learned about the line and the voice. */
  async reset(): Promise<void> {
    await this.#decoder.reinitialize_audio()
  }

  start(): void {
    this.#energies = []
    this.#decoder.start()
  }

  /** Decodes one frame: about 0.5 ms for 20 ms. */
  write(frame: Int16Array): void {
    const samples = Float32Array.from(frame, (x) => x / 32_768)
    for (let at = 0; at < samples.length; at += STEP_SAMPLES) {
      const step = samples.subarray(at, at + STEP_SAMPLES)
      this.#energies.push(step.reduce((sum, x) => sum + x * x, 0))
    }
    this.#decoder.process_audio(samples)
  }

  /** The words heard so far, as a phrase or digits; null while they are neither. */
  partial(): string | null {
    return this.#grammar?.textOf(this.#decoder.get_text()) ?? null
  }

  /** Ends the utterance. The line's characteristics are carried over to the next one. */
  finish(): Hypothesis | null {
    this.#decoder.stop()
    const words = this.#decoder.get_text()
    if (words === '') return null
    const ids = new Set(words.split(' '))
    const segments = this.#decoder.get_alignment().w ?? []
    const spoken = segments.filter(({ t }) => ids.has(t.replace(/\(\d+\)$/, '')))
    const fits = spoken.map(({ p }) => Math.max(0, Math.min(1, p)))
    return {
      words,
      confidence: fits.reduce((sum, fit) => sum + fit, 0) / Math.max(1, fits.length),
      weakest: Math.min(1, ...fits),
      uncoveredMs: this.#uncoveredMs(spoken),
    }
  }

  /** How much loud audio lies outside of the segments (times in seconds). */
  #uncoveredMs(segments: readonly { b: number; d: number }[]): number {
    const loud = LOUD_SHARE * this.#energies.reduce((most, energy) => Math.max(most, energy), 0)
    const covered = new Set(
      segments.flatMap(({ b, d }) => {
        const from = Math.round((b * 1000) / STEP_MS)
        return Array.from({ length: Math.round((d * 1000) / STEP_MS) }, (_, i) => from + i)
      }),
    )
    return STEP_MS * this.#energies.filter((energy, i) => energy > loud && !covered.has(i)).length
  }
}

/** Turns what the decoder throws (plain errors of the glue) into a fault. */
export function decoderFault(cause: unknown): Fault {
  return new Fault('recogniser failed', { cause, retryable: true })
}
