// Processes that share one PostgreSQL: one is killed, paused or restarted, and no call, cent or event is lost or doubled.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { silentLog, SystemClock } from '@saperly/kernel'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  type EmbeddedDatabase,
  startEmbedded,
} from '../packages/server/src/store/embedded/supervisor.ts'
import { openStore } from '../packages/server/src/store/postgres.ts'
import type { Store } from '../packages/server/src/store/port.ts'
import { debianPostgres } from '../packages/server/src/store/testing.ts'
import { ApiClient, Receiver, until } from './world.ts'

const COMMAND = new URL('../packages/cli/dist/main.js', import.meta.url).pathname
/** Phones of the sandbox: one talks until it is hung up, one rings for long, one hangs up after three seconds. */
const TALKS = '+15555550109'
const RINGS = '+15555550102'
const HANGS_UP = '+15555550107'
const AT_ONCE = 5
/** From the last sign of life of a process to the end of its last call. */
const ENDED_WITHIN_MS = 15_000

interface Running {
  child: ChildProcess
  api: ApiClient
  /** Its output so far. */
  said: () => string
  exited: Promise<number | null>
}

let dataDir: string
let postgres: EmbeddedDatabase
let databaseUrl: string
let store: Store
let receiver: Receiver
let running: Running[] = []

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'saperly-leases-'))
  postgres = await startEmbedded({
    dataDir,
    clock: new SystemClock(),
    log: silentLog,
    ...(debianPostgres && { binDir: debianPostgres }),
  })
  const { address } = postgres
  if (!('host' in address)) throw new Error('a started server listens on a socket')
  const { host, port, user, database } = address
  databaseUrl = `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
  store = await openStore({ address, clock: new SystemClock(), log: silentLog, auditKey: 'test' })
})
afterAll(async () => {
  await store.close()
  await postgres.stop()
  await rm(dataDir, { recursive: true, force: true })
})
beforeEach(async () => {
  receiver = new Receiver()
})
afterEach(async () => {
  for (const { child } of running) child.kill('SIGKILL')
  await Promise.all(running.map(({ exited }) => exited))
  running = []
  await receiver.close()
})

async function startProcess(): Promise<Running> {
  const child = spawn(process.execPath, [COMMAND, 'start'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      DATA_DIR: dataDir,
      PORT: '0',
      SPEECH_ENGINE: 'tone',
      RTP_WORKERS: '1',
      LOG_LEVEL: 'silent',
    },
  })
  let text = ''
  const greeted = new Promise<[string, string]>((resolve) =>
    createInterface({ input: child.stdout }).on('line', (line) => {
      text += `${line}\n`
      const url = /is ready at (\S+)/.exec(text)?.[1]
      const token = /test key +(\S+)/.exec(text)?.[1]
      if (url && token) resolve([url, token])
    }),
  )
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const [url, token] = await Promise.race([
    greeted,
    exited.then(() => Promise.reject(new Error('a process ended before it was ready'))),
  ])
  const one = { child, api: new ApiClient(url, token), said: () => text, exited }
  running.push(one)
  return one
}

/** A line of the process's own, with a webhook, and money for many calls. */
async function furnish({ api }: Running): Promise<string> {
  const url = await receiver.listen()
  await api.post('/webhooks', { url, events: ['call.completed', 'call.failed'] })
  const [workspace] = await store.tables.workspaces.list()
  const tenant = { workspaceId: workspace!.id, environment: 'test' } as const
  await store.tables.ledger.topUp(tenant, 10_000, 'test', Date.now())
  const { numberId } = await api.line()
  for (const peer of [TALKS, RINGS, HANGS_UP]) await api.consent(numberId, peer)
  return numberId
}

/**
 * Some at a time; as many as the machine carries, which is for others to test, but `least`. A node whose media is late
 * refuses more.
 */
async function placeAll(
  { api }: Running,
  fromNumberId: string,
  peers: string[],
  least = peers.length,
): Promise<string[]> {
  const ids: string[] = []
  for (let at = 0; at < peers.length; at += AT_ONCE) {
    const some = peers.slice(at, at + AT_ONCE)
    const placed = await Promise.all(
      some.map((to) => api.post('/calls', { fromNumberId, to, ringTimeoutSec: 120 })),
    )
    ids.push(...placed.flatMap(({ status, body }) => (status === 201 ? [body.id as string] : [])))
    const refused = placed.find(({ status }) => status !== 201)
    if (!refused) continue
    const isFull = /carries as many calls/.test(refused.body.reason)
    if (isFull && ids.length >= least) return ids
    throw new Error(`a call was not placed: ${JSON.stringify(refused.body)}`)
  }
  return ids
}

/** Until all of them talk that are going to. */
async function answered({ api }: Running, ids: string[]): Promise<void> {
  await until('the answers', async () => {
    const { body } = await api.get('/calls?limit=200')
    const calls = (body as { id: string; to: string; phase: string }[]).filter(
      ({ id, to }) => ids.includes(id) && to === TALKS,
    )
    return calls.every(({ phase }) => phase === 'connected')
  })
}

/** Each call is final, paid for once, told once, and nothing happened on it after its end. */
async function provedOnce({ api }: Running, ids: string[]): Promise<void> {
  const { body } = await api.get('/transactions?limit=1000')
  const entries = body as { type: string; callId: string | null }[]
  for (const id of ids) {
    const own = entries.filter(({ callId }) => callId === id).map(({ type }) => type)
    expect(own.filter((type) => type === 'reserve')).toHaveLength(1)
    expect(own.filter((type) => type === 'settle' || type === 'release')).toHaveLength(1)
    const events = (await store.tables.events.list(id, null)).map(({ type }) => type)
    expect(events.filter((type) => type === 'ended')).toHaveLength(1)
    expect(events.at(-1)).toBe('ended')
  }
  expect(await store.tables.ledger.verify()).toEqual([])
  const told = (): string[] =>
    receiver.received.map(({ body }) => body.payload.callId).filter((id) => ids.includes(id))
  await until('every webhook', async () => told().length >= ids.length)
  expect(told().toSorted()).toEqual(ids.toSorted())
}

/** The ids of the living, once there are so many: those of a former test are believed to be alive for a while. */
function living(count: number): Promise<string[]> {
  return until(`${count} living processes`, async () => {
    const all = await store.tables.processes.list()
    const ids = all.flatMap(({ id, lostAt }) => (lostAt === null ? [id] : []))
    return ids.length === count && ids
  })
}

/** Every third talks, the others ring. */
const mixed = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => (index % 3 === 0 ? TALKS : RINGS))

test('fifty calls of a killed process are ended by another', { timeout: 120_000 }, async () => {
  const doomed = await startProcess()
  const other = await startProcess()
  const numberId = await furnish(doomed)
  const ids = await placeAll(doomed, numberId, mixed(50), 10)
  await answered(doomed, ids)
  doomed.child.kill('SIGKILL')
  await doomed.exited

  const calls = await Promise.all(ids.map((id) => other.api.final(id)))
  for (const { to, status, hangupCause, costCents } of calls) {
    expect(hangupCause).toBe('process_lost')
    expect([status, costCents > 0]).toEqual(to === TALKS ? ['completed', true] : ['failed', false])
  }
  const [workspace] = await store.tables.workspaces.list()
  const tenant = { workspaceId: workspace!.id, environment: 'test' } as const
  const rows = await Promise.all(ids.map((id) => store.tables.calls.get(tenant, id)))
  const tookMs = Math.max(...rows.map((row) => row!.endedAt! - row!.heartbeatAt))
  expect(tookMs).toBeLessThan(ENDED_WITHIN_MS)
  await provedOnce(other, ids)
  await living(1)
})

test(
  'a process that was paused finds its calls taken, and starts anew',
  { timeout: 120_000 },
  async () => {
    const paused = await startProcess()
    const other = await startProcess()
    const numberId = await furnish(paused)
    const before = await living(2)
    const ids = await placeAll(paused, numberId, mixed(10))
    await answered(paused, ids)
    paused.child.kill('SIGSTOP')
    await Promise.all(ids.map((id) => other.api.final(id)))
    await living(1)

    paused.child.kill('SIGCONT')
    const after = await living(2)
    expect(after.filter((id) => !before.includes(id))).toHaveLength(1)
    await provedOnce(other, ids)
    // Its legs are hung up, and it takes calls as if nothing had been.
    await until('its calls to be gone', async () =>
      /^saperly_live_calls 0$/m.test((await paused.api.get('/metrics')).body),
    )
    const [again] = await placeAll(paused, numberId, [HANGS_UP])
    expect(await paused.api.final(again!)).toMatchObject({
      status: 'completed',
      hangupCause: 'peer_hangup',
    })
    await provedOnce(other, [...ids, again!])
  },
)

test('in a rolling restart every call comes to its own end', { timeout: 120_000 }, async () => {
  const old = await startProcess()
  const successor = await startProcess()
  const numberId = await furnish(old)
  const ids = await placeAll(old, numberId, [HANGS_UP, HANGS_UP, HANGS_UP, HANGS_UP])
  old.child.kill('SIGTERM')
  await until('it to say so', async () => old.said().includes('Waiting for live calls'))
  const refused = await old.api.post('/calls', { fromNumberId: numberId, to: HANGS_UP })
  expect([refused.status, refused.body._tag]).toEqual([503, 'Unavailable'])
  const more = await placeAll(successor, numberId, [HANGS_UP])
  expect(await old.exited).toBe(0)
  for (const id of [...ids, ...more]) {
    expect(await successor.api.final(id)).toMatchObject({
      status: 'completed',
      hangupCause: 'peer_hangup',
    })
  }
  await provedOnce(successor, [...ids, ...more])
  await living(1)
})

test('asked twice, a process ends its calls at once', { timeout: 120_000 }, async () => {
  const one = await startProcess()
  const other = await startProcess()
  const numberId = await furnish(one)
  const ids = await placeAll(one, numberId, [TALKS, TALKS])
  await answered(one, ids)
  one.child.kill('SIGTERM')
  await until('it to wait', async () => one.said().includes('Waiting for live calls'))
  expect((await other.api.get(`/calls/${ids[0]}`)).body.phase).toBe('connected')
  one.child.kill('SIGINT')
  expect(await one.exited).toBe(0)
  for (const id of ids) {
    expect((await other.api.get(`/calls/${id}`)).body).toMatchObject({
      status: 'completed',
      hangupCause: 'process_lost',
    })
  }
  await provedOnce(other, ids)
  await living(1)
})
