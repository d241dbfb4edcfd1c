// What flite is given to read: plain ASCII, word for word what was written.

const SPELLINGS: Readonly<Record<string, string>> = {
  '‘': "'",
  '’': "'",
  '“': '"',
  '”': '"',
  '–': '-',
  '—': '-',
  '…': '...',
  '€': ' euros ',
  '£': ' pounds ',
  ß: 'ss',
  æ: 'ae',
  ø: 'o',
  œ: 'oe',
  ł: 'l',
}

/** One written word in the letters that flite knows; what has no such letters is left out. */
export function plainWord(word: string): string {
  return Array.from(word.normalize('NFKD'))
    .map((char) => SPELLINGS[char] ?? SPELLINGS[char.toLowerCase()] ?? char)
    .join('')
    .replaceAll(/[^\x21-\x7e ]/g, '')
    .trim()
}

/** The words of a text, as written. */
export function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

/** True when flite would say anything for this (already plain) word. */
export function isSpeakable(plain: string): boolean {
  return /[a-z0-9$%&@#+=]/i.test(plain)
}

/** True when the text has letters, but none that flite can read (another script). */
export function isForeign(text: string): boolean {
  return /\p{L}/u.test(text) && !wordsOf(text).some((word) => isSpeakable(plainWord(word)))
}
