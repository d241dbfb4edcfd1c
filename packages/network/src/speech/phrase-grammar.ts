// What a phrase recogniser listens for: a list of phrases, spoken digits, and a phone loop that catches all else.
import type { Lexicon, LexiconWord } from './lexicon.ts'

/** Phrases of one leg beyond the default list; the decoder's cost grows with them. */
export const MAX_PHRASES = 300
const MAX_PHRASE_CHARS = 150
const MAX_PHRASE_WORDS = 24

export const PHONES =
  'AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH'.split(
    ' ',
  )
/** No "oh": it costs more digit strings than it saves. */
const DIGITS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine']

/**
 * How likely an utterance is none of ours, beforehand. Low, so that the shortest words are heard; the checks on what
 * was heard (see phrase-ears.ts) reject most of what then passes wrongly.
 */
const GARBAGE_WEIGHT = '1e-22'
/** Unexpected digits fit almost any long utterance, so they must fit it much better than a phrase. */
const DIGITS_WEIGHT = '1e-8'
/** With so many digits in a row, any long utterance can be read as digits. */
const STRAY_DIGITS = 5

/** The lower-case words of a phrase, without the punctuation around them. */
export function phraseWords(phrase: string): string[] {
  return phrase
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[‘’]/g, "'")
    .split(/\s+/)
    .map((word) => word.replaceAll(/^[^\p{L}\p{N}$']+|[^\p{L}\p{N}%']+$/gu, ''))
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
}

/** A grammar with the way back from its words to the phrases as they were written. */
export interface PhraseGrammar {
  /** JSpeech Grammar Format. */
  jsgf: string
  words: readonly LexiconWord[]
  /** The phrase or digits that stand for a decoded word sequence; null for garbage or an unfinished phrase. */
  textOf(hypothesis: string): string | null
  /** Whether it is a long row of digits that nobody asked for. */
  isStrayDigits(hypothesis: string): boolean
  /** Phrases that could not be taken: too long, too many, or with a word without sounds. */
  skipped: number
}

/**
 * Builds the grammar for `phrases` (the first of two that sound the same wins). Digits in sequence are always
 * listened for, as likely as any phrase when `digitsExpected`.
 */
export function buildGrammar(
  phrases: readonly string[],
  digitsExpected: boolean,
  lexicon: Lexicon,
): PhraseGrammar {
  const words = new Map<string, LexiconWord>()
  const texts = new Map<string, string>()
  const digits = new Map<string, string>()
  const take = (word: LexiconWord): string => {
    words.set(word.id, word)
    return word.id
  }
  for (const digit of DIGITS) {
    const word = lexicon.find(digit)
    if (word) digits.set(take(word), digit)
  }
  let skipped = 0
  for (const phrase of phrases) {
    const found = soundsOf(phrase, lexicon)
    if (!found || texts.size >= MAX_PHRASES) {
      skipped++
      continue
    }
    const key = found.map(take).join(' ')
    if (!texts.has(key)) texts.set(key, phrase)
  }
  return {
    jsgf: writeJsgf([...texts.keys()], [...digits.keys()], digitsExpected),
    words: [...words.values()],
    textOf: (hypothesis) => texts.get(hypothesis) ?? digitsOf(hypothesis, digits),
    isStrayDigits: (hypothesis) =>
      !digitsExpected &&
      !texts.has(hypothesis) &&
      hypothesis.split(' ').length >= STRAY_DIGITS &&
      digitsOf(hypothesis, digits) !== null,
    skipped,
  }
}

function soundsOf(phrase: string, lexicon: Lexicon): LexiconWord[] | null {
  if (phrase.length > MAX_PHRASE_CHARS) return null
  const words = phraseWords(phrase)
  if (words.length === 0 || words.length > MAX_PHRASE_WORDS) return null
  const found = words.map((word) => lexicon.find(word))
  return found.includes(null) ? null : (found as LexiconWord[])
}

function digitsOf(hypothesis: string, digits: ReadonlyMap<string, string>): string | null {
  const spoken = hypothesis.split(' ').map((id) => digits.get(id))
  return spoken.includes(undefined) ? null : spoken.join(' ')
}

/** The dictionary word that stands for one phone of the garbage loop. */
export function garbageWord(phone: string): string {
  return `g${phone.toLowerCase()}`
}

function writeJsgf(phrases: string[], digits: string[], digitsExpected: boolean): string {
  const branches = [
    ...(phrases.length > 0 ? ['/1/ <phrase>'] : []),
    `/${digitsExpected ? '1' : DIGITS_WEIGHT}/ <digits>`,
    `/${GARBAGE_WEIGHT}/ <garbage>`,
  ]
  return [
    '#JSGF V1.0;',
    'grammar saperly;',
    `public <utterance> = ${branches.join(' | ')};`,
    ...(phrases.length > 0 ? [`<phrase> = ${phrases.join(' | ')};`] : []),
    '<digits> = <digit>+;',
    `<digit> = ${digits.join(' | ')};`,
    '<garbage> = <phone>+;',
    `<phone> = ${PHONES.map(garbageWord).join(' | ')};`,
    '',
  ].join('\n')
}
