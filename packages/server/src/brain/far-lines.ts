// In a process that carries calls: finds the sockets of a connection in other processes, and plugs them into its desk.
//
// A desk asks who has sockets when a call needs one, again while its calls have none, and when it hears that one has
// opened. Each process that has some opens a channel to it (far-desks.ts), on which everything else goes.
import type { Clock, Ids, Log, Timer } from '@saperly/kernel'
import type { Channel } from '../bus/channel.ts'
import type { Channels } from '../bus/channels.ts'
import type { Messenger } from '../bus/messenger.ts'
import { DeskPlugs } from './desk-plugs.ts'
import type { Desk } from './desk.ts'
import type { DeskFinder, Desks } from './desks.ts'
import { fromBoard, type FromDesk, socketOpened, whoHasSockets } from './line-messages.ts'

/** How long the first process may take to say that it has sockets. */
const WHO_LIMIT_MS = 1_000
/** How long the others are waited for after it: the newest socket gets the call. */
const OTHERS_MS = 50
const LOOK_INTERVAL_MS = 2_000
/** A desk without calls keeps its lines this long, for the next one. */
export const IDLE_MS = 60_000

export interface FarLinesDeps {
  desks: Desks
  messenger: Messenger
  channels: Channels
  clock: Clock
  ids: Ids
  log: Log
}

export class FarLines implements DeskFinder {
  readonly #deps: FarLinesDeps
  readonly #switchings = new Map<string, Switching>()

  constructor(deps: FarLinesDeps) {
    this.#deps = deps
  }

  async find(connectionId: string): Promise<Desk | null> {
    const { desks } = this.#deps
    const switching = this.#switchings.get(connectionId) ?? this.#switch(connectionId)
    // Whoever opens a socket later says so; who has some already is asked once.
    if (!switching.knowsAll || (desks.staffed(connectionId)?.lines ?? 0) === 0) {
      await switching.ask()
    }
    return desks.staffed(connectionId)
  }

  close(): void {
    for (const switching of this.#switchings.values()) switching.close()
    this.#switchings.clear()
  }

  #switch(connectionId: string): Switching {
    const switching: Switching = new Switching(this.#deps, connectionId, () => {
      if (this.#switchings.get(connectionId) === switching) this.#switchings.delete(connectionId)
    })
    this.#switchings.set(connectionId, switching)
    return switching
  }
}

interface Far {
  channel: Channel
  plugs: DeskPlugs
}

/** What connects one desk with the sockets of other processes. */
class Switching {
  readonly #deps: FarLinesDeps
  readonly #connectionId: string
  readonly #onIdle: () => void
  readonly #word: string
  /** By process. */
  readonly #far = new Map<string, Far>()
  readonly #stops: (() => void)[]
  #timer: Timer
  #idleMs = 0
  #asking: Promise<void> | null = null
  knowsAll = false

  constructor(deps: FarLinesDeps, connectionId: string, onIdle: () => void) {
    this.#deps = deps
    this.#connectionId = connectionId
    this.#onIdle = onIdle
    this.#word = deps.ids.next('req')
    const { messenger, channels } = deps
    this.#stops = [
      channels.expect(this.#word, (peer) => (channel) => this.#take(peer, channel)),
      messenger.hear(socketOpened, connectionId, ({ processId }) => {
        if (processId !== messenger.processId && !this.#far.has(processId)) void this.ask()
      }),
    ]
    this.#timer = this.#look()
  }

  /** Resolves when those who have sockets have had the time to say so. One at a time. */
  ask(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null))
    return this.#asking
  }

  close(): void {
    this.#timer.cancel()
    for (const stop of this.#stops) stop()
    for (const { channel, plugs } of this.#far.values()) {
      channel.post({ type: 'leave' } satisfies FromDesk)
      this.#deps.channels.drop(channel)
      plugs.closeAll()
    }
    this.#far.clear()
  }

  async #ask(): Promise<void> {
    const { messenger, clock, desks } = this.#deps
    const asked = {
      desk: messenger.processId,
      word: this.#word,
      known: [...this.#far.keys()],
    }
    const limitMs = WHO_LIMIT_MS
    const reply = await messenger.ask(whoHasSockets, this.#connectionId, asked, { limitMs })
    this.knowsAll = reply.kind === 'answer' || reply.kind === 'nobody'
    if (reply.kind !== 'answer') return
    await clock.sleep(OTHERS_MS, new AbortController().signal)
    if (reply.value.hoped) desks.open(this.#connectionId).hope()
  }

  #take(peer: string, channel: Channel) {
    const former = this.#far.get(peer)
    const plugs = new DeskPlugs(
      () => this.#deps.desks.open(this.#connectionId),
      (line, frame) => channel.post({ type: 'send', line, frame } satisfies FromDesk),
    )
    this.#far.set(peer, { channel, plugs })
    if (former) {
      this.#deps.channels.drop(former.channel)
      former.plugs.closeAll()
    }
    return {
      onMessage: (body: unknown) => this.#onMessage(plugs, body),
      onBroken: () => {
        if (this.#far.get(peer)?.channel === channel) this.#far.delete(peer)
        plugs.closeAll()
      },
    }
  }

  #onMessage(plugs: DeskPlugs, body: unknown): void {
    const read = fromBoard.safeParse(body)
    if (!read.success) return this.#deps.log.warn('bus.unreadable', { topic: 'from board' })
    const { data } = read
    if (data.type === 'opened') plugs.opened(data.line)
    else if (data.type === 'closed') plugs.closed(data.line)
    else plugs.heard(data.line, data.frame)
  }

  /** Looks for sockets while calls wait for one, and lets go of all when there has been no call for long. */
  #look(): Timer {
    return this.#deps.clock.schedule(LOOK_INTERVAL_MS, () => {
      this.#timer = this.#look()
      const desk = this.#deps.desks.staffed(this.#connectionId)
      const calls = desk?.calls ?? 0
      this.#idleMs = calls === 0 ? this.#idleMs + LOOK_INTERVAL_MS : 0
      if (this.#idleMs >= IDLE_MS) {
        this.close()
        return this.#onIdle()
      }
      if (calls > 0 && desk?.lines === 0) void this.ask()
    })
  }
}
