// The supervisor with real servers: started, found again after its parent was killed, owned by one, brought back.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault, SystemClock, silentLog } from '@saperly/kernel'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DatabaseAddress, connectionConfig } from '../database.ts'
import { findBinaries } from './binaries.ts'
import { spawnOptions } from './command.ts'
import { isAlive, runningPostmaster, until } from './postmaster.ts'
import { type EmbeddedDatabase, startEmbedded } from './supervisor.ts'
import { unprivilegedUser } from './user.ts'

const BUILT = new URL('./supervisor.js', import.meta.url).href.replace('/src/', '/dist/')
const PACKAGE_ROOT = new URL('../../../', import.meta.url)
const WAIT_MS = 60_000
/** Several starts of a real server, on a machine that may be busy with other tests. */
const TEST_LIMIT_MS = 180_000

const clock = new SystemClock()
let dataDir: string
const children: ChildProcess[] = []

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'saperly-data-'))
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

const start = (): Promise<EmbeddedDatabase> => startEmbedded({ dataDir, clock, log: silentLog })

async function ask<R extends pg.QueryResultRow>(
  address: DatabaseAddress,
  text: string,
): Promise<R[]> {
  const client = new pg.Client(connectionConfig(address))
  // A server that dies under a statement is told by its promise.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<R>(text)).rows
  } finally {
    await client.end()
  }
}

async function postmaster(): Promise<number> {
  return Number(
    (await readFile(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8')).split('\n')[0],
  )
}

/** Another process of the platform, from the built output: it starts the database, writes a row, and stays. */
function startInChild(): Promise<ChildProcess> {
  const program = `
    import pg from 'pg'
    import { SystemClock, silentLog } from '@saperly/kernel'
    import { startEmbedded } from ${JSON.stringify(BUILT)}
    const { address } = await startEmbedded({
      dataDir: ${JSON.stringify(dataDir)}, clock: new SystemClock(), log: silentLog })
    const client = new pg.Client(address)
    await client.connect()
    await client.query('create table witness as select 42 as answer')
    process.stdout.write('written')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: PACKAGE_ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  return new Promise((resolve, reject) => {
    child.stdout!.once('data', () => resolve(child))
    child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)))
  })
}

describe('startEmbedded', { timeout: TEST_LIMIT_MS }, () => {
  it('starts a durable server without a TCP port, and stops it', async () => {
    const database = await start()
    const settings = await ask<{ name: string; setting: string }>(
      database.address,
      `select name, setting from pg_settings where name in
         ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses') order by name`,
    )
    expect(settings.map(({ setting }) => setting)).toEqual(['on', 'on', '', 'on'])
    const pid = await postmaster()
    const folder = 'host' in database.address ? database.address.host : ''
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    await database.stop()
    await database.stop()
    expect(isAlive(pid)).toBe(false)
    await expect(stat(folder)).rejects.toThrow('ENOENT')
  })

  it('keeps what was written over a restart', async () => {
    const first = await start()
    await ask(first.address, 'create table kept as select 7 as answer')
    await first.stop()
    const second = await start()
    expect(await ask(second.address, 'select answer from kept')).toEqual([{ answer: 7 }])
    await second.stop()
  })

  it('goes on with the server that outlived its killed parent', async () => {
    const child = await startInChild()
    const pid = await postmaster()
    child.kill('SIGKILL')
    const database = await start()
    expect(await postmaster()).toBe(pid)
    expect(await ask(database.address, 'select answer from witness')).toEqual([{ answer: 42 }])
    await database.stop()
    expect(isAlive(pid)).toBe(false)
  })

  it('takes over from a server that outlived its parent but can not be reached any more', async () => {
    const child = await startInChild()
    const pid = await postmaster()
    child.kill('SIGKILL')
    const running = await runningPostmaster(join(dataDir, 'postgres/cluster'))
    await rm(running!.socketFolder, { recursive: true })
    const database = await start()
    expect(await postmaster()).not.toBe(pid)
    expect(await ask(database.address, 'select answer from witness')).toEqual([{ answer: 42 }])
    await database.stop()
  })

  it('begins anew in a data folder that was removed under a server', async () => {
    const child = await startInChild()
    child.kill('SIGKILL')
    await rm(dataDir, { recursive: true })
    const database = await start()
    await expect(ask(database.address, 'select answer from witness')).rejects.toThrow('witness')
    await database.stop()
  })

  it('refuses a data folder that another process runs', async () => {
    const owner = await start()
    await expect(start()).rejects.toThrow('DATA_DIR')
    expect(await ask(owner.address, 'select 1 as one')).toEqual([{ one: 1 }])
    await owner.stop()
  })

  it('brings back a server that was killed under it', async () => {
    const database = await start()
    await ask(database.address, 'create table kept as select 7 as answer')
    const pid = await postmaster()
    process.kill(pid, 'SIGKILL')
    const answers = await until(
      () =>
        ask(database.address, 'select answer from kept').then(
          (rows) => rows.length === 1,
          () => false,
        ),
      clock,
      WAIT_MS,
    )
    expect(answers).toBe(true)
    expect(await postmaster()).not.toBe(pid)
    await database.stop()
  })

  it(
    'waits for a server that lost one of its processes and recovers',
    async () => {
      const database = await start()
      const pid = await postmaster()
      // Enough to be read again that the supervisor looks while the server still says that it is in recovery.
      await ask(database.address, 'create table witness as select generate_series(1, 2000000) as n')
      const victim = new pg.Client(connectionConfig(database.address))
      victim.on('error', () => undefined)
      await victim.connect()
      const { rows } = await victim.query<{ pid: number }>('select pg_backend_pid() as pid')
      process.kill(rows[0]!.pid, 'SIGKILL')
      // Owned again: the supervisor has come through whatever it made of the loss.
      const owned = await until(
        async () => {
          try {
            const locks = await ask(
              database.address,
              `select 1 from pg_locks where locktype = 'advisory' and granted`,
            )
            return locks.length === 1
          } catch {
            return false
          }
        },
        clock,
        WAIT_MS,
      )
      expect(owned).toBe(true)
      expect(await postmaster()).toBe(pid)
      const [witness] = await ask<{ count: number }>(
        database.address,
        'select count(*) from witness',
      )
      expect(witness).toEqual({ count: 2_000_000 })
      await database.stop()
    },
    TEST_LIMIT_MS,
  )

  it('is not misled by a pid file whose process is something else by now', async () => {
    const first = await start()
    await first.stop()
    const path = join(dataDir, 'postgres/cluster/postmaster.pid')
    await writeFile(path, `${process.pid}\n${dataDir}\n1\n5432\n/nowhere\n\n\nready\n`)
    expect(await runningPostmaster(join(dataDir, 'postgres/cluster'))).toBeNull()
    const second = await start()
    expect(await ask(second.address, 'select 1 as one')).toEqual([{ one: 1 }])
    await second.stop()
  })

  it.runIf(process.platform === 'linux')(
    'waits for a killed server whose process nobody has buried yet',
    async () => {
      const first = await start()
      await first.stop()
      // A shell's child that has ended stays as a zombie while the shell has become something that waits for no child.
      const undertaker = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 8'], {
        ...spawnOptions(await unprivilegedUser(join(dataDir, 'postgres'))),
        cwd: '/',
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      children.push(undertaker)
      const [pid] = (await once(undertaker.stdout!.setEncoding('utf8'), 'data')) as [string]
      const cluster = join(dataDir, 'postgres/cluster')
      const lines = [pid.trim(), cluster, '1', '5432', '', '', '1 1', 'ready   ']
      await writeFile(join(cluster, 'postmaster.pid'), `${lines.join('\n')}\n`)
      const state = async (): Promise<string | undefined> =>
        /\) (\w)/.exec(await readFile(`/proc/${pid.trim()}/stat`, 'utf8'))?.[1]
      await until(async () => (await state()) === 'Z', clock, WAIT_MS)
      const second = await start()
      expect(await ask(second.address, 'select 1 as one')).toEqual([{ one: 1 }])
      await second.stop()
    },
  )

  it('says what would be right when the binaries do not run', async () => {
    const starting = startEmbedded({ dataDir, clock, log: silentLog, binDir: '/nowhere' })
    await expect(starting).rejects.toThrow(Fault)
    await expect(starting).rejects.toThrow('DATABASE_URL')
  })
})

describe.runIf(process.getuid?.() === 0)('as root', { timeout: TEST_LIMIT_MS }, () => {
  it('makes a private data folder passable for the user it steps down to', async () => {
    await chmod(dataDir, 0o700)
    const database = await start()
    expect((await stat(dataDir)).mode & 0o777).toBe(0o711)
    expect((await stat(join(dataDir, 'postgres'))).uid).toBe(
      (await unprivilegedUser('/nowhere')).uid,
    )
    await database.stop()
  })

  it('finds binaries that its user can run', async () => {
    const user = await unprivilegedUser(dataDir)
    expect(await findBinaries(dataDir, user)).toMatch(/bin$/)
  })

  it('keeps the database where its user can go when it cannot reach the data folder', async () => {
    const hidden = join(dataDir, 'hidden')
    await mkdir(hidden, { mode: 0o700 })
    const place = join(hidden, 'data')
    const database = await startEmbedded({ dataDir: place, clock, log: silentLog })
    await ask(database.address, 'create table kept as select 7 as answer')
    await database.stop()
    const home = await realpath(join(place, 'postgres'))
    expect(home.startsWith('/var/lib/saperly/')).toBe(true)
    const again = await startEmbedded({ dataDir: place, clock, log: silentLog })
    expect(await ask(again.address, 'select answer from kept')).toEqual([{ answer: 7 }])
    await again.stop()
    await rm(home, { recursive: true })
  })
})
