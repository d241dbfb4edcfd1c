// What two sides of a secured stream have agreed on, and the session keys that come of it (RFC 3711 section 4.3).
import { assert } from '@saperly/kernel'
import { Keystream } from './keystream.ts'

/** The suites of RFC 4568 section 6.2 that are spoken here, by their names in SDP. */
export type SrtpSuite = 'AES_CM_128_HMAC_SHA1_80' | 'AES_CM_128_HMAC_SHA1_32'

/** Bytes of a packet's authentication tag. Reports always carry ten. */
export const RTP_TAG_BYTES: Readonly<Record<SrtpSuite, number>> = {
  AES_CM_128_HMAC_SHA1_80: 10,
  AES_CM_128_HMAC_SHA1_32: 4,
}
export const RTCP_TAG_BYTES = 10
const MASTER_KEY_BYTES = 16
export const SALT_BYTES = 14
/** A master key and its salt, in one piece as SDP has them. */
export const KEY_BYTES = MASTER_KEY_BYTES + SALT_BYTES
const AUTH_KEY_BYTES = 20
/** The longest key identifier that RFC 4568 allows, bytes. */
export const MAX_MKI_BYTES = 128

/** The secrets of one leg. Never logged, never part of an error. */
export interface SrtpKeys {
  suite: SrtpSuite
  /** Ours: master key and salt, 30 bytes. */
  sendKey: Uint8Array
  /** The peer's. */
  receiveKey: Uint8Array
  /** Length of the key identifier that the peer puts into its packets; 0 as a rule. */
  receiveMkiBytes: number
}

/** Keys for one direction of RTP, or of RTCP. */
export interface SessionKeys {
  cipherKey: Uint8Array
  authKey: Uint8Array
  salt: Uint8Array
}

/** Labels of section 4.3.2: cipher, authentication, salt. */
const RTP_LABELS = [0, 1, 2] as const
const RTCP_LABELS = [3, 4, 5] as const

/** The session keys under `master` (30 bytes), without rekeying by rate: the rate is zero in every telephone offer. */
export function deriveKeys(master: Uint8Array, use: 'rtp' | 'rtcp'): SessionKeys {
  assert(master.length === KEY_BYTES, 'a master key and its salt are 30 bytes')
  const [cipher, auth, salt] = use === 'rtp' ? RTP_LABELS : RTCP_LABELS
  return {
    cipherKey: derive(master, cipher, MASTER_KEY_BYTES),
    authKey: derive(master, auth, AUTH_KEY_BYTES),
    salt: derive(master, salt, SALT_BYTES),
  }
}

/** `length` bytes of keystream whose counter begins with the label in the seventh byte from the salt's end. */
export function derive(master: Uint8Array, label: number, length: number): Uint8Array {
  const salt = Uint8Array.from(master.subarray(MASTER_KEY_BYTES))
  salt[SALT_BYTES - 7]! ^= label
  const keystream = new Keystream(master.subarray(0, MASTER_KEY_BYTES), salt)
  return Uint8Array.from(keystream.take(0, 0, 0, length).subarray(0, length))
}
