// One leg at the simulated carrier once it is answered: a peer that talks, presses, is silent and hangs up as it likes.
import type { Clock, Timer } from '@saperly/kernel'
import type { NetworkCommand, NetworkEvent, TalkEvent } from '@saperly/network'
import type { Chance } from './chance.ts'

type Speak = Extract<NetworkCommand, { type: 'speak' }>

/** An event without the call that it belongs to. */
export type LegEvent = NetworkEvent extends infer E
  ? E extends { callId: string }
    ? Omit<E, 'callId'>
    : never
  : never

interface Utterance {
  id: string
  text: string
  open: boolean
  protected: boolean
  startedAt: number | null
}

const MS_PER_CHARACTER = 40
const SAYINGS = ['hello', 'what is this about', 'yes please', 'stop calling me', 'hm', 'thank you']

export class TalkingLeg {
  readonly #clock: Clock
  readonly #chance: Chance
  readonly #emit: (event: LegEvent) => void
  readonly #timers = new Set<Timer>()
  #queue: Utterance[] = []
  #silence: Timer | null = null
  #ended = false

  constructor(clock: Clock, chance: Chance, emit: (event: LegEvent) => void) {
    this.#clock = clock
    this.#chance = chance
    this.#emit = emit
    this.#live()
  }

  command(command: NetworkCommand): void {
    if (command.type === 'speak') this.#speak(command)
    else if (command.type === 'stop') this.#drop('stopped')
    else if (command.type === 'listen') this.#listen(command.silenceTimeoutMs)
    else if (command.type === 'sendDigits') {
      this.#after(100, () => this.#talk({ type: 'digitsSent', digits: command.digits }))
    }
  }

  /** Every utterance is accounted for before the leg is gone. */
  end(): void {
    if (this.#ended) return
    for (const utterance of this.#queue.splice(0)) this.#spoke(utterance, 'stopped')
    this.#ended = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  #after(delayMs: number, run: () => void): Timer {
    const timer = this.#clock.schedule(delayMs, () => {
      this.#timers.delete(timer)
      run()
    })
    this.#timers.add(timer)
    return timer
  }

  #talk(event: TalkEvent): void {
    if (!this.#ended) this.#emit(event)
  }

  /** The peer does something every now and then. */
  #live(): void {
    this.#after(this.#chance.between(500, 25_000), () => {
      this.#act()
      this.#live()
    })
  }

  #act(): void {
    const act = this.#chance.weighted([
      [6, 'turn'],
      [2, 'digits'],
      [1, 'machine'],
      [1, 'quality'],
      [1, 'resumed'],
    ] as const)
    const at = this.#clock.now()
    if (act === 'digits') {
      return this.#talk({
        type: 'digits',
        digits: this.#chance.weighted([
          [8, '1'],
          [1, '9'],
        ]),
      })
    }
    if (act === 'machine') {
      const verdict = this.#chance.pick(['human', 'machine', 'beep'] as const)
      return this.#talk({ type: 'machine', verdict, confidence: 0.9, at, atMs: 2_000 })
    }
    if (act === 'resumed') return this.#talk({ type: 'resumed' })
    if (act === 'turn') this.#turn(at)
  }

  #turn(at: number): void {
    if (this.#queue.some((one) => !one.protected)) this.#drop('interrupted')
    const text = this.#chance.weighted(
      SAYINGS.map((said) => [said.startsWith('stop') ? 1 : 6, said]),
    )
    this.#talk({
      type: 'turn',
      text,
      noMatch: false,
      confidence: 0.8,
      recognizer: 'free',
      startedAt: at - 900,
      endedAt: at,
      endpointingMs: 500,
      waitMs: 400,
    })
  }

  #speak(command: Speak): void {
    const known = this.#queue.find(({ id }) => id === command.utteranceId)
    const utterance = known ?? {
      id: command.utteranceId,
      text: '',
      open: true,
      startedAt: null,
      protected: command.protected,
    }
    utterance.text += command.text
    utterance.open = command.more
    if (!known) this.#queue.push(utterance)
    if (this.#queue[0] === utterance) this.#play()
  }

  /** Plays what is first in the queue; its end is known once no more of it follows. */
  #play(): void {
    const utterance = this.#queue[0]
    if (!utterance) return
    if (utterance.startedAt === null) {
      utterance.startedAt = this.#clock.now()
      const at = this.#clock.now()
      this.#talk({ type: 'speaking', utteranceId: utterance.id, speechMs: 20, wireMs: 5, at })
    }
    if (utterance.open) return
    this.#after(utterance.text.length * MS_PER_CHARACTER, () => {
      if (this.#queue[0] !== utterance) return
      this.#queue.shift()
      this.#spoke(utterance, 'played')
      this.#play()
    })
  }

  #drop(outcome: 'stopped' | 'interrupted'): void {
    const dropped = this.#queue.filter((one) => !one.protected)
    this.#queue = this.#queue.filter((one) => one.protected)
    for (const utterance of dropped) this.#spoke(utterance, outcome)
    this.#play()
  }

  #spoke(utterance: Utterance, outcome: 'played' | 'stopped' | 'interrupted'): void {
    const { id, text, startedAt } = utterance
    const at = this.#clock.now()
    const heard = outcome === 'played' ? text : text.slice(0, text.length >> 1)
    this.#talk({
      type: 'spoke',
      utteranceId: id,
      outcome,
      text,
      basis: 'estimated',
      heard: startedAt === null ? '' : heard,
      heardMs: at - (startedAt ?? at),
      startedAt: startedAt ?? at,
      endedAt: at,
    })
  }

  #listen(silenceTimeoutMs: number | null): void {
    this.#silence?.cancel()
    if (silenceTimeoutMs === null) return
    this.#silence = this.#after(silenceTimeoutMs, () =>
      this.#talk({ type: 'silence', seconds: Math.round(silenceTimeoutMs / 1000) }),
    )
  }
}
