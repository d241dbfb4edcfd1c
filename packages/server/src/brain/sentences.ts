// A model's text, cut into pieces that can be spoken while it still writes: sentences, and the first clause early.

/** A first clause is worth speaking by itself from this length on. */
const MIN_CLAUSE = 12
/** Without any boundary, text is cut at a space before this length. */
export const MAX_PIECE = 300
/** Words that end in a point in the middle of a sentence. */
const ABBREVIATION =
  /(?:^|[\s(])(?:\p{L}|mr|mrs|ms|dr|st|vs|no|nr|prof|jr|sr|inc|ltd|approx|bzw|z\.b|d\.h|e\.g|i\.e|a\.m|p\.m|u\.s)\.$/iu
const SENTENCE_END = /[.!?…]["')\]»”]*$/u
const WIDE_END = /[。！？]$/u
const CLAUSE_END = /[,;:–—]$/u

/** Feed it text as it comes. How the text was cut on the way in makes no difference to what comes out. */
export class Sentences {
  #buffer = ''
  #first = true

  /** The pieces that are complete now. */
  push(text: string): string[] {
    this.#buffer += text
    const pieces: string[] = []
    for (let end = this.#boundary(); end > 0; end = this.#boundary()) this.#cut(end, pieces)
    return pieces
  }

  /** What is left when the model has finished. */
  end(): string[] {
    const pieces = this.push('\n')
    this.#cut(this.#buffer.length, pieces)
    return pieces
  }

  #cut(end: number, pieces: string[]): void {
    const piece = speakable(this.#buffer.slice(0, end))
    this.#buffer = this.#buffer.slice(end)
    if (piece === '') return
    this.#first = false
    pieces.push(piece)
  }

  /** Where the first piece ends, or 0 while that cannot be told yet. */
  #boundary(): number {
    const text = this.#buffer
    for (let end = 1; end < text.length && end <= MAX_PIECE; end++) {
      const before = text.slice(0, end)
      if (before.endsWith('\n') || WIDE_END.test(before)) return end
      if (!/\s/.test(text[end]!)) continue
      if (SENTENCE_END.test(before) && !isInside(before)) return end
      if (this.#first && end >= MIN_CLAUSE && CLAUSE_END.test(before)) return end
    }
    if (text.length <= MAX_PIECE) return text.endsWith('\n') ? text.length : 0
    const space = text.slice(0, MAX_PIECE).search(/\s\S*$/)
    return space > 0 ? space : MAX_PIECE
  }
}

/** The point belongs to an abbreviation, or to the number of a list item. */
function isInside(before: string): boolean {
  return ABBREVIATION.test(before) || /^\s*\d+\.$/.test(before)
}

/** Without the marks of a text that is to be looked at; empty when nothing is left to say. */
function speakable(text: string): string {
  const plain = text
    .replace(/^\s*(?:#{1,6}|[-•]|\d+\.)\s+/, '')
    .replace(/[*`]+/g, '')
    .replace(/\s+/g, ' ')
    .trim()
  return /[\p{L}\p{N}]/u.test(plain) ? plain : ''
}
