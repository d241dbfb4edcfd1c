// One manual connection at work: its open sockets, the live calls that they own, and who takes over from whom.
//
// A desk stands in the process that carries the calls; the sockets may be in any (switchboard.ts), and are lines to it.
// A call belongs to one socket. When that closes, the newest of the others takes its calls at once; when there is none,
// the first that comes within the grace time does; after that the calls are lost to the desk, and their brains go on
// by webhook. Whatever has not been answered is sent again to the new owner, with its old requestId.
import {
  endsAnswer,
  MANUAL_PROTOCOL,
  MANUAL_RECONNECT_SEC,
  type BrainFrame,
  type Directive,
  type ErrorFrame,
  type ServerFrame,
} from '@saperly/contract'
import { assert, type Clock, type Timer } from '@saperly/kernel'
import { type Question, Seat, type SeatedCall } from './seat.ts'

/** One open socket, as the desk sees it. */
export interface Line {
  send(frame: ServerFrame): void
}

export class Desk {
  readonly connectionId: string
  readonly #clock: Clock
  readonly #onIdle: () => void
  /** Oldest first. */
  readonly #lines: Line[] = []
  readonly #seats = new Map<string, Seat>()
  #grace: Timer | null = null

  /** `onIdle` is called when neither sockets nor calls nor a hope of a socket are left. */
  constructor(connectionId: string, clock: Clock, onIdle: () => void) {
    this.connectionId = connectionId
    this.#clock = clock
    this.#onIdle = onIdle
  }

  /** Sockets that are open. */
  get lines(): number {
    return this.#lines.length
  }

  /** Calls that sit here. */
  get calls(): number {
    return this.#seats.size
  }

  /** A socket is open, or was until a moment ago and may come back. */
  get staffed(): boolean {
    return this.#lines.length > 0 || this.#grace !== null
  }

  /** A socket has opened: it is told what it owns, takes over what waits, and gets every new call from now on. */
  plug(line: Line): void {
    this.#grace?.cancel()
    this.#grace = null
    this.#lines.push(line)
    this.#handOver(line, this.#waiting())
  }

  /** A socket was there until a moment ago, as somebody else knows: it may come back within the grace time. */
  hope(): void {
    if (!this.staffed) this.#waitForSocket()
  }

  /** A socket has closed. */
  unplug(line: Line): void {
    const at = this.#lines.indexOf(line)
    if (at < 0) return
    this.#lines.splice(at, 1)
    for (const seat of this.#seats.values()) if (seat.line === line) seat.line = null
    const heir = this.#lines.at(-1)
    const waiting = this.#waiting()
    if (heir && waiting.length > 0) this.#handOver(heir, waiting)
    if (!heir) this.#waitForSocket()
  }

  /** Gives a call to the newest socket. Only while the desk is staffed. */
  seat(call: SeatedCall): Seat {
    assert(this.staffed, 'a call was seated at an empty desk')
    const seat = new Seat(call, this.#lines.at(-1) ?? null, () => {
      this.#seats.delete(call.callId)
      this.#checkIdle()
    })
    this.#seats.set(call.callId, seat)
    return seat
  }

  /** A frame from one of the sockets. */
  hear(line: Line, frame: BrainFrame): void {
    if (frame.kind === 'answer') this.#answer(line, frame.requestId, frame.directives)
    else this.#unasked(line, frame.callId, frame.directives)
  }

  /** Gives every call up at once (shutdown, or the connection was deleted). */
  close(): void {
    this.#lines.length = 0
    this.#giveUp()
  }

  #answer(line: Line, requestId: string, directives: Directive[]): void {
    const found = this.#find(requestId)
    if (found === 'dropped') return
    if (found === null) {
      return line.send(
        complaint('StaleRequest', requestId, 'this request does not wait for an answer'),
      )
    }
    const { seat, question } = found
    const problem =
      seat.problemOf(directives) ??
      (question.give(directives) ? null : 'too many directives are waiting to be carried out')
    if (problem !== null) return line.send(complaint('InvalidDirective', requestId, problem))
    if (endsAnswer(directives)) seat.complete(question)
  }

  #unasked(line: Line, callId: string, directives: Directive[]): void {
    const seat = this.#seats.get(callId)
    const problem = seat
      ? seat.problemOf(directives)
      : 'callId names no live call of this connection'
    if (problem !== null) return line.send(complaint('InvalidDirective', null, problem))
    for (const directive of directives) seat?.call.onDirective(directive)
  }

  #find(requestId: string): { seat: Seat; question: Question } | 'dropped' | null {
    for (const seat of this.#seats.values()) {
      const question = seat.question(requestId)
      if (question === 'dropped') return question
      if (question !== null) return { seat, question }
    }
    return null
  }

  #waitForSocket(): void {
    this.#grace = this.#clock.schedule(MANUAL_RECONNECT_SEC * 1000, () => this.#giveUp())
  }

  #waiting(): Seat[] {
    return [...this.#seats.values()].filter((seat) => seat.line === null)
  }

  /** Tells the socket all that it owns now, and then what the calls that are new to it wait for. */
  #handOver(line: Line, seats: readonly Seat[]): void {
    for (const seat of seats) seat.line = line
    const owned = [...this.#seats.values()].filter((seat) => seat.line === line)
    line.send({
      type: 'ready',
      protocol: MANUAL_PROTOCOL,
      connectionId: this.connectionId,
      calls: owned.map(({ call: { callId, from, to, direction } }) => ({
        callId,
        from,
        to,
        direction,
      })),
    })
    for (const seat of seats) seat.sendBacklog()
  }

  #giveUp(): void {
    this.#grace?.cancel()
    this.#grace = null
    for (const seat of this.#seats.values()) seat.lose()
    this.#seats.clear()
    this.#checkIdle()
  }

  #checkIdle(): void {
    if (!this.staffed && this.#seats.size === 0) this.#onIdle()
  }
}

/** What a frame that can't be followed is answered with. */
export function complaint(
  _tag: ErrorFrame['_tag'],
  requestId: string | null,
  message: string,
): ErrorFrame {
  return { type: 'error', requestId, _tag, message }
}
