// A network without phones: whoever is called answers at once, says nothing, hears everything out, and takes no REFER.
// Some only ring, if they are asked to.
import type { Clock } from '@saperly/kernel'
import type { Network, NetworkCommand, NetworkEvent, PlaneLoad } from '@saperly/network'

/** How long a carrier may say nothing about a REFER that it took. */
const SILENCE_MS = 32_000
const DIALOG = {
  callId: 'scripted',
  localTag: 'a',
  remoteTag: 'b',
  localUri: 'sip:a@127.0.0.1',
  remoteUri: 'sip:b@127.0.0.1',
  remoteTarget: 'sip:b@127.0.0.1',
  routeSet: [],
  localCSeq: 1,
  remoteAddress: '127.0.0.1:9',
  trunk: null,
}

export class ScriptedNetwork implements Network {
  readonly trunks = []
  readonly recognizer = 'free'
  load: PlaneLoad = { workers: [], overloaded: false }
  /** Targets whose REFER is taken, and then not reported on. */
  readonly silentOn = new Set<string>()
  /** Who rings until the call is ended, and never answers. */
  readonly ringingOn = new Set<string>()
  /** What it was told, in order. */
  readonly commands: NetworkCommand[] = []
  readonly #clock: Clock
  readonly #listeners: ((event: NetworkEvent) => void)[] = []
  readonly #answeredAt = new Map<string, number>()
  readonly #bridgedAt = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  subscribe(listener: (event: NetworkEvent) => void): void {
    this.#listeners.push(listener)
  }

  recognizerOf(): 'free' {
    return this.recognizer
  }

  voices(): [] {
    return []
  }

  trace(): Promise<[]> {
    return Promise.resolve([])
  }

  post(command: NetworkCommand): void {
    this.commands.push(command)
    queueMicrotask(() => this.#follow(command))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #follow(command: NetworkCommand): void {
    const { callId } = command
    const at = this.#clock.now()
    if (command.type === 'dial' && this.ringingOn.has(command.to)) {
      this.#emit({ callId, type: 'accepted', sipCode: 180 })
      this.#emit({ callId, type: 'ringing', sipCode: 180 })
    } else if (command.type === 'dial') {
      this.#answeredAt.set(callId, at)
      this.#emit({ callId, type: 'accepted', sipCode: 200 })
      this.#emit({ callId, type: 'answered', dialog: DIALOG, recognizer: 'free', at })
    } else if (command.type === 'transfer') {
      const refused = { reason: 'refused by the carrier', sipCode: 405 }
      if (!this.silentOn.has(command.to)) {
        return this.#emit({ callId, type: 'bridgeWanted', ...refused })
      }
      this.#emit({ callId, type: 'transferAccepted' })
      const silent = { reason: 'no notice after the transfer was accepted', sipCode: null }
      this.#clock.schedule(SILENCE_MS, () =>
        this.#emit({ callId, type: 'bridgeWanted', ...silent }),
      )
    } else if (command.type === 'bridge') {
      this.#bridgedAt.set(callId, at)
      this.#emit({ callId, type: 'transferAccepted' })
      this.#emit({ callId, type: 'bridged', dialog: DIALOG, at })
    } else if (command.type === 'hangUp') {
      const bridgedAt = this.#bridgedAt.get(callId)
      if (bridgedAt) this.#emit({ callId, type: 'unbridged', measuredMs: at - bridgedAt })
      const answeredAt = this.#answeredAt.get(callId)
      const measuredMs = answeredAt === undefined ? null : at - answeredAt
      const cause = answeredAt === undefined ? 'cancelled' : 'local_hangup'
      const ending = { sipCode: null, q850Cause: null, reason: null, measuredMs }
      this.#emit({ callId, type: 'ended', cause, ...ending })
    } else if (command.type === 'speak') {
      const { utteranceId, text } = command
      const times = { heardMs: 0, startedAt: at, endedAt: at }
      const heard = { heard: text, basis: 'exact' as const, outcome: 'played' as const }
      this.#emit({ callId, type: 'speaking', utteranceId, speechMs: 0, wireMs: 0, at })
      this.#emit({ callId, type: 'spoke', utteranceId, text, ...heard, ...times })
    }
  }

  #emit(event: NetworkEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

/** A clock that runs `factor` times as fast as the world. */
export class FastClock implements Clock {
  readonly #clock: Clock
  readonly #factor: number
  readonly #startMs: number
  readonly #startMonotonicMs: number

  constructor(clock: Clock, factor: number) {
    this.#clock = clock
    this.#factor = factor
    this.#startMs = clock.now()
    this.#startMonotonicMs = clock.monotonicMs()
  }

  now(): number {
    return Math.round(this.#startMs + this.monotonicMs())
  }

  monotonicMs(): number {
    return (this.#clock.monotonicMs() - this.#startMonotonicMs) * this.#factor
  }

  schedule(delayMs: number, callback: () => void): ReturnType<Clock['schedule']> {
    return this.#clock.schedule(delayMs / this.#factor, callback)
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(delayMs / this.#factor, signal)
  }
}
