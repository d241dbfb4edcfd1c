// Lists of calls: whatever is asked for, page after page gives every call that fits, once, the newest first.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CallFilter, CallRow, Tables } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, TENANT, callRow, furnish, numberRow } from './testing-rows.ts'

const CALLS = 60
const STEP_MS = 1000
const NUMBERS = ['num_a', 'num_b', 'num_c']
const ANY: CallFilter = {
  status: null,
  numberId: null,
  numberIds: null,
  to: null,
  since: null,
  until: null,
}

/** Ids go up by one; times go up too, but jump back now and then, and two calls may share one. */
function rows(): CallRow[] {
  return Array.from({ length: CALLS }, (_, index) =>
    callRow({
      id: `call_${String(index).padStart(3, '0')}`,
      numberId: NUMBERS[index % 7 === 0 ? 1 : index % 11 === 0 ? 2 : 0]!,
      to: `+1555555010${index % 3}`,
      createdAt: NOW + Math.floor(index / 2) * STEP_MS - (index % 13 === 0 ? 20 * STEP_MS : 0),
      ...(index % 5 === 0 && { state: 'ended', status: 'failed', endedAt: NOW }),
    }),
  )
}

function fits(filter: CallFilter, row: CallRow): boolean {
  const { status, numberId, numberIds, to, since, until } = filter
  return (
    (status === null || row.status === status) &&
    (numberId === null || row.numberId === numberId) &&
    (numberIds === null || numberIds.includes(row.numberId)) &&
    (to === null || row.to === to) &&
    (since === null || row.createdAt >= since) &&
    (until === null || row.createdAt < until)
  )
}

const newestFirst = (a: CallRow, b: CallRow): number =>
  b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1)

const FILTERS: readonly Partial<CallFilter>[] = [
  {},
  { status: 'failed' },
  { numberId: 'num_b' },
  { numberIds: ['num_b'] },
  { numberIds: ['num_c', 'num_b', 'num_c'] },
  { numberIds: ['num_none'] },
  { numberId: 'num_a', numberIds: ['num_b', 'num_a'] },
  { numberId: 'num_a', numberIds: ['num_b'] },
  { to: '+15555550101' },
  { since: NOW + 5 * STEP_MS },
  { until: NOW + 5 * STEP_MS },
  { since: NOW + 3 * STEP_MS, until: NOW + 12 * STEP_MS, status: 'failed' },
  { since: NOW, numberIds: ['num_a', 'num_b'], to: '+15555550102' },
]

describe.each(serversUnderTest)('lists of calls on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let tables: Tables
  const all = rows()

  beforeAll(async () => {
    server = await startTestServer({ binDir })
    test = await server.open()
    tables = test.store.tables
    await furnish(test.store)
    for (const [index, id] of ['num_b', 'num_c'].entries()) {
      await tables.numbers.insert(numberRow({ id, phoneNumber: `+1555555020${index}` }))
    }
    for (const row of all) await tables.calls.insert(row)
  })
  afterAll(async () => {
    await test.close()
    await server.stop()
  })

  it.each(FILTERS)('are whole and in order: %o', async (patch) => {
    const filter = { ...ANY, ...patch }
    const expected = all.filter((row) => fits(filter, row)).toSorted(newestFirst)
    const found: CallRow[] = []
    for (;;) {
      const cursor = found.at(-1)?.id ?? null
      const page = await tables.calls.list(TENANT, filter, { limit: 7, cursor })
      if (page.length === 0) break
      expect(page.length).toBeLessThanOrEqual(7)
      found.push(...page)
    }
    expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
  })

  it('end after a call that nobody knows', async () => {
    const page = { limit: 7, cursor: 'call_none' }
    expect(await tables.calls.list(TENANT, ANY, page)).toEqual([])
  })

  // Read from the plan, because a few rows say nothing about time: an index is followed, and nothing is sorted. So few
  // would not be worth an index.
  it.each([
    ['call_by_time', ''],
    ['call_by_status', `and status = 'failed'`],
    ['call_by_number', `and number_id = 'num_b'`],
    ['call_by_target', `and "to" = '+15555550101'`],
  ])('have %s to follow', async (index, condition) => {
    const tenant =
      condition === ''
        ? `workspace_id = 'ws_a' and environment = 'test'`
        : `workspace_id || ' ' || environment = 'ws_a test'`
    await test.raw(`do $$ begin
      execute format('alter database %I set enable_seqscan = off', current_database());
    end $$`)
    const plan = await test.raw<{ 'QUERY PLAN': string }>(
      `explain select * from call where ${tenant} ${condition}
         and created_at >= '2020-01-01' and (created_at, id) < (now(), 'call_050')
       order by created_at desc, id desc limit 7`,
    )
    const text = plan.map((row) => row['QUERY PLAN']).join('\n')
    expect(text).toContain(index)
    expect(text).not.toContain('Sort')
  })
})
