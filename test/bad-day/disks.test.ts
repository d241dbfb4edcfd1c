// Disks that are full, that of the recordings and that of the database: docs/operations.md says what is promised.
//
// Each is a small file system of its own, mounted where only the server sees it. That takes root, or a kernel that
// gives users a name space for mounts; elsewhere the suite says that it is missing.
import { spawnSync } from 'node:child_process'
import { open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readWav } from '../../packages/network/src/record/wav.ts'
import { SocketBrain, until } from '../world.ts'
import { Subject } from './subject.ts'

const RECORDINGS_MB = 4
const DATABASE_MB = 160
const SAMPLE_RATE = 8_000
/** More than it ever has laid by: the disk is no larger. */
const LOG_FILES_MAX = 20
const SILENT = '+15555550109'

const UNSHARE = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-Urm']

/** Whether this machine lets us mount; in CI it must. */
function canMount(): boolean {
  const [file = '', ...args] = UNSHARE
  const tried = spawnSync(file, [...args, 'sh', '-c', 'mount -t tmpfs none /mnt'])
  if (tried.status === 0) return true
  const missing = 'no small disk to fill: mounting takes root, or user name spaces'
  if (process.env['SAPERLY_TEST_PEERS'] === 'required') throw new Error(missing)
  process.stderr.write(`the full disks are not tried: ${missing}\n`)
  return false
}

/** Runs the command where `recordings` and `postgres` of its data folder are disks of their own. */
function onSmallDisks(dataDir: string, command: readonly string[]): string[] {
  const mount = (name: string, mb: number): string =>
    `mkdir -p ${dataDir}/${name} && mount -t tmpfs -o size=${mb}m,mode=0700 none ${dataDir}/${name}`
  const script = [mount('recordings', RECORDINGS_MB), mount('postgres', DATABASE_MB), 'exec "$@"']
  return [...UNSHARE, 'sh', '-c', script.join(' && '), 'sh', ...command]
}

/** A file as large as its disk has room, which another file is not. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  const block = Buffer.alloc(64 * 1024)
  try {
    for (let size = block.length; size > 0;) {
      const written = await file.write(block, 0, size).catch(() => null)
      if (written === null) size = Math.floor(size / 2)
    }
  } finally {
    await file.close()
  }
}

describe.runIf(canMount())('full disks', () => {
  let subject: Subject
  let brain: SocketBrain
  let numberId = ''
  /** The data folder as the server sees it. */
  let inside = ''

  beforeAll(async () => {
    subject = await Subject.start({ wrap: onSmallDisks })
    inside = `/proc/${subject.pid}/root${subject.dataDir}`
    const line = await subject.api.line({ recordingEnabled: true, complianceEnabled: true })
    numberId = line.numberId
    await subject.api.consent(numberId, SILENT)
    brain = await SocketBrain.connect(subject.url, line, () => [
      { type: 'wait_for_user', timeoutSec: 60 },
    ])
  })
  afterAll(async () => {
    for (const disk of ['recordings', 'postgres']) {
      await rm(join(inside, disk, 'filler'), { force: true })
    }
    await brain.close()
    await subject.close({ verify: false })
  })

  const talking = async (): Promise<string> => {
    const callId = await subject.place({ fromNumberId: numberId, to: SILENT })
    await until('the call to be answered', async () => {
      return (await subject.api.get(`/calls/${callId}`)).body.phase === 'connected'
    })
    return callId
  }

  /** Ends a call that must have gone on until now; the seconds of its recording, or null when it has none. */
  const recorded = async (callId: string): Promise<number | null> => {
    const { api } = subject
    const call = (await api.post(`/calls/${callId}/end`)).body
    expect(call).toMatchObject({ status: 'completed', hangupCause: 'api_end' })
    const link = await api.get(`/calls/${callId}/recording`)
    expect(link.status).toBe(call.hasRecording ? 302 : 404)
    if (!call.hasRecording) return null
    const bytes = Buffer.from(await (await fetch(link.headers.get('location')!)).arrayBuffer())
    return readWav(bytes)!.left.length / SAMPLE_RATE
  }

  test('recordings: calls go on, with what there is of theirs, and the next one has its own again', async () => {
    const [cut, other] = [await talking(), await talking()]
    for (const callId of [cut, other]) {
      const path = join(inside, 'recordings', `${callId}.wav`)
      await until('something to be recorded', async () => (await stat(path)).size > 32_000)
    }
    await fill(join(inside, 'recordings/filler'))
    await until(
      'the disk to be said full',
      async () => subject.logged('recording.failed').length > 1,
    )
    // One that is placed now has no recording at all; that it can be placed is what matters.
    const none = await talking()
    await until('that to be said too', async () => subject.logged('recording.failed').length > 2)
    for (const callId of [cut, other]) expect(await recorded(callId)).toBeGreaterThanOrEqual(1)
    expect(await recorded(none)).toBeNull()
    // What can't be used takes no room.
    expect((await readdir(join(inside, 'recordings'))).toSorted()).toEqual(
      [`${cut}.wav`, `${other}.wav`, 'filler'].toSorted(),
    )
    await rm(join(inside, 'recordings/filler'))
    const after = await talking()
    await pause(1_500)
    expect(await recorded(after)).toBeGreaterThan(1)
    await subject.settled()
  })

  test('the database: 503 until there is room, calls end in order, and it comes back by itself', async () => {
    const { api } = subject
    const live = await talking()
    const acknowledged = (await api.get('/calls?limit=1000')).body.length
    await fill(join(inside, 'postgres/filler'))
    await writeLogUntilItFails(await socketFolder(subject))

    const refused = await until('a refusal', async () => {
      const answer = await api.post('/calls', { fromNumberId: numberId, to: SILENT })
      return answer.status === 503 && answer
    })
    expect(refused.body._tag).toBe('Unavailable')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    await until('it to say so itself', async () => (await api.get('/ready')).status === 503)
    expect((await api.get('/health')).status).toBe(200)
    await until('it to be tried more than once', async () => {
      return subject.logged('database_not_revived').length > 0
    })
    // The caller hangs up meanwhile, or the money runs out: here the agent does.
    brain.send({ callId: live, directives: [{ type: 'hangup' }] })
    await pause(1_000)

    await rm(join(inside, 'postgres/filler'))
    await subject.ready()
    const call = await api.final(live)
    expect(call.status).toBe('completed')
    const again = await talking()
    expect(await recorded(again)).not.toBeNull()
    expect((await api.get('/calls?limit=1000')).body).toHaveLength(acknowledged + 1)
    await subject.settled()
  })
})

/**
 * Fills one file of the database's log after the other, those that it has laid by too, until it has no room for the next:
 * then it goes down, and can't come up again.
 */
async function writeLogUntilItFails(host: string): Promise<void> {
  const client = new pg.Client({ host, user: 'saperly', database: 'saperly' })
  client.on('error', () => undefined)
  await client.connect()
  const written = async (): Promise<void> => {
    for (let file = 0; file < LOG_FILES_MAX; file++) {
      await client.query(`select pg_logical_emit_message(true, 'bad day', 'x')`)
      await client.query('select pg_switch_wal()')
    }
  }
  await expect(written()).rejects.toThrow(Error)
  await client.end().catch(() => undefined)
}

/** Where the embedded database listens. */
async function socketFolder(subject: Subject): Promise<string> {
  const [pid] = await subject.databasePids()
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8')
  return /unix_socket_directories=([^\0]+)/.exec(command)![1]!
}
