// How words sound: the recogniser's own dictionary, and flite's letter-to-sound rules for names it does not list.
import { Fault } from '@saperly/kernel'
import type { SpokenWord } from './word-times.ts'

/** Distinct words of all legs of a thread. A phrase with a word beyond them is not listened for. */
const MAX_WORDS = 20_000
const MAX_VARIANTS = 4

/** One word as a decoder knows it. Its `id` is a name that a grammar can hold, whatever the word looks like. */
export interface LexiconWord {
  id: string
  /** Pronunciations in the phones of the acoustic model (ARPAbet, capitals). */
  sounds: readonly string[]
}

/** Phones of a word from its spelling. */
export type LetterToSound = (words: readonly string[]) => readonly SpokenWord[]

/** flite tells apart an unstressed vowel that the model does not. */
const PHONES: Readonly<Record<string, string>> = { ax: 'AH' }

export class Lexicon {
  /** CMU dictionary text: one `word PHONES` a line, variants `word(2)` right after their word. */
  readonly #dictionary: string
  readonly #letterToSound: LetterToSound
  readonly #words = new Map<string, LexiconWord | null>()

  constructor(dictionary: string, letterToSound: LetterToSound) {
    this.#dictionary = `\n${dictionary}`
    this.#letterToSound = letterToSound
  }

  /** A lower-case word with its sounds; null when it has none. Throws a Fault when the lexicon is full. */
  find(word: string): LexiconWord | null {
    const known = this.#words.get(word)
    if (known !== undefined) return known
    if (this.#words.size >= MAX_WORDS) throw new Fault('lexicon is full', { retryable: false })
    const listed = this.#lookUp(word)
    const sounds = listed.length > 0 ? listed : this.#spell(word)
    const entry = sounds.length > 0 ? { id: `w${this.#words.size}`, sounds } : null
    this.#words.set(word, entry)
    return entry
  }

  #lookUp(word: string): string[] {
    const sounds: string[] = []
    let from = 0
    for (let variant = 1; variant <= MAX_VARIANTS; variant++) {
      const entry = variant === 1 ? `\n${word} ` : `\n${word}(${variant}) `
      const at = variant === 1 ? this.#dictionary.indexOf(entry) : from
      if (at < 0 || !this.#dictionary.startsWith(entry, at)) break
      const end = this.#dictionary.indexOf('\n', at + 1)
      from = end < 0 ? this.#dictionary.length : end
      sounds.push(this.#dictionary.slice(at + entry.length, from).trim())
    }
    return sounds
  }

  #spell(word: string): string[] {
    const phones = this.#letterToSound([word])[0]?.phones ?? []
    if (phones.length === 0) return []
    return [phones.map((phone) => PHONES[phone] ?? phone.toUpperCase()).join(' ')]
  }
}
