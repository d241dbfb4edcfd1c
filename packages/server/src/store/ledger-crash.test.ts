// The server of the database is killed under the lane's load: what was acknowledged is there, and the books are right.
import { Fault, SystemClock } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, TENANT } from './testing-rows.ts'

const KILLS = 3
const CLIENTS = 24
/** Acknowledged moves between one kill and the next. */
const MOVES_APART = 150
const FUNDS_CENTS = 1_000_000
const RETRY_MS = 50

describe.each(serversUnderTest)('a crash of $name', ({ binDir }) => {
  const clock = new SystemClock()
  let server: TestServer
  let test: TestStore

  beforeAll(async () => {
    server = await startTestServer({ binDir })
    test = await server.open({ maxLiveCalls: 100_000 })
    const { workspaces, ledger } = test.store.tables
    await workspaces.create({ id: TENANT.workspaceId, name: 'A', createdAt: NOW })
    await ledger.topUp(TENANT, FUNDS_CENTS, 'funds', NOW)
  })
  afterAll(async () => {
    await test.close()
    await server.stop()
  })

  const pause = (): Promise<void> => clock.sleep(RETRY_MS, new AbortController().signal)

  /** What `work` gives, asked again for as long as the database is away; how often that was goes to `onAway`. */
  async function whenThere<T>(work: () => Promise<T>, onAway = (): void => {}): Promise<T> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (error instanceof Fault && !error.retryable) throw error
        onAway()
        await pause()
      }
    }
  }

  /** The process of the server, and when it began. */
  async function lifeOfServer(): Promise<{ pid: number; startedAt: string }> {
    const [life] = await whenThere(() =>
      test.raw<{ pid: number; startedAt: string }>(
        `select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::integer as pid,
           pg_postmaster_start_time()::text as "startedAt"`,
      ),
    )
    return life!
  }

  /**
   * The server, without a word; its supervisor brings it back. Connections that it had outlive it by a moment, so it is
   * back when another one says so.
   */
  async function killServer(): Promise<void> {
    const { pid, startedAt } = await lifeOfServer()
    process.kill(pid, 'SIGKILL')
    while ((await lifeOfServer()).startedAt === startedAt) await pause()
  }

  it('loses nothing that was acknowledged', { timeout: 120_000 }, async () => {
    const { ledger } = test.store.tables
    const reserved: string[] = []
    const settled: string[] = []
    let calls = 0
    let away = 0
    let over = false
    const client = async (): Promise<void> => {
      while (!over) {
        const callId = `call_${++calls}`
        const hold = { tenant: TENANT, callId, keyId: null, amountCents: 5, at: NOW }
        let unknown = false
        const onAway = (): void => {
          away++
          unknown = true
        }
        // Each call is asked for once: a reserve whose fate is unknown is left to the books.
        await whenThere(async () => {
          if (unknown) return
          const held = await ledger.reserve(hold)
          expect(held.ok).toBe(true)
          reserved.push(callId)
        }, onAway)
        if (unknown) continue
        // A settlement may be asked for again: the hold is resolved once.
        await whenThere(() => ledger.settle(callId, 3, NOW), onAway)
        settled.push(callId)
      }
    }
    const clients = Promise.all(Array.from({ length: CLIENTS }, client))
    const goOn = async (): Promise<void> => {
      const before = settled.length
      while (settled.length < before + MOVES_APART) await pause()
    }
    for (let kill = 1; kill <= KILLS; kill++) {
      await goOn()
      await killServer()
    }
    await goOn()
    over = true
    await clients

    expect(away).toBeGreaterThanOrEqual(KILLS)
    const written = async (kind: string): Promise<Set<string>> => {
      const rows = await test.raw<{ call_id: string }>(
        'select call_id from transfer where kind = $1',
        [kind],
      )
      return new Set(rows.map((row) => row.call_id))
    }
    const [holds, bills] = [await written('reserve'), await written('settle')]
    expect(reserved.filter((callId) => !holds.has(callId))).toEqual([])
    expect(settled.filter((callId) => !bills.has(callId))).toEqual([])
    expect(await ledger.verify()).toEqual([])
  })
})
