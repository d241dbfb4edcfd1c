// A fresh installation made by many processes at one moment: one workspace, one demo number, and each has its key.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ids, seededRandom, SystemClock } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { bootstrap, DEFAULT_WORKSPACE, DEMO_NUMBER } from './bootstrap.ts'
import { SecretBox } from './secrets/box.ts'
import { openTestStore } from './store/testing.ts'

const PROCESSES = 4
const ROOT_KEY = 'sk_test_the_same_for_all_of_them'

test('four processes begin at once', async () => {
  const opened = await openTestStore()
  const folder = await mkdtemp(join(tmpdir(), 'saperly-bootstrap-'))
  const clock = new SystemClock()
  const firsts = await Promise.all(
    Array.from({ length: PROCESSES }, async (_, at) => {
      const random = seededRandom(at)
      const dataDir = await mkdtemp(join(folder, 'process-'))
      const store = await opened.another()
      const box = new SecretBox(new Uint8Array(32).fill(7), random)
      return bootstrap(
        { store, box, clock, ids: new Ids(clock, random), random, dataDir },
        ROOT_KEY,
      )
    }),
  )
  const number = await opened.store.tables.numbers.findActive('test', DEMO_NUMBER)
  expect(firsts.map(({ demoNumberId }) => demoNumberId)).toEqual(firsts.map(() => number?.id))
  const keys = await opened.raw<{ name: string }>('select name from api_key order by name')
  expect(keys.map(({ name }) => name)).toEqual([...firsts.map(() => 'first'), 'root'])
  expect((await opened.store.tables.workspaces.get(DEFAULT_WORKSPACE))?.name).toBe('Saperly')
  await opened.close()
  await rm(folder, { recursive: true, force: true })
})
