// Ears that outlive their engine's failures: the utterance in progress is replayed to the next engine that may hear it.
import type { Clock, Log } from '@saperly/kernel'
import { Timers } from '../sip/machine.ts'
import type { Expect } from '../talk/port.ts'
import type { Engine, EngineEars } from './engine.ts'
import type { Ears, EarsEvent, EarsOptions } from './port.ts'

/** Audio of the utterance in progress that another engine could be given: 15 s in frames, the latest. */
export const MAX_KEPT_FRAMES = 750
/** An engine that tells partial texts and says nothing for so long after the beginning is not hearing. */
export const NO_EVENT_LIMIT_MS = 3_000

/** An engine that hears. */
export interface Hearer {
  readonly name: string
  readonly ears: EngineEars
  /** Null: the node's own, which is never given up. */
  readonly breaker: Engine['breaker'] | null
}

export interface FallbackOptions {
  /** The engine that was asked for, then those that may take its place: all of them know any words. */
  chain: readonly Hearer[]
  /** Name of the engine that was asked for; where it isn't the first of the chain, it is not configured. */
  wanted: string
  /** A recogniser of phrases, for calls whose agent gave phrases. Null: there is none. */
  phrases: Hearer | null
  clock: Clock
  log: Log
}

/** `finishing`: the text has been asked for. */
type State = 'idle' | 'open' | 'finishing'

interface Current {
  hearer: Hearer
  ears: Ears
}

export class FallbackEars implements Ears {
  readonly #options: EarsOptions
  readonly #links: FallbackOptions
  readonly #timers: Timers<'event' | 'final'>
  #current: Current | null
  /** The name that was told last. */
  #told: string | null
  #expect: Expect | null = null
  #state: State = 'idle'
  #utterance = 0
  #frames: Int16Array[] = []
  /** Engines that failed this utterance. */
  readonly #failed = new Set<Hearer>()

  constructor(options: EarsOptions, links: FallbackOptions) {
    this.#options = options
    this.#links = links
    this.#timers = new Timers(links.clock)
    this.#told = links.wanted
    const first = links.chain[0]
    // One that rests is asked again when there is something to hear.
    const ready = first?.name === links.wanted && first.breaker?.state !== 'open'
    this.#current = first && ready ? this.#open(first) : null
  }

  get recognizer(): 'phrases' | 'free' {
    return this.#current?.ears.recognizer ?? 'free'
  }

  get endsTurns(): boolean {
    return this.#current?.hearer.ears.endsTurns ?? false
  }

  expect(expect: Expect): void {
    this.#expect = expect
    this.#current?.ears.expect(expect)
  }

  start(utterance: number): void {
    this.#utterance = utterance
    this.#state = 'open'
    this.#frames = []
    this.#failed.clear()
    if (!this.#hearsAnything) this.#recover()
    this.#begin()
  }

  write(frame: Int16Array): void {
    if (this.#state !== 'open') return
    this.#frames.push(frame.slice())
    if (this.#frames.length > MAX_KEPT_FRAMES) this.#frames.shift()
    this.#current?.ears.write(frame)
  }

  finish(): void {
    if (this.#state !== 'open') return
    this.#state = 'finishing'
    if (!this.#current) return this.#giveUp()
    this.#awaitFinal(this.#current)
  }

  cancel(): void {
    if (this.#state !== 'idle') this.#current?.ears.cancel()
    this.#rest()
  }

  close(): void {
    this.#rest()
    this.#current?.ears.close()
    this.#current = null
  }

  get #hearsAnything(): boolean {
    return this.#current !== null && this.#links.chain.includes(this.#current.hearer)
  }

  /** Nothing, or phrases alone, is heard: a better engine may have come back, or the wanted one was resting. */
  #recover(): void {
    const { chain, wanted } = this.#links
    const better = chain.find((hearer) => hearer.breaker?.allows() ?? true)
    if (better?.name === wanted) return this.#switchTo(better, 'recovered')
    const reason = chain.some(({ name }) => name === wanted) ? 'circuit_open' : 'not_configured'
    if (better) return this.#switchTo(better, reason)
    if (!this.#current) this.#switchTo(this.#grammar, reason)
  }

  /** The recogniser of phrases, only where there are phrases that it was given: it must never pass for free dictation. */
  get #grammar(): Hearer | null {
    const given = this.#options.phrases.length + (this.#expect?.phrases?.length ?? 0)
    return given > 0 ? this.#links.phrases : null
  }

  #open(hearer: Hearer): Current {
    const ears = hearer.ears.open({
      ...this.#options,
      onEvent: (event) => {
        if (this.#current?.ears === ears) this.#onEvent(event)
      },
    })
    if (this.#expect) ears.expect(this.#expect)
    return { hearer, ears }
  }

  /** Gives the current engine the utterance as far as it is known. */
  #begin(): void {
    const current = this.#current
    if (!current) return
    current.ears.start(this.#utterance)
    if (current.hearer.ears.partials) {
      this.#timers.start('event', NO_EVENT_LIMIT_MS, () => this.#onFailure('no_event'))
    }
    for (const frame of this.#frames) current.ears.write(frame)
    if (this.#state === 'finishing') this.#awaitFinal(current)
  }

  #awaitFinal({ hearer, ears }: Current): void {
    this.#timers.start('final', hearer.ears.finalLimitMs, () => this.#onFailure('final_late'))
    ears.finish()
  }

  #onEvent(event: EarsEvent): void {
    if (event.type === 'switched' || this.#state === 'idle') return
    if (event.utterance !== this.#utterance) return
    this.#timers.stop('event')
    if (event.type === 'fault') return this.#onFailure(event.code)
    if (event.type === 'final') {
      this.#current?.hearer.breaker?.worked()
      this.#rest()
    }
    this.#options.onEvent(event)
  }

  #onFailure(reason: string): void {
    const failed = this.#current
    if (!failed) return
    this.#timers.stopAll()
    failed.hearer.breaker?.failed()
    this.#failed.add(failed.hearer)
    const next =
      this.#links.chain.find(
        (hearer) => !this.#failed.has(hearer) && (hearer.breaker?.allows() ?? true),
      ) ?? this.#grammar
    this.#switchTo(next && this.#failed.has(next) ? null : next, reason)
    if (this.#current) this.#begin()
    else if (this.#state === 'finishing') this.#giveUp()
  }

  #switchTo(hearer: Hearer | null, reason: string): void {
    const before = this.#current
    this.#current = null
    before?.ears.close()
    this.#current = hearer && this.#open(hearer)
    const [from, to] = [this.#told, hearer?.name ?? null]
    if (from === to) return
    this.#told = to
    this.#links.log.warn('speech.switched', { part: 'hear', from, to, reason })
    const { recognizer } = this
    this.#options.onEvent({ type: 'switched', from, to, reason, recognizer })
  }

  /** Nothing hears this utterance: it counts as not understood, and the agent may ask for digits. */
  #giveUp(): void {
    this.#rest()
    this.#options.onEvent({ type: 'fault', utterance: this.#utterance, code: 'no_engine' })
  }

  #rest(): void {
    this.#state = 'idle'
    this.#timers.stopAll()
    this.#frames = []
  }
}
