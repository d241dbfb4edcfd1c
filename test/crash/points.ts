// Every place between two writes: found by playing each act once, then the server dies at each of them.
import { Beginnings } from './beginnings.ts'
import { unproved, wrongIn } from './books.ts'
import { type Act, ACTS, LEFT_BEHIND, type Stage } from './acts.ts'
import { Customers } from './customers.ts'
import type { DatabaseKind } from './databases.ts'
import { Installation } from './installation.ts'
import { callsThat, LIVE, pause, until } from './rounds.ts'
import { Witness } from './witness.ts'
import { WRITES } from './writes.ts'

/** How long what goes on behind an act (deliveries, the audit chain) may take to pass a place. */
const BEHIND_LIMIT_MS = 15_000
const QUIET_MS = 400
const FINAL_LIMIT_MS = 45_000

/** Writes that no act leads to, and why. A write that is neither here nor on any act's way fails the test. */
export const OUT_OF_REACH: Readonly<Record<string, string>> = {
  'consent.optOutAll': 'the operator’s import: one transaction of another process',
  'erasure.erase':
    'the operator’s erasure, which makes transactions of its own and may be repeated',
  'ledger.topUp': 'the operator’s: one statement of another process, played in the rounds',
  'ledger.charge': 'no route takes a price outside of calls yet',
  'ledger.extend': 'asked for after 45 s of talking',
  'retention.forgetRecordings': 'once an hour, when the operator forgets recordings',
  'retention.forgetTranscripts': 'once an hour, when the operator forgets transcripts',
  'retention.forgetEvents': 'once an hour, when the operator forgets events',
}

/** A place, and how to come to it. */
export interface Point {
  place: string
  /** Null: it lies in the start of a process, after `LEFT_BEHIND`. */
  act: Act | null
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
    if (!(await installation.start())) throw new Error('the first server did not start')
    await installation.furnish()
    return new Points(name, installation)
  }

  /** Plays every act, and a start after a death, without harm; every place that was passed. */
  async find(): Promise<Point[]> {
    const { installation } = this
    const found = new Map<string, Point>()
    const add = async (act: Act | null): Promise<void> => {
      for (const place of await installation.life.report()) {
        if (!found.has(place)) found.set(place, { place, act })
      }
    }
    await installation.life.report()
    for (const act of ACTS) {
      await act.play(this.#stage)
      await until(async () => (await callsThat(installation, LIVE)) === 0, FINAL_LIMIT_MS)
      await pause(QUIET_MS)
      await add(act)
    }
    await LEFT_BEHIND.play(this.#stage)
    await installation.life.kill()
    if (!(await installation.start())) throw new Error('the server did not start again')
    await pause(QUIET_MS)
    await add(null)
    return [...found.values()]
  }

  /** Dies there, lives again, and looks; what is wrong then. */
  async play(point: Point): Promise<string[]> {
    const { installation } = this
    const died = point.act
      ? await this.#dieIn(point.act, point.place)
      : await this.#dieStarting(point.place)
    if (!died) return [`nobody came to: ${point.place}`]
    if (!(await installation.start())) throw new Error('the next server did not start')
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

  async #dieIn(act: Act, place: string): Promise<boolean> {
    const { life } = this.installation
    await life.arm(place)
    await act.play(this.#stage)
    await Promise.race([life.ended, pause(BEHIND_LIMIT_MS)])
    return life.over
  }

  async #dieStarting(place: string): Promise<boolean> {
    const { installation } = this
    await LEFT_BEHIND.play(this.#stage)
    await installation.life.kill()
    const started = await installation.start(place)
    if (started) await Promise.race([installation.life.ended, pause(BEHIND_LIMIT_MS)])
    return installation.life.over
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

/** Finds every point, and dies at each; `lanes` installations side by side. */
export async function playEvery(
  kind: DatabaseKind,
  lanes: number,
  print: (line: string) => void,
): Promise<PointsReport> {
  const names = Array.from({ length: lanes }, (_, lane) => `lane-${lane}`)
  const every = await Promise.all(names.map((name) => Points.open(kind, name)))
  const [first] = every
  const points = await first!.find()
  const anew = new Beginnings(first!.installation)
  const beginnings = await anew.find()
  const problems = unreached(points, beginnings).map((write) => `no act comes to ${write}`)
  const told = (place: string, wrong: readonly string[]): void => {
    print(`${wrong.length === 0 ? 'right' : 'BROKEN'} ${place}`)
    problems.push(...wrong.map((what) => `${place}: ${what}`))
  }
  for (const place of beginnings) told(`first start: ${place}`, await anew.play(place))
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

function nameOf({ act, place }: Point): string {
  return `${act?.name ?? 'a start after a death'}: ${place}`
}

/** Writes of the port that none of these places knows. */
export function unreached(points: readonly Point[], beginnings: readonly string[]): string[] {
  const places = [...points.map(({ place }) => place), ...beginnings]
  return WRITES.filter((write) => {
    const named = new RegExp(`\\b${write.replace('.', '\\.')}\\b`)
    return !(write in OUT_OF_REACH) && !places.some((place) => named.test(place))
  })
}
