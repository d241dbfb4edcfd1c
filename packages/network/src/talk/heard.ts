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

/** Engines may say more words than are written ("$5" is two); then the spoken ones are looked up in order. */
function timedTokens(piece: TimedText, tokens: readonly Token[], heardMs: number): number {
  const spoken = piece.words.findIndex((word) => word.toMs > heardMs)
  const count = spoken < 0 ? piece.words.length : spoken
  if (piece.words.length === tokens.length) return count
  let at = 0
  let found = 0
  for (const word of piece.words.slice(0, count)) {
    const plain = plainOf(word.text)
    const index = tokens.findIndex((token, i) => i >= at && plainOf(token.text).includes(plain))
    if (plain === '' || index < 0) continue
    at = index
    found = index + 1
  }
  return found > 0 ? found : Math.floor((count / piece.words.length) * tokens.length)
}

function shareOfTokens(piece: TimedText, tokens: readonly Token[], heardMs: number): number {
  if (piece.totalMs <= 0) return 0
  const chars = (heardMs / piece.totalMs) * piece.text.length
  return tokens.filter((token) => token.end <= chars).length
}

function plainOf(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{M}\p{N}]/gu, '')
}
