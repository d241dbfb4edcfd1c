// Every place between two writes: found by playing each act once, then the server dies at each of them.
import type { Random } from '@saperly/kernel'
import { Beginnings } from './beginnings.ts'
import { unproved, wrongIn } from './books.ts'
import { type Act, ACTS, LEFT_BEHIND, type Stage } from './acts.ts'
import { Customers } from './customers.ts'
import type { DatabaseKind } from './databases.ts'
import { Installation } from './installation.ts'
import { callsThat, LIVE, pause, until } from './rounds.ts'
import { Witness } from './witness.ts'
import { WRITES } from './writes.ts'

/** How the name of a place begins that lies inside of a transaction. */
const INSIDE = 'inside '
/** How long what goes on behind an act (deliveries, the audit chain) may take to pass a place. */
const BEHIND_LIMIT_MS = 60_000
const QUIET_MS = 400
const FINAL_LIMIT_MS = 180_000

const RECHARGES =
  'nobody is charged here: the deaths of a recharge are in payment/recharger-deaths.test.ts'

/** Writes that no act leads to, and why. A write that is neither here nor on any act's way fails the test. */
export const OUT_OF_REACH: Readonly<Record<string, string>> = {
  'consent.optOutAll': 'the operator’s import: one transaction of another process',
  'erasure.erase':
    'the operator’s erasure, which makes transactions of its own and may be repeated',
  'ledger.topUp': 'the operator’s: one statement of another process, played in the rounds',
  'ledger.charge': 'no route takes a price outside of calls yet',
  'ledger.extend': 'asked for after 45 s of talking: in the act that is not played briefly',
  'recharges.open': RECHARGES,
  'recharges.claim': RECHARGES,
  'recharges.postpone': RECHARGES,
  'recharges.settle': RECHARGES,
  'recharges.pardon': 'the operator’s: in the transaction of the top-up',
  'retention.forgetRecordings': 'once an hour, when the operator forgets recordings',
  'retention.forgetTranscripts': 'once an hour, when the operator forgets transcripts',
  'retention.forgetEvents': 'once an hour, when the operator forgets events',
}

/** A place, and how to come to it: by an act, or when a process starts or ends with calls that are live. */
export interface Point {
  place: string
  way: Act | 'start' | 'end'
}

export class Points {
  readonly installation: Installation
  readonly #witness = new Witness()
  readonly #customers: Customers

  private constructor(name: string, installation: Installation) {
    this.installation = installation
    this.#customers = new Customers(this.#witness, name)
  }

  /** `name`: of the customers, when several play side by side. */
  static async open(kind: DatabaseKind, name: string): Promise<Points> {
    const installation = await Installation.open(kind, false)
    await installation.begin()
    await installation.furnish()
    return new Points(name, installation)
  }

  /**
   * Plays every act, a start after a death, and an end in order, without harm; every place that was passed. `briefly`:
   * without the long acts.
   */
  async find(briefly: boolean): Promise<Point[]> {
    const { installation } = this
    const found = new Map<string, Point>()
    const add = (way: Point['way'], places: readonly string[]): void => {
      for (const place of places) if (!found.has(place)) found.set(place, { place, way })
    }
    await installation.life.report()
    for (const act of ACTS.filter(({ long = false }) => !(briefly && long))) {
      await act.play(this.#stage)
      await this.#quiet()
      add(act, await installation.life.report())
    }
    await LEFT_BEHIND.play(this.#stage)
    await installation.life.kill()
    await this.installation.begin()
    await this.#quiet()
    add('start', await installation.life.report())
    await LEFT_BEHIND.play(this.#stage)
    add('end', await installation.end())
    await this.installation.begin()
    return [...found.values()]
  }

  /** Dies there, lives again, and looks; what is wrong then. */
  async play({ way, place }: Point): Promise<string[]> {
    if (way === 'start') await this.#dieStarting(place)
    else if (way === 'end') await this.#dieEnding(place)
    else await this.#dieIn(way, place)
    const { life } = this.installation
    const died = life.over && (await life.ended) === 'SIGKILL'
    // Whether it died or ended in order: the next point finds a server.
    if (life.over) await this.installation.begin()
    if (!died) return ['nobody came to it']
    return this.problems()
  }

  /** What is not as it was promised, once no call is live. */
  async problems(): Promise<string[]> {
    const { installation } = this
    await until(async () => (await callsThat(installation, LIVE)) === 0, FINAL_LIMIT_MS)
    const wrong = await wrongIn(installation)
    const lies = await this.#witness.ofLate(installation.platform)
    await this.#customers.askAgain(installation.platform)
    return [...wrong, ...lies, ...(await this.#witness.ofLate(installation.platform))]
  }

  async #dieIn(act: Act, place: string): Promise<void> {
    const { life } = this.installation
    await life.arm(place)
    await act.play(this.#stage)
    await Promise.race([life.ended, pause(BEHIND_LIMIT_MS)])
  }

  async #dieStarting(place: string): Promise<void> {
    const { installation } = this
    await LEFT_BEHIND.play(this.#stage)
    await installation.life.kill()
    const started = await installation.start(place)
    if (started) await Promise.race([installation.life.ended, pause(BEHIND_LIMIT_MS)])
  }

  async #dieEnding(place: string): Promise<void> {
    const { life } = this.installation
    await LEFT_BEHIND.play(this.#stage)
    await life.arm(place)
    await this.installation.end()
  }

  /** No call is live, and what goes on behind the calls has come to an end. */
  async #quiet(): Promise<void> {
    const { installation } = this
    await until(async () => (await callsThat(installation, LIVE)) === 0, FINAL_LIMIT_MS)
    await pause(QUIET_MS)
  }

  get #stage(): Stage {
    const { installation } = this
    return { installation, customers: this.#customers, platform: installation.platform }
  }
}

/** What came of all points together. */
export interface PointsReport {
  points: readonly Point[]
  /** Places of the first start of an installation. */
  beginnings: readonly string[]
  problems: string[]
}

export interface PointsOptions {
  kind: DatabaseKind
  /** Installations side by side. */
  lanes: number
  /**
   * Without the long acts, and inside each transaction only at its last place, just before the commit: those before it
   * are rolled back to the same rows.
   */
  briefly?: boolean
  /** Dies only at points with this in their name. */
  only?: string
  /** Dies only at so many of them, drawn by `random`. */
  sample?: { count: number; random: Random }
  print?: (line: string) => void
}

/** Finds every point, and dies at each. */
export async function playEvery({
  kind,
  lanes,
  briefly = false,
  only = '',
  sample,
  print = () => undefined,
}: PointsOptions): Promise<PointsReport> {
  const names = Array.from({ length: lanes }, (_, lane) => `lane-${lane}`)
  const every = await Promise.all(names.map((name) => Points.open(kind, name)))
  const [first] = every
  const found = await first!.find(briefly)
  const anew = new Beginnings(first!.installation)
  const begun = await anew.find()
  const points = drawn(
    found.filter(
      (point) => nameOf(point).includes(only) && !(briefly && isCovered(point.place, found)),
    ),
    sample,
  )
  const beginnings = drawn(
    begun.filter(
      (place) => beginningOf(place).includes(only) && !(briefly && place.startsWith(INSIDE)),
    ),
    sample,
  )
  const problems = unreached(found, begun).map((write) => `no act comes to ${write}`)
  const told = (place: string, wrong: readonly string[]): void => {
    print(`${wrong.length === 0 ? 'right' : 'BROKEN'} ${place}`)
    problems.push(...wrong.map((what) => `${place}: ${what}`))
  }
  for (const place of beginnings) told(beginningOf(place), await anew.play(place))
  const left = points.values()
  await Promise.all(
    every.map(async (lane) => {
      for (const point of left) told(nameOf(point), await lane.play(point))
      for (const wrong of await unproved(lane.installation)) problems.push(wrong)
    }),
  )
  await Promise.all(every.map(({ installation }) => installation.close(problems.length > 0)))
  return { points, beginnings, problems }
}

/** All of them, or some. */
function drawn<T>(all: T[], sample: PointsOptions['sample']): T[] {
  if (!sample) return all
  const left = [...all]
  const count = Math.min(sample.count, left.length)
  return Array.from(
    { length: count },
    () => left.splice(sample.random.int(0, left.length - 1), 1)[0]!,
  )
}

/** Whether there is a later place inside of the same transaction. */
function isCovered(place: string, points: readonly Point[]): boolean {
  if (!place.startsWith(INSIDE)) return false
  const commit = `committed ${place.slice(INSIDE.length)}`
  return !points.some((point) => point.place === commit)
}

function beginningOf(place: string): string {
  return `at the first start: ${place}`
}

function nameOf({ way, place }: Point): string {
  return `${typeof way === 'string' ? `at the ${way} of a process` : way.name}: ${place}`
}

/** Writes of the port that none of these places knows. */
export function unreached(points: readonly Point[], beginnings: readonly string[]): string[] {
  const places = [...points.map(({ place }) => place), ...beginnings]
  return WRITES.filter((write) => {
    const named = new RegExp(`\\b${write.replace('.', '\\.')}\\b`)
    return !(write in OUT_OF_REACH) && !places.some((place) => named.test(place))
  })
}
