// One question to the brain and its answer: asked, timed, answered, superseded or given up.
import type { ManualEvent } from '@saperly/contract'
import { Cancelled, type Clock, type Timer } from '@saperly/kernel'
import type { AnswerTiming } from './voice.ts'
import { type Brain, type BrainDirective, BrainLost } from '../brain/port.ts'

export interface AskHandlers {
  /** Each runs in the session's order; the next directive is taken only when the last one is done. */
  onDirective: (ask: Ask, directive: BrainDirective) => Promise<unknown>
  onAnswered: (ask: Ask) => Promise<unknown>
  onLost: (ask: Ask) => Promise<unknown>
  /** Nothing has come for `fillerAfterMs`, or for `turnTimeoutMs`. */
  onSlow: (ask: Ask) => void
  onTimeout: (ask: Ask) => void
}

/** An event that wants an answer, and where that answer has got to. */
export class Ask {
  readonly event: ManualEvent
  /** Monotonic time at which the brain was given the event. */
  readonly askedMs: number
  /** From the peer's last packet to the event, where it was a turn. */
  readonly endpointingMs: number | null
  readonly #abort = new AbortController()
  readonly #timers: Timer[] = []
  #timingTaken = false
  /** From the event to the first directive; null until one has come. */
  brainMs: number | null = null

  constructor(event: ManualEvent, askedMs: number, endpointingMs: number | null) {
    this.event = event
    this.askedMs = askedMs
    this.endpointingMs = endpointingMs
  }

  get id(): string {
    return this.event.requestId
  }

  /** Nothing of the answer has come yet. */
  get pending(): boolean {
    return this.brainMs === null
  }

  /** How long the answer to a turn took; once, for the first of its utterances. */
  takeTiming(): AnswerTiming | null {
    if (this.#timingTaken || this.endpointingMs === null || this.brainMs === null) return null
    this.#timingTaken = true
    return { endpointingMs: this.endpointingMs, brainMs: this.brainMs }
  }

  get dropped(): boolean {
    return this.#abort.signal.aborted
  }

  /** Waits for the answer; returns when it is complete, dropped, or lost. */
  async run(
    brain: Brain,
    clock: Clock,
    limits: { fillerAfterMs: number | null; turnTimeoutMs: number },
    handlers: AskHandlers,
  ): Promise<void> {
    if (limits.fillerAfterMs !== null && limits.fillerAfterMs < limits.turnTimeoutMs) {
      this.#timers.push(clock.schedule(limits.fillerAfterMs, () => handlers.onSlow(this)))
    }
    this.#timers.push(clock.schedule(limits.turnTimeoutMs, () => handlers.onTimeout(this)))
    try {
      for await (const directive of brain.ask(this.event, this.#abort.signal)) {
        if (this.dropped) return
        this.#stopTimers()
        this.brainMs ??= clock.monotonicMs() - this.askedMs
        await handlers.onDirective(this, directive)
      }
      if (!this.dropped) await handlers.onAnswered(this)
    } catch (error) {
      if (this.dropped || error instanceof Cancelled) return
      if (!(error instanceof BrainLost)) throw error
      await handlers.onLost(this)
    } finally {
      this.#stopTimers()
    }
  }

  /** Nobody wants the answer any more. */
  drop(reason: 'superseded' | 'interrupted' | 'timeout' | 'ended'): void {
    this.#stopTimers()
    this.#abort.abort(new Cancelled(reason))
  }

  #stopTimers(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel()
  }
}
