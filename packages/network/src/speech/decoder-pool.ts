// A few decoders shared by many legs: a leg holds one only while its peer speaks.
import { Fault } from '@saperly/kernel'
import type { PhraseGrammar } from './phrase-grammar.ts'
import { PhraseDecoder } from './sound-swallower.ts'

/** Decoders of one thread (15 MB each): as many peers speaking at once as one core can follow. */
const MAX_DECODERS = 16
/** Utterances that may wait for one. */
const MAX_WAITING = 64

export interface Lease {
  readonly decoder: PhraseDecoder
  /** True when the decoder knows nothing yet of this leg's line and voice. */
  readonly cold: boolean
}

interface Seat {
  decoder: PhraseDecoder
  leg: object | null
  busy: boolean
}

interface Waiter {
  resolve: (seat: Seat) => void
  reject: (error: Fault) => void
}

export class DecoderPool {
  readonly #open: () => Promise<PhraseDecoder>
  readonly #seats: Seat[] = []
  readonly #waiting: Waiter[] = []
  #opening = 0
  #closed = false

  constructor(open: () => Promise<PhraseDecoder> = () => PhraseDecoder.open()) {
    this.#open = open
  }

  /** Decoders in existence. */
  get size(): number {
    return this.#seats.length + this.#opening
  }

  /** Opens the first decoder, so that the first utterance finds one. */
  async warm(): Promise<void> {
    if (this.size === 0) await this.#grow()
  }

  /** A decoder with `grammar`, the one this leg had last if it is free. Throws a Fault when there is none. */
  async acquire(leg: object, grammar: PhraseGrammar): Promise<Lease> {
    const seat = await this.#take(leg, grammar)
    try {
      const cold = seat.leg !== leg
      if (cold) await seat.decoder.reset()
      seat.leg = leg
      seat.decoder.setGrammar(grammar)
      return { decoder: seat.decoder, cold }
    } catch (error) {
      this.discard(seat.decoder)
      throw new Fault('recogniser refused its grammar', { cause: error, retryable: true })
    }
  }

  release(decoder: PhraseDecoder): void {
    if (this.#closed || decoder.worn) return this.discard(decoder)
    const seat = this.#seats.find((other) => other.decoder === decoder)
    if (!seat) return
    const next = this.#waiting.shift()
    if (next) next.resolve(seat)
    else seat.busy = false
  }

  /** Lets go of a decoder that failed or is worn; its memory goes with it. */
  discard(decoder: PhraseDecoder): void {
    const at = this.#seats.findIndex((seat) => seat.decoder === decoder)
    if (at >= 0) this.#seats.splice(at, 1)
    if (!this.#closed && this.#waiting.length > 0) this.#growForWaiter()
  }

  close(): void {
    this.#closed = true
    this.#seats.splice(0)
    for (const waiter of this.#waiting.splice(0)) {
      waiter.reject(new Fault('recogniser is closed', { retryable: false }))
    }
  }

  async #take(leg: object, grammar: PhraseGrammar): Promise<Seat> {
    if (this.#closed) throw new Fault('recogniser is closed', { retryable: false })
    const free = this.#seats.filter(({ busy }) => !busy)
    const seat =
      free.find((other) => other.leg === leg) ??
      free.find(({ decoder }) => decoder.grammar === grammar) ??
      free[0]
    if (seat) {
      seat.busy = true
      return seat
    }
    if (this.#waiting.length >= MAX_WAITING) {
      throw new Fault('recogniser is overloaded', { retryable: true })
    }
    const handed = new Promise<Seat>((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
    })
    if (this.size < MAX_DECODERS && this.#opening < this.#waiting.length) this.#growForWaiter()
    return handed
  }

  /** Opens one more decoder for whoever waits longest; a failure is that waiter's. */
  #growForWaiter(): void {
    void this.#grow().catch((error: unknown) => {
      this.#waiting
        .shift()
        ?.reject(new Fault('recogniser failed to open', { cause: error, retryable: true }))
    })
  }

  async #grow(): Promise<void> {
    this.#opening++
    try {
      const seat: Seat = { decoder: await this.#open(), leg: null, busy: true }
      if (this.#closed) return
      this.#seats.push(seat)
      this.release(seat.decoder)
    } finally {
      this.#opening--
    }
  }
}
