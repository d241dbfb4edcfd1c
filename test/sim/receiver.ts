// The customer's webhook endpoint: takes, refuses, is slow, or is not there.
import { type Clock } from '@saperly/kernel'
import type { DelivererDeps } from '../../packages/server/src/webhook/deliver.ts'
import { DialError } from '../../packages/server/src/outbound/watch.ts'
import type { Chance } from './chance.ts'

type Dialler = DelivererDeps['dialler']

export class Receiver implements Dialler {
  readonly #clock: Clock
  readonly #chance: Chance

  constructor(clock: Clock, chance: Chance) {
    this.#clock = clock
    this.#chance = chance
  }

  async request({ signal }: Parameters<Dialler['request']>[0]): ReturnType<Dialler['request']> {
    await this.#clock.sleep(this.#chance.pick([2, 40, 900]), signal)
    if (this.#chance.hits(0.05)) throw new DialError('connection', 'refused')
    return { status: this.#chance.hits(0.1) ? 500 : 200, discard: () => Promise.resolve() }
  }
}
