// From what was played to what was heard: the words of a text that a position in its audio stands for.
import type { Word } from '../speech/port.ts'

/** One rendered piece, as far as it is known. */
export interface TimedText {
  text: string
  /** Empty when the engine gives no times. */
  words: readonly Word[]
  /** Length of the audio. */
  totalMs: number
}

interface Token {
  text: string
  end: number
}

/** The beginning of `piece.text` whose words had been played whole at `heardMs`, punctuation included. */
export function heardPrefix(piece: TimedText, heardMs: number): string {
  if (heardMs >= piece.totalMs && piece.totalMs > 0) return piece.text
  const tokens = tokensOf(piece.text)
  const count =
    piece.words.length > 0
      ? timedTokens(piece, tokens, heardMs)
      : shareOfTokens(piece, tokens, heardMs)
  const last = tokens[count - 1]
  return last ? piece.text.slice(0, last.end) : ''
}

/** Words as they are written: runs between white space that have a letter or a digit, the signs around included. */
function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  for (const match of text.matchAll(/\S+/gu)) {
    const end = match.index + match[0].length
    const last = tokens.at(-1)
    if (/[\p{L}\p{N}]/u.test(match[0])) tokens.push({ text: match[0], end })
    else if (last) last.end = end
  }
  return tokens
}

/**
 * Engines may say more words than are written ("$5" is two); then the spoken ones are looked up in order, and between two that
 * are found it goes by the share of words.
 */
function timedTokens(piece: TimedText, tokens: readonly Token[], heardMs: number): number {
  const spoken = piece.words.findIndex((word) => word.toMs > heardMs)
  const count = spoken < 0 ? piece.words.length : spoken
  if (piece.words.length === tokens.length) return count
  const found = anchors(piece.words, tokens)
  const last = found.findLast(({ words }) => words <= count) ?? { words: 0, tokens: 0 }
  const next = found.find(({ words }) => words > count)
  const until = next
    ? { words: next.words - 1, tokens: next.tokens - 1 }
    : { words: piece.words.length, tokens: tokens.length }
  if (until.words <= last.words || until.tokens <= last.tokens) return last.tokens
  const share = (count - last.words) / (until.words - last.words)
  return last.tokens + Math.floor(share * (until.tokens - last.tokens))
}

/** How many tokens have been said after so many words. */
interface Anchor {
  words: number
  tokens: number
}

/** Where spoken words are found among the written ones; neither number ever falls. */
function anchors(words: readonly Word[], tokens: readonly Token[]): Anchor[] {
  const found: Anchor[] = []
  const written = tokens.map((token) => plainOf(token.text))
  let at = 0
  for (const [i, word] of words.entries()) {
    const plain = plainOf(word.text)
    const index = written.findIndex((token, j) => j >= at && token.includes(plain))
    if (plain === '' || index < 0) continue
    at = index
    found.push({ words: i + 1, tokens: index + 1 })
  }
  return found
}

function shareOfTokens(piece: TimedText, tokens: readonly Token[], heardMs: number): number {
  if (piece.totalMs <= 0) return 0
  const chars = (heardMs / piece.totalMs) * piece.text.length
  return tokens.filter((token) => token.end <= chars).length
}

function plainOf(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{M}\p{N}]/gu, '')
}
