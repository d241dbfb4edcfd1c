// Processes and their calls: leases, taking over, and the writes of those who don't know that they were given up.
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest'
import type { CallState, Store } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { callRow, furnish, NOW } from './testing-rows.ts'

const LIVE: CallState[] = ['queued', 'dialing', 'ringing', 'connected', 'ending']
/** A lease that no test sees the end of, and one that ran out before it began. */
const LONG_MS = 3_600_000
const OVER_MS = -1_000

describe.each(serversUnderTest)('on $name', ({ binDir }) => {
  let server: TestServer
  let opened: TestStore
  let store: Store

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    opened = await server.open()
    store = opened.store
    await furnish(store)
  })
  afterEach(() => opened.close())

  const join = (id: string, leaseMs: number): Promise<void> =>
    store.tables.processes.join({ id, role: 'all', at: NOW }, leaseMs)
  const call = (id: string, processId: string | null, more = {}): Promise<void> =>
    store.tables.calls.insert(callRow({ id, processId, ...more }))
  const owner = async (id: string): Promise<unknown> =>
    (await opened.raw('select process_id from call where id = $1', [id]))[0]

  it('a lease ends by the clock of the database, and can be renewed until somebody says so', async () => {
    const { processes } = store.tables
    await join('proc_a', OVER_MS)
    await join('proc_b', LONG_MS)
    // It ran out, and nobody has noticed: it goes on.
    expect(await processes.beat('proc_a', NOW + 2_000, LONG_MS)).toBe(true)
    expect(await processes.declareLost('proc_z', 'lapsed')).toEqual([])
    expect(await processes.beat('proc_a', NOW + 4_000, OVER_MS)).toBe(true)
    expect(await processes.declareLost('proc_z', 'lapsed')).toEqual(['proc_a'])
    expect(await processes.declareLost('proc_z', 'lapsed'), 'once').toEqual([])
    expect(await processes.beat('proc_a', NOW + 6_000, LONG_MS), 'for good').toBe(false)
    expect(await processes.list()).toMatchObject([
      { id: 'proc_a', role: 'all', startedAt: NOW, beatAt: NOW + 4_000 },
      { id: 'proc_b', beatAt: NOW, lostAt: null },
    ])
    expect(await processes.declareLost('proc_b', 'all'), 'nobody itself').toEqual([])
    expect(await processes.declareLost('proc_c', 'all')).toEqual(['proc_b'])
  })

  it('calls of lost, unknown and no processes are taken, with the last beat; those of the living are not', async () => {
    const { calls, processes } = store.tables
    await join('proc_a', OVER_MS)
    await processes.beat('proc_a', NOW + 4_000, OVER_MS)
    await join('proc_b', LONG_MS)
    await call('call_dead', 'proc_a')
    await call('call_none', 'proc_none')
    await call('call_old', null, { heartbeatAt: NOW + 9_000 })
    await call('call_live', 'proc_b')
    const ended = { state: 'ended', status: 'failed', endedAt: NOW } as const
    await call('call_ended', 'proc_a', ended)
    await processes.declareLost('proc_z', 'lapsed')
    const taken = await calls.takeOver('proc_b', 10)
    expect(
      taken.map(({ id, processId, heartbeatAt }) => [id, processId, heartbeatAt - NOW]).toSorted(),
    ).toEqual([
      ['call_dead', 'proc_b', 4_000],
      ['call_none', 'proc_b', 0],
      ['call_old', 'proc_b', 9_000],
    ])
    expect(await calls.takeOver('proc_b', 10), 'once').toEqual([])
    expect((await calls.unfinished('proc_b', ['call_old'])).map(({ id }) => id)).toEqual([
      'call_dead',
      'call_live',
      'call_none',
    ])
    expect(await owner('call_ended')).toEqual({ process_id: 'proc_a' })
  })

  it('whoever takes over while it is lost itself gets nothing', async () => {
    const { calls, processes } = store.tables
    await join('proc_a', OVER_MS)
    await join('proc_b', OVER_MS)
    await call('call_a', 'proc_a')
    await processes.declareLost('proc_z', 'lapsed')
    expect(await calls.takeOver('proc_b', 10)).toEqual([])
    expect(await calls.takeOver('proc_never', 10)).toEqual([])
    await join('proc_c', LONG_MS)
    expect(await calls.takeOver('proc_c', 10)).toHaveLength(1)
  })

  it('many that take at once share the calls, each of which has one taker', async () => {
    await join('proc_a', OVER_MS)
    for (let n = 0; n < 120; n++) await call(`call_${String(n).padStart(3, '0')}`, 'proc_a')
    await store.tables.processes.declareLost('proc_z', 'lapsed')
    const takers = ['proc_b', 'proc_c', 'proc_d']
    for (const id of takers) await join(id, LONG_MS)
    const taken = await Promise.all(
      takers.map(async (id) => {
        const { tables } = await opened.another()
        const mine: string[] = []
        for (;;) {
          const some = await tables.calls.takeOver(id, 7)
          if (some.length === 0) return mine
          mine.push(...some.map((row) => row.id))
        }
      }),
    )
    // Whoever found everything locked by the others may have stopped early; the last one has left nothing.
    const rest = await store.tables.calls.takeOver('proc_d', 200)
    const all = [...taken.flat(), ...rest.map(({ id }) => id)]
    expect(all).toHaveLength(120)
    expect(new Set(all).size).toBe(120)
  })

  it('a process that was given up changes nothing any more', async () => {
    const { tables } = store
    await join('proc_a', OVER_MS)
    await join('proc_b', LONG_MS)
    await call('call_a', 'proc_a', { state: 'connected', answeredAt: NOW })
    await tables.processes.declareLost('proc_z', 'lapsed')
    const [mine] = await tables.calls.takeOver('proc_b', 10)
    const former = { id: 'call_a', processId: 'proc_a' }
    expect(await tables.calls.change(former, LIVE, {})).toBeNull()
    expect(await tables.calls.change(former, LIVE, { state: 'ending' })).toBeNull()
    const event = { id: 'evt_a', callId: 'call_a', type: 'speak', at: NOW, data: {} }
    await tables.events.append(event, 'proc_a')
    const turn = {
      callId: 'call_a',
      position: 0,
      role: 'agent',
      text: 'hi',
      heardText: null,
      startedAt: NOW,
      endedAt: NOW,
      interrupted: false,
    } as const
    await tables.transcripts.append(turn, 'proc_a')
    expect(await tables.events.list('call_a', null)).toEqual([])
    expect(await tables.transcripts.count('call_a')).toBe(0)

    await tables.events.append(event, 'proc_b')
    await tables.transcripts.append(turn, 'proc_b')
    expect(await tables.events.list('call_a', null)).toHaveLength(1)
    expect(await tables.transcripts.count('call_a')).toBe(1)
    expect(await tables.calls.change(mine!, LIVE, { state: 'ending' })).toMatchObject({
      state: 'ending',
    })
  })

  it('an event that is being written holds off whoever would take its call', async () => {
    await join('proc_a', OVER_MS)
    await join('proc_b', LONG_MS)
    await call('call_a', 'proc_a')
    await store.tables.processes.declareLost('proc_z', 'lapsed')
    const another = await opened.another()
    await store.transaction(async (tables) => {
      const event = { id: 'evt_a', callId: 'call_a', type: 'speak', at: NOW, data: {} }
      await tables.events.append(event, 'proc_a')
      expect(await another.tables.calls.takeOver('proc_b', 10)).toEqual([])
    })
    expect(await another.tables.calls.takeOver('proc_b', 10)).toHaveLength(1)
  })

  it('whoever leaves is forgotten, at once or when what it left behind is ended', async () => {
    const { processes, calls } = store.tables
    await join('proc_a', LONG_MS)
    await join('proc_b', LONG_MS)
    await processes.leave('proc_a')
    expect(await processes.list()).toMatchObject([{ id: 'proc_b', lostAt: null }])
    await call('call_b', 'proc_b')
    await processes.beat('proc_b', NOW + 5_000, LONG_MS)
    await processes.leave('proc_b')
    await processes.forget()
    expect(await processes.list()).toMatchObject([{ id: 'proc_b', lostAt: expect.any(Number) }])
    await join('proc_c', LONG_MS)
    expect(await calls.takeOver('proc_c', 10)).toMatchObject([{ heartbeatAt: NOW + 5_000 }])
    await processes.forget()
    expect(await processes.list()).toMatchObject([{ id: 'proc_c' }])
  })
})
