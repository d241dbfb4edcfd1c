// One call at the desk of a manual connection: what its brain has been sent, and what it has not answered yet.
import type { Directive, ManualEvent } from '@saperly/contract'
import { cancelledBy, Mailbox } from '@saperly/kernel'
import type { Line } from './desk.ts'

/** Directives of one answer that wait to be carried out; more is refused. */
const MAX_WAITING_DIRECTIVES = 256
/** Events kept for a brain that is away; beyond that the oldest that wants no answer is forgotten. */
const MAX_BACKLOG = 64
/** Requests remembered whose late answers are expected and mean nothing. */
const MAX_DROPPED = 32

export interface SeatedCall {
  callId: string
  from: string
  to: string
  direction: 'inbound' | 'outbound'
  onDirective: (directive: Directive) => void
  /** Why the connection forbids this directive, or null. */
  forbidden: (directive: Directive) => string | null
  /** No socket will answer any more; with what could not be told. */
  onLost: (untold: readonly ManualEvent[]) => void
}

/** The desk has no socket for this call any more: ask somebody else. */
export class SeatLost extends Error {
  override readonly name = 'SeatLost'
}

/** An event that waits for its answer. */
export class Question {
  readonly event: ManualEvent
  readonly inbox = new Mailbox<Directive | 'answered' | 'lost'>(MAX_WAITING_DIRECTIVES + 2)

  constructor(event: ManualEvent) {
    this.event = event
  }

  /** False when they are too many; then none is taken. */
  give(directives: readonly Directive[]): boolean {
    if (this.inbox.size + directives.length > MAX_WAITING_DIRECTIVES) return false
    for (const directive of directives) this.inbox.put(directive)
    return true
  }
}

export class Seat {
  readonly call: SeatedCall
  /** The socket that owns the call, or null while there is none. */
  line: Line | null
  readonly #onLeave: () => void
  /** In order: questions until they are answered or dropped, other events until they are sent. */
  readonly #backlog: (Question | ManualEvent)[] = []
  readonly #dropped = new Set<string>()
  #lost = false

  constructor(call: SeatedCall, line: Line | null, onLeave: () => void) {
    this.call = call
    this.line = line
    this.#onLeave = onLeave
  }

  /**
   * Sends the event and gives the directives of its answer as they come.
   * @throws SeatLost, Cancelled
   */
  async *ask(event: ManualEvent, signal: AbortSignal): AsyncGenerator<Directive, void, undefined> {
    if (signal.aborted) throw cancelledBy(signal)
    if (this.#lost) throw new SeatLost()
    const question = new Question(event)
    this.#backlog.push(question)
    this.line?.send(event)
    try {
      for (;;) {
        const item = await question.inbox.take(signal)
        if (item === 'answered') return
        if (item === 'lost') throw new SeatLost()
        yield item
      }
    } finally {
      if (this.#remove(question) && signal.aborted) this.#remember(event.requestId, signal)
    }
  }

  /** Sends an event that wants no answer; false when the seat is lost. */
  tell(event: ManualEvent): boolean {
    if (this.#lost) return false
    if (this.line) {
      this.line.send(event)
      return true
    }
    this.#backlog.push(event)
    if (this.#backlog.length > MAX_BACKLOG) {
      const oldest = this.#backlog.findIndex((item) => !(item instanceof Question))
      this.#backlog.splice(oldest, 1)
    }
    return true
  }

  /** The call is over. What could not be told. */
  leave(): ManualEvent[] {
    if (this.#lost) return []
    this.#lost = true
    this.#onLeave()
    return this.#untold()
  }

  /** The open question of this id, `dropped` when its answer is not wanted any more, or null. */
  question(requestId: string): Question | 'dropped' | null {
    if (this.#dropped.has(requestId)) return 'dropped'
    for (const item of this.#backlog) {
      if (item instanceof Question && item.event.requestId === requestId) return item
    }
    return null
  }

  complete(question: Question): void {
    this.#remove(question)
    question.inbox.put('answered')
  }

  /** Why one of these may not be carried out, or null. */
  problemOf(directives: readonly Directive[]): string | null {
    for (const directive of directives) {
      const problem = this.call.forbidden(directive)
      if (problem !== null) return problem
    }
    return null
  }

  /** Sends what is unanswered or untold to the new owner. */
  sendBacklog(): void {
    for (const item of this.#backlog.splice(0)) {
      if (item instanceof Question) this.#backlog.push(item)
      this.line?.send(item instanceof Question ? item.event : item)
    }
  }

  /** Gives up: every question fails with {@link SeatLost}. Called by the desk. */
  lose(): void {
    this.#lost = true
    this.line = null
    const untold = this.#untold()
    for (const item of this.#backlog) if (item instanceof Question) item.inbox.put('lost')
    this.call.onLost(untold)
  }

  #untold(): ManualEvent[] {
    return this.#backlog.filter((item): item is ManualEvent => !(item instanceof Question))
  }

  #remove(question: Question): boolean {
    const at = this.#backlog.indexOf(question)
    if (at >= 0) this.#backlog.splice(at, 1)
    return at >= 0
  }

  /** The brain was told that this answer is not wanted, but what it had begun may still come: no error of its. */
  #remember(requestId: string, signal: AbortSignal): void {
    const { reason } = cancelledBy(signal)
    if (reason !== 'superseded' && reason !== 'interrupted') return
    this.#dropped.add(requestId)
    const [oldest] = this.#dropped
    if (this.#dropped.size > MAX_DROPPED && oldest !== undefined) this.#dropped.delete(oldest)
  }
}
