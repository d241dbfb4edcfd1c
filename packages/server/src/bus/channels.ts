// The channels of one process: brings each frame to its channel, and breaks those whose other end is gone.
import type { Clock, Timer } from '@saperly/kernel'
import { z } from 'zod'
import { Channel, type ChannelDeps } from './channel.ts'
import type { Messenger, Topic } from './messenger.ts'
import type { Roster } from './roster.ts'

/** How long the other end may be silent while the bus is there: longer than a bus that hangs needs to be noticed. */
export const PEER_SILENCE_MS = 6_000
/** How long channels outlive the bus itself. */
export const BUS_ABSENCE_MS = 30_000
const CHECK_INTERVAL_MS = 1_000
/** After a partition one end may think of a channel that the other has given up: it learns of it within so many checks. */
const CHECKS_FOR_A_PING = 5
/** Channels of one process; one more is refused. */
const MAX_CHANNELS = 20_000

const frame = z.object({
  channel: z.string().min(1).max(200),
  from: z.string().min(1).max(100),
  seq: z.int().min(0),
  ack: z.int().min(0),
  body: z.unknown(),
})
const frames: Topic<z.output<typeof frame>> = { name: 'channel', schema: frame }

const unknown = z.object({ channel: z.string() })
const unknowns: Topic<z.output<typeof unknown>> = { name: 'nochannel', schema: unknown }

/** What a channel's owner does with it. */
export type ChannelEnd = Pick<ChannelDeps, 'onMessage' | 'onBroken'>
/** Takes up a channel that another process opened; null when nobody here waits for it. */
export type Takes = (channel: Channel) => ChannelEnd

interface Expectation {
  takes: (peer: string) => Takes | null
  /** The latest channel of each peer. */
  last: Map<string, number>
}

export class Channels {
  readonly #messenger: Messenger
  readonly #roster: Roster
  readonly #clock: Clock
  readonly #open = new Map<string, { channel: Channel; peer: string }>()
  /** Who waits for channels, by the first word of their names. */
  readonly #expected = new Map<string, Expectation>()
  readonly #stops: (() => void)[]
  #timer: Timer
  #turnedMs: number
  #opened = 0
  #checks = 0

  constructor(deps: { messenger: Messenger; roster: Roster; clock: Clock }) {
    this.#messenger = deps.messenger
    this.#roster = deps.roster
    this.#clock = deps.clock
    const { processId, bus } = this.#messenger
    this.#turnedMs = this.#clock.monotonicMs()
    this.#stops = [
      this.#messenger.hear(frames, processId, (heard) => this.#hear(heard)),
      this.#messenger.hear(unknowns, processId, ({ channel }) =>
        this.#open.get(channel)?.channel.break(),
      ),
      bus.watch(() => (this.#turnedMs = this.#clock.monotonicMs())),
    ]
    this.#timer = this.#clock.schedule(CHECK_INTERVAL_MS, () => this.#check())
  }

  get size(): number {
    return this.#open.size
  }

  /** Opens a channel whose name begins with a word that the peer expects; null when there are too many. */
  open(expected: string, peer: string, end: ChannelEnd): Channel | null {
    if (this.#open.size >= MAX_CHANNELS) return null
    const name = [expected, this.#messenger.processId, ++this.#opened].join('.')
    return this.#make(name, peer, () => end)
  }

  /** Takes up every channel under this word from now on. Returns how to stop. */
  expect(word: string, takes: (peer: string) => Takes | null): () => void {
    this.#expected.set(word, { takes, last: new Map() })
    return () => void this.#expected.delete(word)
  }

  close(): void {
    this.#timer.cancel()
    for (const stop of this.#stops) stop()
    for (const { channel } of this.#open.values()) channel.close()
    this.#open.clear()
  }

  #make(name: string, peer: string, takes: Takes): Channel {
    const channel: Channel = new Channel({
      clock: this.#clock,
      send: (sent) => {
        this.#messenger.tell(frames, peer, {
          channel: name,
          from: this.#messenger.processId,
          ...sent,
        })
      },
      onMessage: (body) => end.onMessage(body),
      onBroken: () => {
        this.#open.delete(name)
        end.onBroken()
      },
    })
    const end = takes(channel)
    this.#open.set(name, { channel, peer })
    return channel
  }

  /** Ends a channel that is not needed any more; the other side learns it when it next sends something. */
  drop(channel: Channel): void {
    channel.close()
    for (const [name, open] of this.#open) if (open.channel === channel) this.#open.delete(name)
  }

  #hear({ channel: name, from, seq, ack, body }: z.output<typeof frame>): void {
    const known = this.#open.get(name)?.channel ?? this.#take(name, from, seq)
    if (known) known.receive({ seq, ack, body })
    else this.#messenger.tell(unknowns, from, { channel: name })
  }

  #take(name: string, from: string, seq: number): Channel | null {
    // Only a first message opens one, and each only once: what was closed must not begin anew.
    if (seq !== 1 || this.#open.size >= MAX_CHANNELS) return null
    const [word = '', , count = ''] = name.split('.')
    const expectation = this.#expected.get(word)
    if (!expectation || Number(count) <= (expectation.last.get(from) ?? 0)) return null
    expectation.last.set(from, Number(count))
    const takes = expectation.takes(from)
    return takes ? this.#make(name, from, takes) : null
  }

  #check(): void {
    this.#timer = this.#clock.schedule(CHECK_INTERVAL_MS, () => this.#check())
    const turnedMs = this.#clock.monotonicMs() - this.#turnedMs
    const { up } = this.#messenger.bus
    const pings = ++this.#checks % CHECKS_FOR_A_PING === 0
    for (const { channel, peer } of this.#open.values()) {
      const silentMs = Math.min(this.#roster.silenceOf(peer), turnedMs)
      if (up ? silentMs > PEER_SILENCE_MS : turnedMs > BUS_ABSENCE_MS) channel.break()
      else if (pings) channel.ping()
    }
  }
}
