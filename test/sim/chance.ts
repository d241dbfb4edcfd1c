// Choices of a seeded world.
import type { Random } from '@saperly/kernel'

export class Chance {
  readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  /** True with this probability. */
  hits(probability: number): boolean {
    return this.random.float() < probability
  }

  between(low: number, high: number): number {
    return this.random.int(low, high)
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random.int(0, from.length - 1)]!
  }

  /** One of these, as often as its weight says. */
  weighted<T>(from: readonly (readonly [number, T])[]): T {
    const total = from.reduce((sum, [weight]) => sum + weight, 0)
    let left = this.random.float() * total
    for (const [weight, value] of from) if ((left -= weight) < 0) return value
    return from.at(-1)![1]
  }
}
