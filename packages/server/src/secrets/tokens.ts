// Tokens and secrets that people carry: how they are made, stored and compared.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Random } from '@saperly/kernel'

/** What a token opens: the API (test or live), a manual connection's socket, or the proof of a webhook. */
export type TokenKind = 'sk_test' | 'sk_live' | 'mc' | 'whsec'

/** 40 characters of 5 bits each: 200 bits. */
const TOKEN_LENGTH = 40
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** Characters of a token that may be shown, so that people recognise it. */
const SHOWN_LENGTH = 6

/** A new token: its kind, `_`, and 200 random bits in letters and digits that survive any header or URL. */
export function mintToken(kind: TokenKind, random: Random): string {
  const letters = Array.from(random.bytes(TOKEN_LENGTH), (byte) => ALPHABET[byte & 31]!)
  return `${kind}_${letters.join('')}`
}

/** The part of a token that may be stored and shown: its kind and the first few characters. */
export function shownPrefix(token: string): string {
  const start = token.lastIndexOf('_') + 1
  return token.slice(0, start + SHOWN_LENGTH)
}

/** SHA-256 in lower-case hex: how a token is stored. A random token needs no salt and no slow hash. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

/** Compares two strings in a time that tells nothing of where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
  return timingSafeEqual(digest(a), digest(b))
}
