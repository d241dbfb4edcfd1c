// Brains of a simulated customer: quick, slow, silent, lost, flooding, and with ideas of their own.
import { type Clock, untilCancelled } from '@saperly/kernel'
import {
  type Brain,
  type BrainCall,
  type BrainDirective,
  BrainLost,
  type Brains,
} from '../../packages/server/src/brain/port.ts'
import type { Chance } from './chance.ts'

export class SimBrains implements Brains {
  readonly #clock: Clock
  readonly #chance: Chance
  readonly #targets: readonly string[]

  constructor(clock: Clock, chance: Chance, targets: readonly string[]) {
    this.#clock = clock
    this.#chance = chance
    this.#targets = targets
  }

  available(): Promise<boolean> {
    return Promise.resolve(!this.#chance.hits(0.01))
  }

  async attach(call: BrainCall): Promise<Brain> {
    const clock = this.#clock
    const chance = this.#chance
    if (chance.hits(0.1)) await clock.sleep(chance.between(1, 800), new AbortController().signal)
    let closed = false
    const idea = clock.schedule(chance.between(2_000, 60_000), () => {
      if (!closed && chance.hits(0.3)) call.onDirective({ type: 'speak', text: 'by the way' })
    })
    const answers = (signal: AbortSignal) => this.#answer(signal)
    return {
      kind: 'manual_socket',
      ask: (_event, signal) => answers(signal),
      tell: () => {},
      close: () => {
        closed = true
        idea.cancel()
        return Promise.resolve()
      },
    }
  }

  async *#answer(signal: AbortSignal): AsyncIterable<BrainDirective> {
    const chance = this.#chance
    const mood = chance.weighted([
      [20, 'quick'],
      [4, 'slow'],
      [1, 'silent'],
      [1, 'lost'],
      [1, 'flood'],
    ] as const)
    if (mood === 'lost') throw new BrainLost()
    if (mood === 'silent') await untilCancelled(new Promise<never>(() => {}), signal)
    const count = mood === 'flood' ? 250 : chance.between(0, 3)
    const longMs = mood === 'slow' ? 8_000 : 300
    for (let made = 0; made < count; made++) {
      if (mood !== 'flood') await this.#clock.sleep(chance.between(0, longMs), signal)
      yield this.#directive()
    }
  }

  #directive(): BrainDirective {
    const chance = this.#chance
    const type = chance.weighted([
      [14, 'speak'],
      [3, 'wait_for_user'],
      [1, 'hangup'],
      [1, 'send_dtmf'],
      [2, 'transfer'],
    ] as const)
    if (type === 'speak') return { type, text: 'How may I help you today?', more: chance.hits(0.2) }
    if (type === 'wait_for_user') return { type, timeoutSec: chance.between(2, 12) }
    if (type === 'send_dtmf') return { type, digits: '12#' }
    if (type === 'transfer') return { type, to: chance.pick(this.#targets) }
    if (chance.hits(0.1)) return { type: 'opt_out' }
    return { type: 'hangup' }
  }
}
