// Cuts text into what the mouth renders at a time: whole sentences, as they become known, nothing lost.

/** No piece is longer (the mouth takes 500). */
export const MAX_CHUNK_CHARS = 200
/** Shorter sentences are joined with the next one: a piece of a word or two sounds chopped. */
const MIN_CHUNK_CHARS = 12
/** A first sentence longer than this is cut at its first clause, so that the voice comes early. */
const FIRST_CHUNK_CHARS = 80

const SENTENCE_END = /[.!?…]+["'”’)\]]*\s+$/u
const PARAGRAPH_END = /\n\s*$/u
const WIDE_SENTENCE_END = /[。！？]["”’」』)\]]*$/u
const PAUSE_END = /[.!?…。！？,;:—–]["'”’」』)\]]*\s*$/u
const CLAUSE_END = /[,;:—–]["'”’)\]]*\s+/gu
const ABBREVIATION =
  /(?:^|[\s("'])(?:mr|mrs|ms|dr|prof|sr|jr|st|ave|rd|mt|no|nos|vs|etc|approx|dept|est|ext|inc|ltd|co|corp|fig|vol|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|e\.g|i\.e|a\.m|p\.m|[a-z]|(?:[a-z]\.)+[a-z]|\d+)\.\s+$/iu

/**
 * Cuts a text that arrives in pieces. The chunks, joined, are exactly the text. A dot counts as an end only before
 * white space, so decimals and addresses stay whole; common abbreviations, initials and list numbers do too.
 */
export class SentenceChunker {
  #buffer = ''
  #first = true

  /** Takes more text; returns the chunks that are complete now. */
  push(text: string): string[] {
    const chunks: string[] = []
    for (let index = 0; index < text.length; index++) {
      const char = text.charAt(index)
      if (this.#endsBefore(char)) this.#emit(this.#buffer.length, chunks)
      this.#buffer += char
      this.#limit(chunks)
    }
    // The rest of the first sentence has not been written yet: begin with its first clause.
    if (this.#first) this.#emit(clauseEnd(this.#buffer, 'first'), chunks)
    return chunks
  }

  /**
   * The writer pauses: what may be said of what is there. `clause`: only if it ends like a sentence or clause;
   * `words`: up to the last whole word.
   */
  flush(until: 'clause' | 'words'): string[] {
    const chunks: string[] = []
    if (PAUSE_END.test(this.#buffer)) this.#emit(this.#buffer.length, chunks)
    else if (until === 'words') this.#emit(this.#buffer.search(/\S*$/u), chunks)
    return chunks
  }

  /** The text is complete: the rest of it. */
  end(): string[] {
    const chunks: string[] = []
    this.#emit(this.#buffer.length, chunks)
    return chunks
  }

  #endsBefore(char: string): boolean {
    const buffer = this.#buffer
    if (isSpace(char) || buffer.trim().length < MIN_CHUNK_CHARS) return false
    if (WIDE_SENTENCE_END.test(buffer)) return !/[。！？"”’」』)\]]/u.test(char)
    if (!isSpace(buffer.charAt(buffer.length - 1))) return false
    if (PARAGRAPH_END.test(buffer)) return true
    return SENTENCE_END.test(buffer) && !ABBREVIATION.test(buffer)
  }

  #limit(chunks: string[]): void {
    if (this.#first && this.#buffer.length >= FIRST_CHUNK_CHARS) {
      this.#emit(clauseEnd(this.#buffer, 'first'), chunks)
    }
    if (this.#buffer.length < MAX_CHUNK_CHARS) return
    const at = clauseEnd(this.#buffer, 'last') || lastSpace(this.#buffer)
    this.#emit(at || hardEnd(this.#buffer), chunks)
  }

  #emit(length: number, chunks: string[]): void {
    if (length === 0) return
    chunks.push(this.#buffer.slice(0, length))
    this.#buffer = this.#buffer.slice(length)
    this.#first = false
  }
}

/** True when there is something to say in it. */
export function isSpeakable(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text)
}

function isSpace(char: string): boolean {
  return /\s/u.test(char)
}

/** Where the first or last clause of useful length ends, its white space included; 0 when there is none. */
function clauseEnd(buffer: string, which: 'first' | 'last'): number {
  let end = 0
  for (const match of buffer.matchAll(CLAUSE_END)) {
    if (buffer.slice(0, match.index).trim().length < MIN_CHUNK_CHARS) continue
    end = match.index + match[0].length
    if (which === 'first') break
  }
  return end
}

function lastSpace(buffer: string): number {
  for (let index = buffer.length - 1; index >= MIN_CHUNK_CHARS; index--) {
    if (isSpace(buffer.charAt(index))) return index + 1
  }
  return 0
}

/** A word without end is cut, but not within a character. */
function hardEnd(buffer: string): number {
  const last = buffer.charCodeAt(MAX_CHUNK_CHARS - 1)
  const opensPair = last >= 0xd800 && last <= 0xdbff
  return opensPair ? MAX_CHUNK_CHARS - 1 : MAX_CHUNK_CHARS
}
