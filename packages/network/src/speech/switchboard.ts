// Several engines as one speech service: a call's ears and voices go to the engine that it chose, and to others in need.
import type { Clock, Log } from '@saperly/kernel'
import { voicesOf } from './catalogue.ts'
import type { Engine } from './engine.ts'
import { FallbackEars, type Hearer } from './fallback-ears.ts'
import { FallbackMouth, type Speaker } from './fallback-mouth.ts'
import type { AudioChunk, Ears, EarsOptions, Hearing, Mouth, SpeechService } from './port.ts'
import { parseVoiceId, voiceId, type ConfiguredSpeech } from './settings.ts'

export interface SwitchboardParts {
  /** The node's own pair, its name, and what it hears. */
  own: SpeechService
  ownName: string
  hearing: Hearing
  engines: readonly Engine[]
  configured: ConfiguredSpeech
  clock: Clock
  log: Log
}

/** Joins the engines; closing it closes them all. */
export class Switchboard implements SpeechService {
  readonly mouth: Mouth
  readonly #parts: SwitchboardParts
  readonly #fallback: FallbackMouth
  readonly #ownHearer: Hearer

  constructor(parts: SwitchboardParts) {
    this.#parts = parts
    this.#fallback = new FallbackMouth(parts.clock, parts.log)
    this.#ownHearer = {
      name: parts.ownName,
      ears: { ...parts.hearing, partials: false, open: (options) => parts.own.openEars(options) },
      breaker: null,
    }
    this.mouth = {
      wordTimes: parts.own.mouth.wordTimes,
      speak: (text, voice, signal, begun = false) => this.#speak(text, voice, signal, begun),
    }
  }

  openEars(options: EarsOptions): Ears {
    const { own, ownName, hearing, configured, clock, log } = this.#parts
    const wanted = options.engine ?? ownName
    if (wanted === ownName) return own.openEars(options)
    const chain = [...new Set([wanted, ...configured.fallback.hear])]
      .map((name) => this.#hearer(name))
      .filter((hearer) => hearer !== null)
      .filter(({ ears }) => ears.recognizer === 'free')
    const phrases = hearing.recognizer === 'phrases' ? this.#ownHearer : null
    return new FallbackEars(options, { chain, wanted, phrases, clock, log })
  }

  async close(): Promise<void> {
    for (const engine of this.#parts.engines) await engine.close()
    await this.#parts.own.close()
  }

  #hearer(name: string): Hearer | null {
    if (name === this.#parts.ownName) return this.#ownHearer
    const engine = this.#engine(name)
    return engine?.ears ? { name, ears: engine.ears, breaker: engine.breaker } : null
  }

  #engine(name: string): Engine | null {
    return this.#parts.engines.find((engine) => engine.name === name) ?? null
  }

  #speak(
    text: string,
    id: string | null,
    signal: AbortSignal,
    begun: boolean,
  ): AsyncIterable<AudioChunk> {
    const wanted = id === null ? null : parseVoiceId(id)
    if (!wanted || wanted.engine === null) return this.#parts.own.mouth.speak(text, id, signal)
    const speaker = this.#speaker(wanted.engine, wanted.voice)
    const others = this.#parts.configured.fallback.speak.flatMap((other) => {
      const { engine, voice } = parseVoiceId(other)
      return (engine === null ? this.#ownSpeaker(voice) : this.#speaker(engine, voice)) ?? []
    })
    const speakers = [speaker, ...others, this.#ownSpeaker(null)]
      .filter((one) => one !== null)
      .filter((one, i, all) => all.findIndex(({ engine }) => engine === one.engine) === i)
    const missing = speaker ? null : wanted.engine
    return this.#fallback.speak(speakers, { text, signal, begun }, missing)
  }

  #ownSpeaker(voice: string | null): Speaker {
    const { own, ownName } = this.#parts
    return { engine: ownName, voice, id: voice, mouth: own.mouth, breaker: null }
  }

  #speaker(name: string, voice: string): Speaker | null {
    const engine = this.#engine(name)
    const settings = this.#parts.configured.engines[name]
    if (!engine?.mouth || !settings) return null
    // A voice that was taken out of the configuration is replaced by the engine's first.
    const known = voicesOf(settings).find(({ id }) => id === voice) ?? voicesOf(settings)[0]
    if (!known) return null
    const { mouth, breaker } = engine
    return { engine: name, voice: known.id, id: voiceId(name, known.id), mouth, breaker }
  }
}
