// The lines of one switchboard at one desk: the sockets of a process, wherever that is, as the desk knows them.
import type { BrainFrame, ServerFrame } from '@saperly/contract'
import { assert } from '@saperly/kernel'
import type { Desk, Line } from './desk.ts'
import type { DeskEnd } from './switchboard.ts'

export class DeskPlugs implements DeskEnd {
  readonly #open: () => Desk
  readonly #send: (line: string, frame: ServerFrame) => void
  readonly #lines = new Map<string, Line>()
  #desk: Desk | null = null

  /** `open` gives the desk as it is when the first socket opens: one that was left by all is not used again. */
  constructor(open: () => Desk, send: (line: string, frame: ServerFrame) => void) {
    this.#open = open
    this.#send = send
  }

  opened(id: string): void {
    assert(!this.#lines.has(id), 'a socket opens once')
    const line: Line = { send: (frame) => this.#send(id, frame) }
    if (this.#lines.size === 0) this.#desk = this.#open()
    this.#lines.set(id, line)
    this.#desk?.plug(line)
  }

  closed(id: string): void {
    const line = this.#lines.get(id)
    this.#lines.delete(id)
    if (line) this.#desk?.unplug(line)
  }

  heard(id: string, frame: BrainFrame): void {
    const line = this.#lines.get(id)
    if (line) this.#desk?.hear(line, frame)
  }

  /** All of them are gone, or out of reach. */
  closeAll(): void {
    for (const id of this.#lines.keys()) this.closed(id)
  }
}
