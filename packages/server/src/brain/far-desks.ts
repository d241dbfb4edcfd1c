// In a process with sockets: makes its switchboards known to the desks of other processes, and joins them.
import type { BrainFrame } from '@saperly/contract'
import type { Log } from '@saperly/kernel'
import type { Channel } from '../bus/channel.ts'
import type { Channels } from '../bus/channels.ts'
import type { Messenger } from '../bus/messenger.ts'
import { type FromBoard, fromDesk, socketOpened, whoHasSockets } from './line-messages.ts'
import type { DeskEnd, Switchboard } from './switchboard.ts'

export interface FarDesksDeps {
  messenger: Messenger
  channels: Channels
  log: Log
}

export class FarDesks {
  readonly #deps: FarDesksDeps
  readonly #open = new Map<string, FarDesk>()

  constructor(deps: FarDesksDeps) {
    this.#deps = deps
  }

  /** The board answers desks that look for sockets, until the answer of this is called. */
  serve(board: Switchboard): () => void {
    const { messenger } = this.#deps
    const stop = messenger.answer(
      whoHasSockets,
      board.connectionId,
      async ({ desk, word, known }) => {
        if (desk !== messenger.processId) {
          const isKnown = known.includes(messenger.processId)
          this.#join(board, desk, word, isKnown)
        }
        return { hoped: true }
      },
    )
    return () => {
      stop()
      for (const far of this.#open.values()) if (far.board === board) this.#part(far)
    }
  }

  /** Says that a socket has opened: a desk without one may be waiting for it. */
  announce(connectionId: string): void {
    const { messenger } = this.#deps
    messenger.tell(socketOpened, connectionId, { processId: messenger.processId })
  }

  #join(board: Switchboard, desk: string, word: string, isKnown: boolean): void {
    const key = `${desk} ${word}`
    const before = this.#open.get(key)
    if (before && isKnown) return
    // The desk knows nothing of the former channel any more: it goes with all that it had told.
    if (before) this.#part(before)
    const far = new FarDesk(
      board,
      key,
      (body) => this.#onMessage(far, body),
      () => this.#part(far),
    )
    const channel = this.#deps.channels.open(word, desk, far)
    if (!channel) return this.#deps.log.warn('brain.desk.refused', { reason: 'too many channels' })
    far.channel = channel
    this.#open.set(key, far)
    board.join(key, far)
  }

  #onMessage(far: FarDesk, body: unknown): void {
    const read = fromDesk.safeParse(body)
    if (!read.success) return this.#deps.log.warn('bus.unreadable', { topic: 'from desk' })
    if (read.data.type === 'leave') return this.#part(far)
    far.board.deliver(far.key, read.data.line, read.data.frame)
  }

  #part(far: FarDesk): void {
    if (this.#open.get(far.key) === far) this.#open.delete(far.key)
    far.board.leave(far.key)
    if (far.channel) this.#deps.channels.drop(far.channel)
  }
}

/** A desk at the other end of a channel. */
class FarDesk implements DeskEnd {
  readonly board: Switchboard
  readonly key: string
  readonly onMessage: (body: unknown) => void
  readonly onBroken: () => void
  channel: Channel | null = null

  constructor(
    board: Switchboard,
    key: string,
    onMessage: (body: unknown) => void,
    onBroken: () => void,
  ) {
    this.board = board
    this.key = key
    this.onMessage = onMessage
    this.onBroken = onBroken
  }

  opened(line: string): void {
    this.#post({ type: 'opened', line })
  }

  closed(line: string): void {
    this.#post({ type: 'closed', line })
  }

  heard(line: string, frame: BrainFrame): void {
    this.#post({ type: 'heard', line, frame })
  }

  #post(message: FromBoard): void {
    this.channel?.post(message)
  }
}
