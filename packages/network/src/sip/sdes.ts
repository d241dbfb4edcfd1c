// The keys of secured media as SDP carries them: one `a=crypto` line is one offer of a suite and a key (RFC 4568).
//
// Whoever reads the SDP can hear the call, so this is as safe as the signalling: see the guide on TLS. Nothing here puts a
// line or a key into a log or an error.
import { assert } from '@saperly/kernel'
import type { Random } from '@saperly/kernel'
import { KEY_BYTES, MAX_MKI_BYTES } from '../rtp/srtp-keys.ts'
import type { SrtpSuite } from '../rtp/srtp-keys.ts'

/** `optional`: encrypted with a peer that can, plain with one that can't. */
export type SrtpMode = 'off' | 'optional' | 'required'

/** One usable line. */
export interface CryptoLine {
  /** Number of the line; an answer repeats that of the line it takes. */
  tag: number
  suite: SrtpSuite
  /** Master key and salt, 30 bytes. */
  key: Uint8Array
  /** Length of the key identifier in the packets under this key; 0 when there is none. */
  mkiBytes: number
}

/** The stronger first (RFC 4568 section 6.2); Twilio offers no other. */
export const SRTP_SUITES: readonly SrtpSuite[] = [
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
]
const MAX_TAG = 999_999_999
const LINE = /^a=crypto: *(\d{1,9}) +([A-Za-z0-9_]{1,64}) +(\S{1,512})((?: +\S{1,128}){0,16}) *$/
/** Forty characters are thirty bytes; some equipment pads what needs no padding. */
const INLINE = /^inline:([A-Za-z0-9+/]{40})={0,2}((?:\|[^|]{0,64}){0,2})$/i
const LIFETIME = /^(?:2\^)?\d{1,20}$/
const MKI = /^(\d{1,20}):(\d{1,3})$/
/**
 * Session parameters that change nothing for us: the window that the sender wishes for. All others that are known ask
 * for less security or for forward error correction, and what isn't known makes the line unusable (section 6.3), unless
 * it begins with `-`.
 */
const HARMLESS_PARAMETER = /^(?:WSH=\d{1,4}|KDR=0|-\S+)$/

/** The line, or null when it is malformed or asks for what isn't spoken here. Never throws. */
export function parseCrypto(line: string): CryptoLine | null {
  const found = LINE.exec(line)
  if (!found) return null
  const suite = SRTP_SUITES.find((known) => known === found[2]!.toUpperCase())
  const parameters = found[4]!.split(' ').filter((parameter) => parameter !== '')
  if (!suite || !parameters.every((parameter) => HARMLESS_PARAMETER.test(parameter))) return null
  const inline = INLINE.exec(found[3]!)
  const mkiBytes = inline && readKeyInfo(inline[2]!)
  if (!inline || mkiBytes === null) return null
  const key = Uint8Array.from(Buffer.from(inline[1]!, 'base64'))
  return { tag: Number(found[1]), suite, key, mkiBytes }
}

/** What may stand behind the key: a lifetime, which no call outlasts, and a key identifier. Gives the latter's length. */
function readKeyInfo(text: string): number | null {
  const parts = text.split('|').slice(1)
  if (parts[0] !== undefined && LIFETIME.test(parts[0])) parts.shift()
  if (parts.length === 0) return 0
  const bytes = Number(MKI.exec(parts[0]!)?.[2] ?? 0)
  return parts.length === 1 && bytes >= 1 && bytes <= MAX_MKI_BYTES ? bytes : null
}

/** The line as it is written; ours never has a key identifier. */
export function writeCrypto({ tag, suite, key }: Omit<CryptoLine, 'mkiBytes'>): string {
  assert(
    tag <= MAX_TAG && key.length === KEY_BYTES,
    'a crypto line has a tag and a key of 30 bytes',
  )
  return `a=crypto:${tag} ${suite} inline:${Buffer.from(key).toString('base64')}`
}

/** What we offer: a key of its own for each suite. */
export function newCryptoLines(random: Random): CryptoLine[] {
  return SRTP_SUITES.map((suite, i) => {
    return { tag: i + 1, suite, key: newKey(random), mkiBytes: 0 }
  })
}

export function newKey(random: Random): Uint8Array {
  return Uint8Array.from(random.bytes(KEY_BYTES))
}
