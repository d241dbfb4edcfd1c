// What customers were told, and must stay true whatever dies: each answer is kept with a way to look at it again.
import type { Answer, ApiClient } from '../world.ts'

/** The platform as customers reach it now: another address after each death. */
export interface Platform {
  /** The default workspace by its test key, where the sandbox's phones are called. */
  test: ApiClient
  /** The same by its live key, where a trunk is used. */
  live: ApiClient
}

export type Environment = keyof Platform

/** Null when it is still true, else what is said instead. */
export type Look = (platform: Platform) => Promise<string | null>

/** Something that was acknowledged. */
export interface Fact {
  what: string
  look: Look
}

/** Looks under way at once. */
const LOOKS = 8

export class Witness {
  readonly #facts = new Set<Fact>()
  #fresh: Fact[] = []
  readonly #surprises: string[] = []
  #tests = 0

  /** Facts that were ever noted. */
  get noted(): number {
    return this.#tests
  }

  note(what: string, look: Look): Fact {
    const fact = { what, look }
    this.#facts.add(fact)
    this.#fresh.push(fact)
    this.#tests++
    return fact
  }

  /** It may have changed: somebody asked for it, whatever came of that. */
  retract(fact: Fact): void {
    this.#facts.delete(fact)
  }

  /** An answer that nothing excuses. */
  surprised(what: string): void {
    this.#surprises.push(what)
  }

  /** What is not true any more of all that was noted since the last time. */
  async ofLate(platform: Platform): Promise<string[]> {
    const fresh = this.#fresh.filter((fact) => this.#facts.has(fact))
    this.#fresh = []
    const lies = await liesAmong(fresh, platform)
    return [...this.#surprises.splice(0), ...lies]
  }

  /** The same of all that was ever noted. */
  ofAll(platform: Platform): Promise<string[]> {
    return liesAmong([...this.#facts], platform)
  }
}

async function liesAmong(facts: readonly Fact[], platform: Platform): Promise<string[]> {
  const lies: string[] = []
  const left = facts.values()
  const looker = async (): Promise<void> => {
    for (const { what, look } of left) {
      const lie = await look(platform)
      if (lie !== null) lies.push(`${what}: ${lie}`)
    }
  }
  await Promise.all(Array.from({ length: LOOKS }, looker))
  return lies
}

/** That a GET answers 200, with what `wants` of its body. */
export function reads(
  environment: Environment,
  path: string,
  wants: (body: Answer['body']) => boolean,
): Look {
  return async (platform) => {
    const { status, body } = await platform[environment].get(path)
    if (status === 200 && wants(body)) return null
    return `GET ${path} answers ${status} ${JSON.stringify(body).slice(0, 300)}`
  }
}

/** That a GET is refused with this status. */
export function refuses(environment: Environment, path: string, status: number): Look {
  return async (platform) => {
    const answer = await platform[environment].get(path)
    return answer.status === status ? null : `GET ${path} answers ${answer.status}`
  }
}
