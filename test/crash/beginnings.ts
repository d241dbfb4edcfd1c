// The first start of an installation, which dies between two of its writes: the next one finishes what it began.
import { ApiClient } from '../world.ts'
import type { Installation } from './installation.ts'

/** What a new workspace is given in each environment. */
const CREDIT_CENTS = 500

export class Beginnings {
  readonly #installation: Installation
  #count = 0

  constructor(installation: Installation) {
    this.#installation = installation
  }

  /** The places that a first start passes. */
  async find(): Promise<string[]> {
    const beginner = await this.#installation.beginAnew(this.#name())
    const life = await beginner.start()
    const places = await life.report()
    await life.kill()
    return places.filter((place) => !/outbox|audit\.chain|retention/.test(place))
  }

  /** Dies there, and starts again; what is wrong then. */
  async play(place: string): Promise<string[]> {
    const beginner = await this.#installation.beginAnew(this.#name())
    const first = await beginner.start(place)
    if (!first.over) {
      await first.kill()
      return [`nobody came to: ${place}`]
    }
    const second = await beginner.start()
    if (second.over) return ['the server did not start again']
    const api = new ApiClient(second.url, second.token)
    const [usage, numbers, keys] = await Promise.all([
      api.get('/usage'),
      api.get('/numbers'),
      api.get('/api-tokens'),
    ])
    await second.kill()
    const found = {
      balanceCents: usage.body.balanceCents,
      numbers: numbers.body.length,
      keys: keys.body.length,
    }
    const whole = { balanceCents: CREDIT_CENTS, numbers: 1, keys: 1 }
    const same = JSON.stringify(found) === JSON.stringify(whole)
    return same ? [] : [`after a death at ${place}: ${JSON.stringify(found)}`]
  }

  #name(): string {
    return `anew_${++this.#count}`
  }
}
