// This process as a member of a cluster: the bus, who else is there, and what is told to everybody.
import type { Clock, Log, Timer } from '@saperly/kernel'
import { Channels } from '../bus/channels.ts'
import { Messenger } from '../bus/messenger.ts'
import type { Bus } from '../bus/port.ts'
import { Roster, type Standing } from '../bus/roster.ts'
import { committed, connectionGone, EVERYBODY, news } from './messages.ts'

/** Commits within so long are told at once. */
const GATHER_MS = 50

export interface MemberDeps {
  bus: Bus
  prefix: string
  processId: string
  standing: () => Standing
  clock: Clock
  log: Log
}

export class Member {
  readonly messenger: Messenger
  readonly roster: Roster
  readonly channels: Channels
  readonly #deps: MemberDeps
  #gathering: Timer | null = null

  constructor(deps: MemberDeps) {
    this.#deps = deps
    const { clock, standing } = deps
    this.messenger = new Messenger(deps)
    const { messenger } = this
    this.roster = new Roster({ messenger, clock, standing })
    this.channels = new Channels({ messenger, roster: this.roster, clock })
  }

  /** Deliveries may be due, and audit rows wait for their chain, which other processes see to. */
  tellCommitted(): void {
    this.#gathering ??= this.#deps.clock.schedule(GATHER_MS, () => {
      this.#gathering = null
      this.messenger.tell(committed, EVERYBODY, {})
    })
  }

  onCommitted(wake: () => void): void {
    this.messenger.hear(committed, EVERYBODY, wake)
  }

  /** A connection was deleted or is no longer manual; whoever misses it looks again when the bus is back. */
  tellGone(connectionId: string): void {
    this.messenger.tell(connectionGone, EVERYBODY, { connectionId })
  }

  onGone(disconnect: (connectionId: string) => void): void {
    this.messenger.hear(connectionGone, EVERYBODY, ({ connectionId }) => disconnect(connectionId))
  }

  /** What followers of calls are told from process to process. */
  readonly elsewhere = {
    hint: (callId: string): void => void this.messenger.tell(news, callId, {}),
    watch: (callId: string, wake: () => void): (() => void) =>
      this.messenger.hear(news, callId, wake),
  }

  /** For `/metrics`. */
  get figures(): { bus_up: number; cluster_processes: number } {
    const { bus } = this.#deps
    return { bus_up: bus.up ? 1 : 0, cluster_processes: this.roster.present }
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    this.#gathering?.cancel()
    this.channels.close()
    this.roster.close()
    this.messenger.close()
    await this.#deps.bus.close()
  }
}
