// Processes and databases are killed at random under load, and at some of the named points between two writes: at all of them
// by `npm run crash -- --points`.
import { seededRandom, systemRandom } from '@saperly/kernel'
import { afterAll, describe, expect, test } from 'vitest'
import { debianPostgres } from '../../packages/server/src/store/testing.ts'
import { type DatabaseKind, DATABASES } from './databases.ts'
import { playEvery } from './points.ts'
import { Rounds } from './rounds.ts'

const ROUNDS = 2
const POINTS = 8
/** Seeds are drawn anew in each run; a failure names its own. */
const MAX_SEED = 1_000_000
const ONCE = { timeout: 600_000, retry: 0 }

const playing: Rounds[] = []
afterAll(() => Promise.all(playing.map(({ installation }) => installation.close())))

const here = (kind: DatabaseKind): boolean => kind === 'embedded' || debianPostgres !== null

describe.each(DATABASES.filter(here))('on %s', (kind) => {
  test('nothing acknowledged is lost in a kill -9 at random', ONCE, async () => {
    const rounds = await Rounds.open(kind, systemRandom.int(1, MAX_SEED))
    playing.push(rounds)
    for (let round = 0; round < ROUNDS; round++) {
      const { seed, problems } = await rounds.play()
      expect(problems, `seed ${seed}`).toEqual([])
    }
    expect(rounds.placed).toBeGreaterThan(0)
    expect(rounds.acknowledged).toBeGreaterThan(rounds.placed)
  })
})

test('a server that dies between two writes leaves nothing half done', ONCE, async () => {
  const seed = systemRandom.int(1, MAX_SEED)
  const { points, problems } = await playEvery({
    kind: 'embedded',
    lanes: 1,
    briefly: true,
    sample: { count: POINTS, random: seededRandom(seed) },
  })
  expect(problems, `seed ${seed}`).toEqual([])
  expect(points).toHaveLength(POINTS)
})

// Last, because what the dead had claimed is sent again after 45 s only.
test(
  'every event is delivered in the end, and everything is still as it was told',
  ONCE,
  async () => {
    const conclusions = await Promise.all(playing.map((rounds) => rounds.conclude()))
    expect(conclusions).toEqual(playing.map(() => []))
  },
)
