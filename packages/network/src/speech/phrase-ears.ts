// The embedded listener of one leg: hears phrases of a list and digits, and says so when it was something else.
import type { Log } from '@saperly/kernel'
import type { Expect } from '../talk/port.ts'
import type { DecoderPool, Lease } from './decoder-pool.ts'
import type { GrammarBook } from './grammar-book.ts'
import type { PhraseGrammar } from './phrase-grammar.ts'
import { defaultPhrases } from './phrases.ts'
import type { Ears, EarsOptions } from './port.ts'
import { decoderFault } from './sound-swallower.ts'
import type { Hypothesis } from './sound-swallower.ts'

/** Longest utterance, frames: 30 s. More is a fault, not a guess. */
const MAX_FRAMES = 1500
/**
 * What the words must meet to be believed. Measured on four voices: right phrases all but always do, and of ten that
 * a grammar would otherwise read into something else, seven don't.
 */
const MIN_CONFIDENCE = 0.82
const MIN_WEAKEST = 0.76
/** The same for a long row of digits that nobody asked for: read into other words, it never fitted better than 0.92. */
const MIN_STRAY_DIGITS_CONFIDENCE = 0.925
const MAX_UNCOVERED_MS = 200
/** The first utterance of a call gets a second hearing if it is no longer, frames: 2.5 s. */
const SECOND_HEARING_FRAMES = 125
/** How often a growing hypothesis is looked at, frames. */
const PARTIAL_FRAMES = 10

interface Utterance {
  id: number
  grammar: PhraseGrammar
  /** Frames not yet decoded, or, on a line not known yet, all of them. */
  frames: Int16Array[]
  count: number
  decoded: number
  lease: Lease | null
  finishing: boolean
  failed: string | null
  partial: string
}

export class PhraseEars implements Ears {
  readonly recognizer = 'phrases'
  readonly #options: EarsOptions
  readonly #pool: DecoderPool
  readonly #grammars: GrammarBook
  readonly #log: Log
  #expect: Expect = {}
  #grammar: PhraseGrammar | null = null
  #open: Utterance | null = null

  constructor(options: EarsOptions, pool: DecoderPool, grammars: GrammarBook, log: Log) {
    this.#options = options
    this.#pool = pool
    this.#grammars = grammars
    this.#log = log
  }

  /** Holds from the next utterance on. */
  expect(expect: Expect): void {
    this.#expect = expect
    this.#grammar = null
  }

  start(utterance: number): void {
    this.cancel()
    const open: Utterance = {
      id: utterance,
      grammar: (this.#grammar ??= this.#build()),
      frames: [],
      count: 0,
      decoded: 0,
      lease: null,
      finishing: false,
      failed: null,
      partial: '',
    }
    this.#open = open
    void this.#begin(open)
  }

  write(frame: Int16Array): void {
    const open = this.#open
    if (!open || open.finishing || open.failed) return
    if (open.count++ >= MAX_FRAMES) return this.#fail(open, 'too_long')
    const kept = open.lease?.cold === true && open.count <= SECOND_HEARING_FRAMES
    if (!open.lease || kept) open.frames.push(frame)
    if (open.lease) this.#decode(open, frame)
  }

  finish(): void {
    const open = this.#open
    if (!open || open.finishing) return
    open.finishing = true
    if (open.lease || open.failed) this.#conclude(open)
  }

  cancel(): void {
    const open = this.#open
    this.#open = null
    if (!open?.lease) return
    // An utterance can only be left by ending it; what it gives is not looked at.
    this.#attempt(open, () => open.lease!.decoder.finish())
    if (open.lease) this.#pool.release(open.lease.decoder)
  }

  close(): void {
    this.cancel()
  }

  #build(): PhraseGrammar {
    const { phrases = [], hints = [], digits } = this.#expect
    const all = [...phrases, ...hints, ...this.#options.phrases, ...defaultPhrases]
    const grammar = this.#grammars.grammar(all, digits !== undefined)
    if (grammar.skipped > 0) this.#log.warn('speech.phrases_skipped', { count: grammar.skipped })
    return grammar
  }

  /** Takes a decoder and gives it what was said meanwhile. */
  async #begin(open: Utterance): Promise<void> {
    let lease: Lease
    try {
      lease = await this.#pool.acquire(this, open.grammar)
    } catch (error) {
      this.#log.warn('speech.recogniser_unavailable', { reason: String(error) })
      open.failed = 'unavailable'
      if (open.finishing) this.#conclude(open)
      return
    }
    if (this.#open !== open) return this.#pool.release(lease.decoder)
    open.lease = lease
    const waiting = lease.cold ? open.frames : open.frames.splice(0)
    this.#attempt(open, () => lease.decoder.start())
    for (const frame of waiting) this.#decode(open, frame)
    if (open.finishing) this.#conclude(open)
  }

  #decode(open: Utterance, frame: Int16Array): void {
    this.#attempt(open, () => {
      open.lease?.decoder.write(frame)
      if (++open.decoded % PARTIAL_FRAMES === 0) this.#reportPartial(open)
    })
  }

  #reportPartial(open: Utterance): void {
    const text = open.lease?.decoder.partial() ?? null
    if (text === null || text === open.partial) return
    open.partial = text
    this.#options.onEvent({ type: 'partial', utterance: open.id, text })
  }

  #conclude(open: Utterance): void {
    if (this.#open !== open) return
    const heard = open.failed ? null : this.#attempt(open, () => this.#result(open))
    this.#open = null
    if (open.lease) this.#pool.release(open.lease.decoder)
    if (open.failed) {
      this.#options.onEvent({ type: 'fault', utterance: open.id, code: open.failed })
      return
    }
    this.#options.onEvent({
      type: 'final',
      utterance: open.id,
      text: heard?.text ?? '',
      noMatch: !heard,
      confidence: heard?.confidence ?? 0,
    })
  }

  #result(open: Utterance): { text: string; confidence: number } | null {
    const { decoder, cold } = open.lease!
    const first = this.#understood(open.grammar, decoder.finish())
    if (first || !cold || open.count > SECOND_HEARING_FRAMES) return first
    // The first utterance of a call tells what its line sounds like; with that known, it gets a second hearing.
    decoder.start()
    for (const frame of open.frames) decoder.write(frame)
    return this.#understood(open.grammar, decoder.finish())
  }

  #understood(
    grammar: PhraseGrammar,
    heard: Hypothesis | null,
  ): { text: string; confidence: number } | null {
    if (!heard || heard.uncoveredMs > MAX_UNCOVERED_MS) return null
    const stray = grammar.isStrayDigits(heard.words)
    const wanted = stray ? MIN_STRAY_DIGITS_CONFIDENCE : MIN_CONFIDENCE
    if (heard.confidence < wanted || heard.weakest < MIN_WEAKEST) return null
    const text = grammar.textOf(heard.words)
    return text === null ? null : { text, confidence: heard.confidence }
  }

  /** Runs one step of the decoder; one that throws is let go, and its utterance has failed. */
  #attempt<T>(open: Utterance, step: () => T): T | null {
    if (open.failed) return null
    try {
      return step()
    } catch (error) {
      this.#log.error('speech.recogniser_failed', {}, decoderFault(error))
      if (open.lease) this.#pool.discard(open.lease.decoder)
      open.lease = null
      open.failed = 'engine'
      return null
    }
  }

  #fail(open: Utterance, code: string): void {
    this.#attempt(open, () => open.lease?.decoder.finish())
    open.failed ??= code
    open.frames = []
  }
}
