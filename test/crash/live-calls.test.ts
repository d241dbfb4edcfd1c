// kill -9 in the middle of live calls: after the restart each is final, each hold closed once, each webhook sent.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { ApiClient, openWorld, Receiver, until } from '../world.ts'
import { Life } from './processes.ts'

const CALLS = 10
const COMMAND = new URL('../../packages/cli/dist/main.js', import.meta.url).pathname

let dataDir = ''
afterAll(() => rm(dataDir, { recursive: true, force: true }))

test('ten live calls survive the death of their process', { timeout: 120_000 }, async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'saperly-crash-'))
  const receiver = new Receiver()
  const receiverUrl = await receiver.listen()
  const life = Life.load(process.stderr.fd)
  const environment = {
    DATA_DIR: dataDir,
    PORT: '0',
    SPEECH_ENGINE: 'tone',
    LOG_LEVEL: 'error',
  }
  expect(await life.start({ environment, directory: dataDir })).toBe(true)
  const { token } = life
  const api = new ApiClient(life.url, token)
  await api.post('/webhooks', { url: receiverUrl, events: ['call.completed', 'call.failed'] })
  const line = await api.line()
  // Half of them talk, half still ring, when the process dies.
  const peers = { talks: '+15555550109', rings: '+15555550102' }
  await api.consent(line.numberId, peers.talks)
  await api.consent(line.numberId, peers.rings)
  const placed = await Promise.all(
    Array.from({ length: CALLS }, (_, index) =>
      api.post('/calls', {
        fromNumberId: line.numberId,
        to: index % 2 === 0 ? peers.talks : peers.rings,
      }),
    ),
  )
  expect(placed.map(({ status }) => status)).toEqual(Array.from({ length: CALLS }, () => 201))
  const ids: string[] = placed.map(({ body }) => body.id)
  await until('half of the calls to be answered', async () => {
    const calls = (await api.get('/calls')).body as { phase: string }[]
    return calls.filter(({ phase }) => phase === 'connected').length === CALLS / 2
  })
  await life.kill()

  const world = await openWorld({ dataDir, keep: true })
  const again = new ApiClient(world.url, token)
  const calls = await Promise.all(ids.map((id) => again.final(id)))
  const talked = calls.filter(({ to }) => to === peers.talks)
  const rang = calls.filter(({ to }) => to === peers.rings)
  expect(talked.map(({ status, hangupCause }) => [status, hangupCause])).toEqual(
    talked.map(() => ['completed', 'process_lost']),
  )
  expect(rang.map(({ status, costCents }) => [status, costCents])).toEqual(
    rang.map(() => ['failed', 0]),
  )
  expect(talked.every(({ costCents }) => costCents > 0)).toBe(true)

  const transactions = (await again.get('/transactions?limit=1000')).body as {
    type: string
    callId: string | null
  }[]
  for (const id of ids) {
    const own = transactions.filter(({ callId }) => callId === id).map(({ type }) => type)
    expect(own.filter((type) => type === 'settle' || type === 'release')).toHaveLength(1)
    expect(own.filter((type) => type === 'reserve')).toHaveLength(1)
  }
  const spent = talked.reduce((sum, { costCents }) => sum + costCents, 0)
  expect((await again.get('/usage')).body.balanceCents).toBe(500 - spent)

  await until('every webhook', async () => receiver.received.length >= CALLS)
  const told = receiver.received.map(({ body }) => body.payload.callId)
  expect(told.toSorted()).toEqual(ids.toSorted())
  expect(receiver.events('call.completed')).toHaveLength(CALLS / 2)

  await world.close()
  // As an operator would, with the server down.
  for (const books of ['ledger', 'audit']) {
    const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, books, 'verify'], {
      env: { ...process.env, DATA_DIR: dataDir, LOG_LEVEL: 'error' },
    })
    expect(stdout).not.toBe('')
  }
  await receiver.close()
})
