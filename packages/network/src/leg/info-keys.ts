// Keys sent by the signalling: one INFO after the other, each when the last was answered and its key has been let go.
import type { Clock } from '@saperly/kernel'
import { MAX_QUEUED_DIGITS } from '../rtp/dtmf.ts'
import type { Body } from '../sip/compose.ts'
import { INFO_KEY_MS, infoOfDigit } from '../sip/dtmf-info.ts'
import { Timers } from '../sip/machine.ts'

/** From the end of a key to the next one, milliseconds. */
const GAP_MS = 60
/** `w` */
const PAUSE_MS = 500

/** Sends one INFO; `onFinal` hears of its final response, or that there is none. */
type SendInfo = (body: Body, onFinal: () => void) => void

export class InfoKeys {
  readonly #info: SendInfo
  readonly #timers: Timers<'key'>
  readonly #queue: { key: string; sent: () => void }[] = []
  #state: 'idle' | 'sending' | 'stopped' = 'idle'

  constructor(clock: Clock, info: SendInfo) {
    this.#info = info
    this.#timers = new Timers(clock)
  }

  /** Queues keys (`0-9*#A-Dw`); `onSent` follows the last one. More than the queue holds are left out. */
  send(digits: string, onSent: () => void): void {
    if (this.#state === 'stopped') return
    const keys = Array.from(digits).slice(0, MAX_QUEUED_DIGITS - this.#queue.length)
    keys.forEach((key, at) =>
      this.#queue.push({ key, sent: at === keys.length - 1 ? onSent : () => {} }),
    )
    if (keys.length === 0) return onSent()
    if (this.#state === 'idle') this.#next()
  }

  /** The call is over: nothing more is sent, and nobody is told. */
  stop(): void {
    this.#state = 'stopped'
    this.#queue.length = 0
    this.#timers.stopAll()
  }

  #next(): void {
    const next = this.#queue.shift()
    this.#state = next ? 'sending' : 'idle'
    if (!next) return
    const after = (delayMs: number): void =>
      this.#timers.start('key', delayMs, () => {
        next.sent()
        if (this.#state === 'sending') this.#next()
      })
    if (next.key === 'w') return after(PAUSE_MS)
    this.#info(infoOfDigit(next.key), () => {
      if (this.#state === 'sending') after(INFO_KEY_MS + GAP_MS)
    })
  }
}
