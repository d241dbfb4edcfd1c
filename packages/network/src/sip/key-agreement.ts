// Which keys a call's media has: what we offer, which of the peer's lines we take, and what stays over re-INVITEs.
import { fail, ok } from '@saperly/kernel'
import type { Random, Result } from '@saperly/kernel'
import type { SrtpKeys } from '../rtp/srtp-keys.ts'
import { newCryptoLines, newKey } from './sdes.ts'
import type { CryptoLine, SrtpMode } from './sdes.ts'

export interface AgreedKeys {
  /** Our line: the one that was taken, or the one that answers. */
  line: CryptoLine
  srtp: SrtpKeys
}

export class KeyAgreement {
  readonly #mode: SrtpMode
  readonly #random: Random
  /** What stands in our offers. */
  #offered: CryptoLine[] = []
  #agreed: AgreedKeys | null = null

  constructor(mode: SrtpMode, random: Random) {
    this.#mode = mode
    this.#random = random
  }

  /** The lines of our next offer: the same ones for as long as the call lasts, or the one that was agreed on. */
  offer(): readonly CryptoLine[] {
    if (this.#mode === 'off') return []
    if (this.#offered.length === 0) this.#offered = newCryptoLines(this.#random)
    return this.#offered
  }

  /** The keys after an answer with `lines`; null for plain media. Refuses an answer that took none where one must be. */
  accept(lines: readonly CryptoLine[]): Result<AgreedKeys | null, 'no_srtp'> {
    for (const theirs of lines) {
      const ours = this.#offered.find(
        ({ tag, suite }) => tag === theirs.tag && suite === theirs.suite,
      )
      if (ours) return ok(this.#settle(ours, theirs))
    }
    return this.#plain()
  }

  /** The keys with which an offer of `lines` is answered; null for plain media. */
  answer(lines: readonly CryptoLine[]): Result<AgreedKeys | null, 'no_srtp'> {
    const theirs = lines.find(({ suite, key }) => this.#isAgreed(suite, key)) ?? lines[0]
    if (!theirs) return this.#plain()
    const { tag, suite } = theirs
    // A peer with a new key may be another device, which counts from the beginning: so do we, with a new key as well.
    const key = this.#isAgreed(suite, theirs.key)
      ? this.#agreed!.srtp.sendKey
      : newKey(this.#random)
    const ours = { tag, suite, key, mkiBytes: 0 }
    this.#offered = [ours]
    return ok(this.#settle(ours, theirs))
  }

  #isAgreed(suite: string, peerKey: Uint8Array): boolean {
    const srtp = this.#agreed?.srtp
    return srtp?.suite === suite && Buffer.compare(srtp.receiveKey, peerKey) === 0
  }

  #settle(line: CryptoLine, theirs: CryptoLine): AgreedKeys {
    const srtp = {
      suite: line.suite,
      sendKey: line.key,
      receiveKey: theirs.key,
      receiveMkiBytes: theirs.mkiBytes,
    }
    return (this.#agreed = { line, srtp })
  }

  /** No keys. What was in use is forgotten, since the count of what was sent under it is. */
  #plain(): Result<null, 'no_srtp'> {
    if (this.#mode === 'required') return fail('no_srtp')
    if (this.#agreed) this.#offered = []
    this.#agreed = null
    return ok(null)
  }
}
