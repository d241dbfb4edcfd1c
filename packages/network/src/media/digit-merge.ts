// Keys that a peer sends by more than one way: each press counts once.

/** RTP (RFC 4733, or tones), or SIP INFO. */
export type DigitWay = 'media' | 'signalling'

/** The same digit by another way within so long is the same press, milliseconds. */
export const SAME_PRESS_MS = 200
/** Presses remembered; more within that time no finger makes. */
const MAX_REMEMBERED = 16

interface Press {
  digit: string
  way: DigitWay
  atMs: number
}

export class DigitMerge {
  #presses: Press[] = []

  /** False when the press was counted already. `atMs`: monotonic milliseconds, never going back. */
  accept(digit: string, way: DigitWay, atMs: number): boolean {
    this.#presses = this.#presses.filter((press) => atMs - press.atMs < SAME_PRESS_MS)
    const twin = this.#presses.findIndex((press) => press.digit === digit && press.way !== way)
    if (twin >= 0) {
      // Each press has one twin: "55" by both ways is two.
      this.#presses.splice(twin, 1)
      return false
    }
    if (this.#presses.length < MAX_REMEMBERED) this.#presses.push({ digit, way, atMs })
    return true
  }
}
