// The switchboards of this process, by connection: made with the first socket, gone when nobody needs them any more.
import { MANUAL_RECONNECT_SEC, type ServerFrame } from '@saperly/contract'
import type { Clock, Timer } from '@saperly/kernel'
import { DeskPlugs } from './desk-plugs.ts'
import type { Desks } from './desks.ts'
import { HERE, Switchboard } from './switchboard.ts'

export interface SwitchboardsDeps {
  /** Of this process; null where it carries no calls. */
  desks: Desks | null
  clock: Clock
  /** A board that had no socket has one; the answer is called when it has lost the last, and the hope of another. */
  staffed?: (board: Switchboard) => () => void
  /** A socket has opened, not only the first. */
  opened?: (connectionId: string) => void
}

interface Kept {
  board: Switchboard
  unstaffed: (() => void) | null
  grace: Timer | null
}

export class Switchboards {
  readonly #deps: SwitchboardsDeps
  readonly #kept = new Map<string, Kept>()

  constructor(deps: SwitchboardsDeps) {
    this.#deps = deps
  }

  socketsOf(connectionId: string): number {
    return this.#kept.get(connectionId)?.board.sockets.length ?? 0
  }

  open(connectionId: string, line: string, send: (frame: ServerFrame) => void): Switchboard {
    const kept = this.#keep(connectionId)
    const { board } = kept
    kept.grace?.cancel()
    kept.grace = null
    const { desks, staffed, opened } = this.#deps
    if (desks && !board.has(HERE)) {
      const plugs = new DeskPlugs(
        () => desks.open(connectionId),
        (to, frame) => board.deliver(HERE, to, frame),
      )
      board.join(HERE, plugs)
    }
    board.open(line, send)
    kept.unstaffed ??= staffed?.(board) ?? null
    opened?.(connectionId)
    return board
  }

  close(connectionId: string, line: string): void {
    const kept = this.#kept.get(connectionId)
    if (!kept) return
    const { board } = kept
    board.close(line)
    if (board.sockets.length > 0) return
    // The desk of this process has a grace time of its own, and may be another one when a socket comes back.
    board.leave(HERE)
    const graceMs = MANUAL_RECONNECT_SEC * 1000
    if (kept.unstaffed === null) this.#kept.delete(connectionId)
    else kept.grace = this.#deps.clock.schedule(graceMs, () => this.#drop(connectionId, kept))
  }

  /** Nobody is hoped for any more. */
  closeAll(): void {
    for (const [connectionId, kept] of this.#kept) this.#drop(connectionId, kept)
  }

  #keep(connectionId: string): Kept {
    const known = this.#kept.get(connectionId)
    if (known) return known
    const kept = { board: new Switchboard(connectionId), unstaffed: null, grace: null }
    this.#kept.set(connectionId, kept)
    return kept
  }

  #drop(connectionId: string, kept: Kept): void {
    kept.grace?.cancel()
    kept.unstaffed?.()
    if (this.#kept.get(connectionId) === kept) this.#kept.delete(connectionId)
  }
}
