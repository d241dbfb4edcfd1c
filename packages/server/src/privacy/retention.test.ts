// Retention on a real store and a simulated clock: each kind goes on its day, and not a moment before.
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deferred, Ids, SimClock, silentLog, systemRandom, type Log } from '@saperly/kernel'
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest'
import { callRow, furnish, NOW } from '../store/testing-rows.ts'
import { startTestServer, type TestServer, type TestStore } from '../store/testing.ts'
import type { EventRow } from '../store/port.ts'
import { Retention, type RetentionDays } from './retention.ts'

const DAY_MS = 86_400_000
const FOR_EVER = {
  recordingsDays: null,
  transcriptsDays: null,
  signallingDays: null,
  eventsDays: null,
} satisfies RetentionDays

describe('retention', () => {
  let server: TestServer
  let test: TestStore
  let clock: SimClock
  let ids: Ids
  let folder: string

  beforeAll(async () => {
    server = await startTestServer()
    folder = await mkdtemp(join(tmpdir(), 'saperly-retention-'))
  })
  afterAll(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })
  beforeEach(async () => {
    clock = new SimClock(NOW)
    ids = new Ids(clock, systemRandom)
    test = await server.open({ clock })
    await furnish(test.store)
  })
  afterEach(() => test.close())

  const open = (days: Partial<RetentionDays>, log: Log = silentLog): Retention =>
    new Retention({ store: test.store, clock, log, days: { ...FOR_EVER, ...days } })

  /** A call that ended now, with a recording, a turn, signalling and events. */
  const call = async (): Promise<{ id: string; recordingPath: string }> => {
    const { tables } = test.store
    const id = ids.next('call')
    const at = clock.now()
    const recordingPath = join(folder, `${id}.wav`)
    await writeFile(recordingPath, 'RIFF')
    const over = { state: 'ended', status: 'completed', createdAt: at, endedAt: at } as const
    await tables.calls.insert(callRow({ id, recordingPath, hasTranscript: true, ...over }))
    const turn = { position: 0, role: 'caller', text: 'Ada', heardText: null } as const
    const times = { startedAt: at, endedAt: at, interrupted: false }
    await tables.transcripts.append({ callId: id, ...turn, ...times })
    const data = { text: 'Ada', confidence: 1 }
    const event = { id: ids.next('evt'), callId: id, type: 'turn', at, data }
    await tables.events.append(event as unknown as EventRow)
    const about = { direction: 'sent', protocol: 'UDP', ours: 'a:1', theirs: 'b:2' } as const
    await tables.signalling.keep(id, [{ at, text: 'BYE', ...about }], at)
    return { id, recordingPath }
  }

  const left = async ({ id, recordingPath }: { id: string; recordingPath: string }) => {
    const { tables } = test.store
    const row = await tables.calls.get({ workspaceId: 'ws_a', environment: 'test' }, id)
    return {
      file: existsSync(recordingPath),
      recording: row!.recordingPath !== null,
      turns: (await tables.transcripts.list(id)).length,
      words: (await tables.events.list(id, null)).map((event) => event.data['text']),
      signalling: (await tables.signalling.get(id, clock.now())).length,
    }
  }
  const WHOLE = { file: true, recording: true, turns: 1, words: ['Ada'], signalling: 1 }

  it('forgets each kind after its own days, and keeps what is younger', async () => {
    const old = await call()
    await clock.advance(DAY_MS)
    const young = await call()
    const retention = open({
      recordingsDays: 2,
      transcriptsDays: 3,
      signallingDays: 4,
      eventsDays: 5,
    })
    await clock.advance(DAY_MS)
    await retention.pass()
    expect(await left(old), 'on the day itself it is still there').toEqual(WHOLE)
    await clock.advance(1)
    expect(await retention.pass()).toMatchObject({ recordings: 1, transcripts: 0, more: false })
    expect(await left(old)).toEqual({ ...WHOLE, file: false, recording: false })
    expect(await left(young)).toEqual(WHOLE)
    await clock.advance(DAY_MS)
    await retention.pass()
    const wordless = { file: false, recording: false, turns: 0, words: [''], signalling: 1 }
    expect(await left(old)).toEqual(wordless)
    await clock.advance(DAY_MS)
    await retention.pass()
    expect(await left(old)).toEqual({ ...wordless, signalling: 0 })
    await clock.advance(DAY_MS)
    expect(await retention.pass()).toMatchObject({ events: 1 })
    expect(await left(old)).toEqual({ ...wordless, words: [], signalling: 0 })
    expect(await left(young)).toMatchObject({ words: [''] })
  })

  it('keeps everything for ever when nothing is set', async () => {
    const one = await call()
    await clock.advance(20 * DAY_MS)
    expect(await open({}).pass()).toEqual({
      recordings: 0,
      transcripts: 0,
      signalling: 0,
      events: 0,
      more: false,
    })
    expect(await left(one)).toEqual(WHOLE)
  })

  it('takes a bounded number in one pass, and says that there is more', async () => {
    await call()
    await test.raw(
      `insert into call_event (workspace_id, environment, call_id, id, type, at, data)
       select workspace_id, environment, call_id, 'evt_' || n, type, at, data
       from call_event, generate_series(1, 10100) n`,
    )
    await clock.advance(2 * DAY_MS)
    const retention = open({ eventsDays: 1 })
    expect(await retention.pass()).toMatchObject({ events: 10_000, more: true })
    expect(await retention.pass()).toMatchObject({ events: 101, more: false })
  })

  it('runs at once and then by the hour, also after the database was away', async () => {
    let next = deferred<string>()
    const log: Log = {
      ...silentLog,
      info: (event) => next.resolve(event),
      warn: (event) => next.resolve(event),
    }
    const passed = async (): Promise<string> => {
      const event = await next.promise
      next = deferred<string>()
      return event
    }
    const one = await call()
    const retention = open({ recordingsDays: 1 }, log)
    retention.start()
    expect(await passed()).toBe('retention.applied')
    await test.raw('alter table call rename to gone')
    await clock.advance(3_600_000)
    expect(await passed()).toBe('retention.postponed')
    await test.raw('alter table gone rename to call')
    await clock.advance(DAY_MS)
    expect(await passed(), 'on the way through the day').toBe('retention.applied')
    await clock.advance(3_600_000)
    expect(await passed()).toBe('retention.applied')
    expect(await left(one)).toMatchObject({ file: false, recording: false })
    await retention.close()
    expect(clock.pending()).toBe(0)
  })
})
