// The desks of this process: one for each manual connection that has calls here, or sockets that may get some.
import type { Clock } from '@saperly/kernel'
import { Desk } from './desk.ts'

/** Where a call finds the desk of its connection. */
export interface DeskFinder {
  /** A desk with a socket, or with one that was there a moment ago; else null. Sockets may be anywhere. */
  find(connectionId: string): Promise<Desk | null>
}

export class Desks implements DeskFinder {
  readonly #clock: Clock
  readonly #desks = new Map<string, Desk>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The connection's desk, a new one when there is none. */
  open(connectionId: string): Desk {
    const known = this.#desks.get(connectionId)
    if (known) return known
    const desk: Desk = new Desk(connectionId, this.#clock, () => {
      if (this.#desks.get(connectionId) === desk) this.#desks.delete(connectionId)
    })
    this.#desks.set(connectionId, desk)
    return desk
  }

  /** The desk that is staffed now by what is known here, or null. */
  staffed(connectionId: string): Desk | null {
    const desk = this.#desks.get(connectionId)
    return desk?.staffed ? desk : null
  }

  async find(connectionId: string): Promise<Desk | null> {
    return this.staffed(connectionId)
  }

  /** The connection was deleted or is no longer manual: its calls are lost to its sockets at once. */
  disconnect(connectionId: string): void {
    this.#desks.get(connectionId)?.close()
  }

  closeAll(): void {
    for (const desk of this.#desks.values()) desk.close()
  }
}
