// Grammars in use, so that legs which listen for the same share one, and a decoder needn't take it again (some 30 ms).
import type { Lexicon } from './lexicon.ts'
import { LruCache } from './lru.ts'
import { buildGrammar } from './zz-grammar.ts'
import type { PhraseGrammar } from './zz-grammar.ts'

const MAX_GRAMMARS = 200

export class GrammarBook {
  readonly #lexicon: Lexicon
  readonly #grammars = new LruCache<PhraseGrammar>(MAX_GRAMMARS)

  constructor(lexicon: Lexicon) {
    this.#lexicon = lexicon
  }

  /** The grammar for `phrases`, in their order; see {@link buildGrammar}. */
  grammar(phrases: readonly string[], digitsExpected: boolean): PhraseGrammar {
    const key = JSON.stringify([digitsExpected, ...phrases])
    const known = this.#grammars.get(key)
    if (known) return known
    const grammar = buildGrammar(phrases, digitsExpected, this.#lexicon)
    this.#grammars.set(key, grammar, 1)
    return grammar
  }
}
