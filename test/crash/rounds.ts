// Rounds of kill -9: load from a seed, death at a moment from the seed, another life, and what was promised looked at.
import { type Random, seededRandom } from '@saperly/kernel'
import { forgottenPhones, owed, undelivered, unproved, wrongIn } from './books.ts'
import { Customers } from './customers.ts'
import type { DatabaseKind } from './databases.ts'
import { Installation } from './installation.ts'
import { Load } from './load.ts'
import { Witness } from './witness.ts'

/** The load lasts at least and at most so long before the death. */
const LOAD_MS = { least: 50, most: 2_500 }
/** How long the calls of the dead may take to be final, and their phones to be hung up on. */
const FINAL_LIMIT_MS = 180_000
/** A claim of the dead on a delivery lasts 45 s, and a refused or hanging attempt is made again a little later. */
const DELIVERY_LIMIT_MS = 300_000
const LOOK_AGAIN_MS = 50
export const LIVE = `state <> 'ended'`

/** Who dies: mostly the server, sometimes its database, first or with it. */
export const DEATHS = ['server', 'database, then server', 'both at once'] as const
type Death = (typeof DEATHS)[number]

export interface RoundReport {
  round: number
  seed: number
  death: Death
  afterMs: number
  /** Calls answered with 201 in the round, and those that were live when the server died. */
  placed: number
  orphans: number
  acknowledged: number
  /** From the death to the moment when every call was final. */
  recoveredMs: number
  problems: string[]
}

export class Rounds {
  readonly installation: Installation
  readonly #seed: number
  readonly #kind: DatabaseKind
  readonly #witness = new Witness()
  readonly #customers: Customers
  #round = 0
  #lostBefore = 0

  private constructor(kind: DatabaseKind, seed: number, installation: Installation) {
    this.#kind = kind
    this.#seed = seed
    this.installation = installation
    this.#customers = new Customers(this.#witness, `${kind}-${seed}`)
  }

  static async open(kind: DatabaseKind, seed: number): Promise<Rounds> {
    const installation = await Installation.open(kind, true)
    await installation.begin()
    await installation.furnish()
    return new Rounds(kind, seed, installation)
  }

  /** Facts that were acknowledged so far. */
  get acknowledged(): number {
    return this.#witness.noted
  }

  get placed(): number {
    return this.#customers.placed
  }

  async play(): Promise<RoundReport> {
    const round = this.#round++
    const seed = this.#seed + round
    const random = seededRandom(seed)
    const before = { placed: this.placed, acknowledged: this.acknowledged }
    const death = this.#death(random)
    const afterMs = random.int(LOAD_MS.least, LOAD_MS.most)
    const load = new Load(this.installation, this.#customers, this.#witness, random)
    this.#customers.databaseDies = death !== 'server'
    load.begin()
    await pause(afterMs)
    await this.#die(death, random)
    const diedMs = performance.now()
    await load.end()
    await this.installation.database.rest()
    await this.installation.begin()
    const problems = await this.#problems()
    const lost = await callsThat(this.installation, `hangup_cause = 'process_lost'`)
    const orphans = lost - this.#lostBefore
    this.#lostBefore = lost
    return {
      round,
      seed,
      death,
      afterMs,
      orphans,
      placed: this.placed - before.placed,
      acknowledged: this.acknowledged - before.acknowledged,
      recoveredMs: Math.round(performance.now() - diedMs),
      problems,
    }
  }

  /** After the last round: everything that was ever promised, the proofs of the books, and every delivery. */
  async conclude(): Promise<string[]> {
    const { installation } = this
    await this.#customers.endAll(installation.platform)
    await until(async () => (await callsThat(installation, LIVE)) === 0, FINAL_LIMIT_MS)
    await until(async () => (await owed(installation)) === 0, DELIVERY_LIMIT_MS)
    const left = await owed(installation)
    return [
      ...(left > 0 ? [`${left} events were not delivered`] : await undelivered(installation)),
      ...(await this.#witness.ofAll(installation.platform)),
      ...(await wrongIn(installation)),
      ...(await unproved(installation)),
    ]
  }

  #death(random: Random): Death {
    const luck = random.int(0, 9)
    if (this.#kind === 'postgres' && luck < 2) return 'database, then server'
    return luck < 4 ? 'both at once' : 'server'
  }

  async #die(death: Death, random: Random): Promise<void> {
    const { database, life } = this.installation
    if (death !== 'server') await database.kill()
    if (death === 'database, then server') await pause(random.int(0, LOAD_MS.most))
    await life.kill()
  }

  async #problems(): Promise<string[]> {
    const { installation } = this
    await until(async () => (await callsThat(installation, LIVE)) === 0, FINAL_LIMIT_MS)
    await until(async () => (await forgottenPhones(installation)).length === 0, FINAL_LIMIT_MS)
    const wrong = await wrongIn(installation)
    const forgotten = await forgottenPhones(installation)
    const lies = await this.#witness.ofLate(installation.platform)
    await this.#customers.askAgain(installation.platform)
    return [
      ...wrong,
      ...(forgotten.length > 0 ? [`phones that talk on: ${forgotten.join(', ')}`] : []),
      ...lies,
      ...(await this.#witness.ofLate(installation.platform)),
    ]
  }
}

/** How many calls are as this condition says. */
export async function callsThat({ database }: Installation, are: string): Promise<number> {
  const [row] = await database.rows<{ count: number }>(
    `select count(*)::integer as count from call where ${are}`,
  )
  return row!.count
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Until it is so, or the limit is reached: whoever asks looks again, and says what is left. */
export async function until(so: () => Promise<boolean>, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!(await so()) && performance.now() < deadline) await pause(LOOK_AGAIN_MS)
}
