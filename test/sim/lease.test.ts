// One process's lease, by hand: outages that are outlived, being given up, and asking before anything new begins.
import { drain, Ids, seededRandom, silentLog, SimClock } from '@saperly/kernel'
import { beforeEach, expect, test } from 'vitest'
import { BEAT_MS, Lease, LEASE_MS } from '../../packages/server/src/call/lease.ts'
import type { ProcessRow, Tables } from '../../packages/server/src/store/port.ts'
import { callRow, NOW } from '../../packages/server/src/store/testing-rows.ts'
import { away, ModelStore } from './model/store.ts'

const OUTAGE_MS = 30_000

let clock: SimClock
let isAway: boolean
let told: string[]
let lease: Lease
let others: Tables['processes']

beforeEach(async () => {
  clock = new SimClock(NOW)
  isAway = false
  told = []
  const random = seededRandom(1)
  const model = new ModelStore({ clock, random, auditKey: 'k', maxLiveCalls: 10 })
  others = model.connect().tables.processes
  const store = model.connect({
    statement: (_name, _args, run) => (isAway ? Promise.reject(away()) : run()),
    commit: async (run) => run(),
  })
  lease = new Lease({ store, clock, ids: new Ids(clock, random), log: silentLog }, 'all')
  await lease.join()
  lease.start({ renewed: () => told.push('renewed'), lost: () => told.push('lost') })
})

async function rows(): Promise<Pick<ProcessRow, 'id' | 'lostAt'>[]> {
  return (await others.list()).map(({ id, lostAt }) => ({ id, lostAt }))
}

test('it is renewed before it ends, again and again', async () => {
  await clock.advance(60_000)
  expect(await others.declareLost('proc_z', 'lapsed')).toEqual([])
  expect(told.length).toBeGreaterThanOrEqual(60_000 / BEAT_MS - 1)
  const [row] = await others.list()
  expect(clock.now() - row!.beatAt).toBeLessThanOrEqual(BEAT_MS)
  await lease.close()
})

test('an outage far longer than the lease costs nothing when nobody took over', async () => {
  const { id } = lease
  await clock.advance(BEAT_MS)
  isAway = true
  await clock.advance(OUTAGE_MS)
  expect(await lease.confirmed(), 'nothing new is begun meanwhile').toBe(false)
  isAway = false
  await clock.advance(BEAT_MS)
  expect(told).not.toContain('lost')
  expect(await lease.runs({ id: 'call_a', processId: id })).toBe(true)
  expect(await rows()).toEqual([{ id, lostAt: null }])
  await lease.close()
})

test('given up by the others, it says so once and joins under another id', async () => {
  const { id } = lease
  isAway = true
  await clock.advance(LEASE_MS + 1)
  expect(await others.declareLost('proc_z', 'lapsed')).toEqual([id])
  await clock.advance(OUTAGE_MS)
  expect(told).not.toContain('lost')
  isAway = false
  await clock.advance(2 * BEAT_MS)
  expect(told.filter((what) => what === 'lost')).toHaveLength(1)
  expect(lease.id).not.toBe(id)
  expect(await lease.runs({ id: 'call_a', processId: id })).toBe(false)
  expect(await lease.runs(callRow({ processId: lease.id }))).toBe(true)
  expect(await rows()).toEqual([
    { id, lostAt: expect.any(Number) },
    { id: lease.id, lostAt: null },
  ])
  await lease.close()
})

test('after a pause the first that is asked for asks the database, before the next beat', async () => {
  const { id } = lease
  await others.declareLost('proc_z', 'all')
  // Its own clock says that the lease still runs: nobody may have given it up yet, and it is not asked.
  expect(await lease.runs({ id: 'call_a', processId: id })).toBe(true)
  isAway = true
  await clock.advance(LEASE_MS + 1)
  isAway = false
  expect(await lease.runs({ id: 'call_a', processId: id })).toBe(false)
  expect(told).toEqual(['lost', 'renewed'])
  await lease.close()
})

test('it leaves with its last beat answered, and beats no more', async () => {
  await clock.advance(BEAT_MS)
  await lease.close()
  expect(await rows()).toEqual([])
  expect(clock.pending()).toBe(0)
  expect(await lease.confirmed()).toBe(false)
})

test('a database that is away when it leaves holds nobody up', async () => {
  isAway = true
  await lease.close()
  await drain()
  expect(clock.pending()).toBe(0)
  await clock.advance(LEASE_MS + 1)
  expect(await others.declareLost('proc_z', 'lapsed')).toHaveLength(1)
})
