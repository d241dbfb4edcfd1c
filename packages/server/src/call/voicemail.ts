// Speech and answering machines: holds back what is to be said until the beep, and then says it from its beginning.
import type { MachinePolicy } from '@saperly/contract'
import {
  VOICEMAIL,
  type VoicemailEffect,
  type VoicemailEvent,
  type VoicemailState,
} from './voicemail-table.ts'

/** Longest that the network may take to say who answered, and longest that a beep is waited for, milliseconds. */
export const VERDICT_LIMIT_MS = 15_000
export const BEEP_LIMIT_MS = 90_000
/** Things held back at once; a brain that floods beyond is not listened to. */
export const MAX_HELD = 200

/** Something that waits for the beep. */
interface Held {
  /** The request that it answers; null when nobody asked. */
  answering: string | null
  opening: boolean
  say: () => void
}

/** How the conversation carries out what is decided here. */
export interface VoicemailHooks {
  after: (delayMs: number, step: () => unknown) => void
  /** Stops what is being said; nothing is asked or said until `goOn`. */
  hold: () => void
  disclose: () => void
  /** Says these; `repeated`: to a machine that records, after a greeting that wants no answer. */
  goOn: (held: readonly (() => void)[], repeated: boolean) => void
  hangUp: () => void
}

export class Voicemail {
  readonly #policy: MachinePolicy
  readonly #hooks: VoicemailHooks
  #state: VoicemailState
  /** When the beep was over; null before. */
  #beepAt: number | null = null
  /** What answered the opening: an agent that has to begin anew begins with it. */
  #opening: Held[] = []
  #held: Held[] = []

  /** `watched`: the network tells who answered; without it nothing is ever held back. */
  constructor(policy: MachinePolicy, watched: boolean, hooks: VoicemailHooks) {
    this.#policy = policy
    this.#hooks = hooks
    this.#state = watched && policy === 'wait_for_beep' ? 'unknown' : 'open'
    if (this.holds) hooks.after(VERDICT_LIMIT_MS, () => this.#step('unheard'))
  }

  /** Speech waits. */
  get holds(): boolean {
    return this.#state === 'unknown' || this.#state === 'held'
  }

  /** What began at `startedAt` belongs to the greeting or is the beep itself: no answer is wanted to it. */
  isGreeting(startedAt: number): boolean {
    return this.#beepAt !== null && startedAt < this.#beepAt
  }

  /** The network has said who answered. */
  judge(verdict: 'human' | 'machine' | 'beep', at: number): void {
    if (verdict === 'beep' && this.#policy === 'wait_for_beep') this.#beepAt ??= at
    this.#step(verdict)
  }

  /**
   * Runs `say` now, or keeps it while speech waits. What ends the call (`ends`) waits only behind words of its own
   * answer: a brain may want no voicemail at all.
   */
  put(held: Held, ends: boolean): void {
    if (held.opening && this.#policy === 'wait_for_beep' && this.#opening.length < MAX_HELD) {
      this.#opening.push(held)
    }
    const behind = this.#held.some(({ answering }) => answering === held.answering)
    if (!this.holds || (ends && !behind)) return held.say()
    if (this.#held.length < MAX_HELD) this.#held.push(held)
  }

  #step(event: VoicemailEvent): void {
    const cell = VOICEMAIL[this.#policy][this.#state][event]
    if (cell === 'ignored') return
    this.#state = cell.to
    for (const effect of cell.effects) this.#treat(effect)
    if (cell.to === 'held') this.#hooks.after(BEEP_LIMIT_MS, () => this.#step('unbeeped'))
  }

  #treat(effect: VoicemailEffect): void {
    switch (effect) {
      case 'hold':
        return this.#hooks.hold()
      case 'disclose':
        return this.#hooks.disclose()
      case 'release':
        return this.#goOn(this.#held.splice(0), false)
      case 'repeat': {
        const others = this.#held.splice(0).filter(({ opening }) => !opening)
        return this.#goOn([...this.#opening, ...others], true)
      }
      case 'hangUp':
        return this.#hooks.hangUp()
    }
  }

  #goOn(held: readonly Held[], repeated: boolean): void {
    const saying = held.map(({ say }) => say)
    this.#hooks.goOn(saying, repeated)
  }
}
