// Secured RTCP: like the packets, but with an index of its own that every report carries (RFC 3711 section 3.4).
import { HmacSha1 } from './hmac-sha1.ts'
import { Keystream } from './keystream.ts'
import { readU32, writeU32 } from './packet.ts'
import { ReplayWindow } from './replay.ts'
import { sameBytes } from './srtp.ts'
import { deriveKeys, RTCP_TAG_BYTES } from './srtp-keys.ts'

/** The first report's header and the sender's source stay readable. */
const CLEAR_BYTES = 8
const INDEX_BYTES = 4
const MAX_RTCP_BYTES = 1500
/** Set in the index of a report that is encrypted, as all of ours are. */
const ENCRYPTED = 0x8000_0000
const INDICES = 0x8000_0000

export class SrtcpSender {
  readonly #keystream: Keystream
  readonly #hmac: HmacSha1
  #index = 0

  /** `master`: 30 bytes. The tag is the same in both suites. */
  constructor(master: Uint8Array) {
    const { cipherKey, authKey, salt } = deriveKeys(master, 'rtcp')
    this.#keystream = new Keystream(cipherKey, salt)
    this.#hmac = new HmacSha1(authKey)
  }

  /** The secured form of a compound report of ours. One every few seconds: the index never runs out. */
  protect(report: Uint8Array): Uint8Array {
    const index = (this.#index = (this.#index + 1) % INDICES)
    const size = report.length
    const bytes = Buffer.allocUnsafe(size + INDEX_BYTES + RTCP_TAG_BYTES)
    bytes.set(report)
    crypt(bytes, size, this.#keystream, index)
    writeU32(bytes, size, ENCRYPTED + index)
    const tag = this.#hmac.digest(bytes, size + INDEX_BYTES, null)
    bytes.set(tag.subarray(0, RTCP_TAG_BYTES), size + INDEX_BYTES)
    return bytes
  }
}

export class SrtcpReceiver {
  readonly #keystream: Keystream
  readonly #hmac: HmacSha1
  readonly #mkiBytes: number
  readonly #window = new ReplayWindow()

  constructor(master: Uint8Array, mkiBytes: number = 0) {
    const { cipherKey, authKey, salt } = deriveKeys(master, 'rtcp')
    this.#keystream = new Keystream(cipherKey, salt)
    this.#hmac = new HmacSha1(authKey)
    this.#mkiBytes = mkiBytes
  }

  /** The report in `data`, in a buffer of its own; null when it is malformed, forged, or was taken before. */
  unprotect(data: Uint8Array): Uint8Array | null {
    const authenticated = data.length - RTCP_TAG_BYTES - this.#mkiBytes
    const size = authenticated - INDEX_BYTES
    if (data.length > MAX_RTCP_BYTES || size < CLEAR_BYTES) return null
    const word = readU32(data, size)
    const index = word % INDICES
    if (!this.#window.isNew(index)) return null
    const tag = this.#hmac.digest(data, authenticated, null)
    if (!sameBytes(data, data.length - RTCP_TAG_BYTES, tag, RTCP_TAG_BYTES)) return null
    this.#window.take(index)
    const bytes = Buffer.from(data.subarray(0, size))
    if (word >= ENCRYPTED) crypt(bytes, size, this.#keystream, index)
    return bytes
  }
}

/** Encrypts or decrypts in place what comes after the clear part. */
function crypt(bytes: Uint8Array, size: number, keystream: Keystream, index: number): void {
  const key = keystream.take(readU32(bytes, 4), index >>> 16, index & 0xffff, size - CLEAR_BYTES)
  for (let i = CLEAR_BYTES; i < size; i++) bytes[i]! ^= key[i - CLEAR_BYTES]!
}
