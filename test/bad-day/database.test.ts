// A database that is killed, and one that stands still for 30 s, with calls on the line: docs/operations.md says what is promised.
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SocketBrain, until } from '../world.ts'
import { Subject } from './subject.ts'

const OUTAGE_MS = 30_000
/** No request waits for longer, whatever the database does. */
const ANSWER_LIMIT_MS = 28_000
const SILENT = '+15555550109'
const FRIENDLY = '+15555550100'
/** The friendly phone has eight things to say: it must not run out of them before the outage is over. */
const LONG_SENTENCE = 'It takes a while to say all of this, and that is what it is for. '.repeat(2)

let subject: Subject
let brain: SocketBrain
let numberId = ''
/** Placed first, and second: at different places in their slices when the database stands still. */
let first = ''
let second = ''
let answeredMs = 0

beforeAll(async () => {
  subject = await Subject.start()
  const { api, url } = subject
  const line = await api.line()
  numberId = line.numberId
  for (const peer of [SILENT, FRIENDLY]) await api.consent(numberId, peer)
  brain = await SocketBrain.connect(url, line, ({ type }) =>
    type === 'turn' || type === 'outbound_call'
      ? [{ type: 'speak', text: LONG_SENTENCE }]
      : [{ type: 'wait_for_user', timeoutSec: 60 }],
  )
})
/** Processes of the database that stand still. */
let stopped: number[] = []
function goOn(): void {
  for (const pid of stopped.splice(0)) process.kill(pid, 'SIGCONT')
}
afterAll(async () => {
  goOn()
  await brain.close()
  await subject.close()
})

const connected = (callId: string): Promise<true> =>
  until(`${callId} to be answered`, async () => {
    return (await subject.api.get(`/calls/${callId}`)).body.phase === 'connected'
  })

test('a database that is killed comes back, and the call never noticed', async () => {
  first = await subject.place({ fromNumberId: numberId, to: SILENT })
  await connected(first)
  answeredMs = performance.now()
  const [postmaster] = await subject.databasePids()
  process.kill(postmaster!, 'SIGKILL')
  const away = await subject.api.get('/calls')
  expect([200, 503]).toContain(away.status)
  await subject.ready()
  await until('the loss to be logged', async () => subject.logged('database_lost').length > 0)
  expect(await subject.databasePids()).not.toContain(postmaster)
  expect((await subject.api.get(`/calls/${first}`)).body.phase).toBe('connected')
  expect(brain.of('call_ended')).toEqual([])
})

test('30 s without an answer of the database', { timeout: 120_000 }, async () => {
  const { api } = subject
  const since = (ms: number): Promise<void> =>
    pause(Math.max(0, ms - (performance.now() - answeredMs)))
  // The first call's next slice falls due while nobody can grant it; the second one's after it is over.
  await since(22_000)
  second = await subject.place({ fromNumberId: numberId, to: FRIENDLY })
  await connected(second)
  await since(33_000)
  const pids = await subject.databasePids()
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  stopped = pids
  const turnsBefore = brain.of('turn').length
  const began = performance.now()
  const asked = Array.from({ length: 20 }, async (_, index) => {
    const body = { fromNumberId: numberId, to: SILENT }
    const answer = await (index % 2 === 0 ? api.get('/calls') : api.post('/calls', body))
    return { answer, tookMs: performance.now() - began }
  })
  expect((await api.get('/health')).status).toBe(200)
  for (const { answer, tookMs } of await Promise.all(asked)) {
    expect([answer.status, answer.body._tag]).toEqual([503, 'Unavailable'])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(tookMs).toBeLessThan(ANSWER_LIMIT_MS)
  }
  await pause(Math.max(0, OUTAGE_MS - (performance.now() - began)))
  // Nobody who talks was kept waiting: the second call went on, and the first was told that it ends.
  expect(brain.of('turn').length).toBeGreaterThan(turnsBefore)
  expect(brain.of('funds_low').map(({ callId }) => callId)).toEqual([first])
  goOn()

  await subject.ready()
  const over = await api.final(first)
  expect(over).toMatchObject({ status: 'completed', hangupCause: 'insufficient_funds' })
  expect(over.durationSec).toBeLessThanOrEqual(60)
  const other = await api.get(`/calls/${second}`)
  expect(other.body).toMatchObject({ phase: 'connected', hangupCause: null })
})

test('back to normal, with nothing lost', async () => {
  const { api } = subject
  expect((await api.post(`/calls/${second}/end`)).body.status).toBe('completed')
  const again = await subject.place({ fromNumberId: numberId, to: FRIENDLY })
  await connected(again)
  await api.post(`/calls/${again}/end`)
  await subject.settled()
  expect(await subject.figure('live_calls')).toBe(0)
  const { body: calls } = await api.get('/calls?limit=1000')
  expect(calls.every(({ phase }: { phase: string }) => phase === 'ended')).toBe(true)
})
