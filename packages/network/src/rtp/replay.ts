// Which packets of a secured stream have been taken already (RFC 3711 section 3.3.2).

/** Packets that may come late; twice what the RFC asks for. */
export const REPLAY_WINDOW = 128

export class ReplayWindow {
  /** Index of the packet last taken in each place; an index has the place of its remainder. */
  readonly #taken = new Float64Array(REPLAY_WINDOW).fill(-1)
  #highest = -1

  /** The highest index taken, -1 before the first. */
  get highest(): number {
    return this.#highest
  }

  /** Whether the packet is new: neither taken before, nor older than the window. */
  isNew(index: number): boolean {
    return index > this.#highest - REPLAY_WINDOW && this.#taken[index % REPLAY_WINDOW] !== index
  }

  /** Notes a packet whose tag was right; only then, or a forger could shut the window. */
  take(index: number): void {
    this.#taken[index % REPLAY_WINDOW] = index
    this.#highest = Math.max(this.#highest, index)
  }
}
