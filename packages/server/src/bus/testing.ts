// For tests: a bus inside one process, which can be cut, and which loses, doubles and shuffles what it is told to.
import type { Clock, Random } from '@saperly/kernel'
import type { Bus, BusMessage } from './port.ts'

/** How the lines between the processes behave; each a share, 0–1. */
export interface Weather {
  lost: number
  doubled: number
  /** Of messages that are held up, and so are overtaken, by up to `delayMs`. */
  late: number
  delayMs: number
}

export const CALM: Weather = { lost: 0, doubled: 0, late: 0, delayMs: 0 }

/** What all members of it are connected to. */
export class BusHub {
  weather: Weather = CALM
  /** What gets lost beside the weather. */
  loses: (message: BusMessage) => boolean = () => false
  readonly #clock: Clock
  readonly #random: Random
  readonly #members = new Set<MemberBus>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  /** The bus as one process has it. */
  member(): MemberBus {
    const member = new MemberBus(this, () => this.#members.delete(member))
    this.#members.add(member)
    return member
  }

  /** Cuts every member off, or joins them again. */
  turn(up: boolean): void {
    for (const member of this.#members) member.turn(up)
  }

  send(message: BusMessage): void {
    if (this.loses(message)) return
    const listeners = [...this.#members].flatMap((member) => member.listenersTo(message.subject))
    if (listeners.length === 0 && message.replyTo !== null) {
      const { replyTo: subject } = message
      return this.#later(() => this.send({ subject, text: '', replyTo: null, nobody: true }))
    }
    for (const listener of listeners) {
      const copies = this.#happens(this.weather.doubled) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        if (!this.#happens(this.weather.lost)) this.#later(() => listener(message))
      }
    }
  }

  #later(deliver: () => void): void {
    const delayMs = this.#happens(this.weather.late) ? this.#random.int(0, this.weather.delayMs) : 0
    this.#clock.schedule(delayMs, deliver)
  }

  #happens(share: number): boolean {
    return share > 0 && this.#random.float() < share
  }
}

export class MemberBus implements Bus {
  readonly #hub: BusHub
  readonly #leave: () => void
  readonly #handlers = new Set<{ subject: string; handler: (message: BusMessage) => void }>()
  readonly #watchers = new Set<(up: boolean) => void>()
  #up = true

  constructor(hub: BusHub, leave: () => void) {
    this.#hub = hub
    this.#leave = leave
  }

  get up(): boolean {
    return this.#up
  }

  publish(subject: string, text: string, replyTo?: string): boolean {
    if (!this.#up) return false
    this.#hub.send({ subject, text, replyTo: replyTo ?? null, nobody: false })
    return true
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): () => void {
    const entry = { subject, handler }
    this.#handlers.add(entry)
    return () => void this.#handlers.delete(entry)
  }

  watch(listener: (up: boolean) => void): () => void {
    this.#watchers.add(listener)
    return () => void this.#watchers.delete(listener)
  }

  async close(): Promise<void> {
    this.#handlers.clear()
    this.#leave()
  }

  turn(up: boolean): void {
    if (this.#up === up) return
    this.#up = up
    for (const watcher of this.#watchers) watcher(up)
  }

  /** Who hears this now; a member that is cut off hears nothing, whenever it was sent. */
  listenersTo(subject: string): ((message: BusMessage) => void)[] {
    const family = `${subject.slice(0, subject.lastIndexOf('.'))}.*`
    return [...this.#handlers]
      .filter((entry) => entry.subject === subject || entry.subject === family)
      .map((entry) => (message) => {
        if (this.#up && this.#handlers.has(entry)) entry.handler(message)
      })
  }
}
